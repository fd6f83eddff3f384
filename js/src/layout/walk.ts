/** Goes through a page in slices of idle time: into open shadow roots and same-origin frames, not into what is ignored. */

/** Elements looked at, at most; what is behind them is not in the layout. */
const MAX_WALKED = 100000;
const IGNORE = 'data-jalki-ignore';

interface Level<Context> {
  readonly elements: ArrayLike<Element>;
  readonly context: Context;
  next: number;
}

/**
 * Calls `enter` for each element from `root` down, in the order of the document, with what `enter` returned for the element
 * above. A slice may end at each `yield`; the children of an element are taken as they are when it is entered.
 */
export function* walk<Context>(
  root: Element,
  context: Context,
  enter: (element: Element, above: Context) => Context,
): Generator<void> {
  const levels: Level<Context>[] = [{ elements: [root], context, next: 0 }];
  for (let walked = 0; walked < MAX_WALKED; ) {
    const level = levels[levels.length - 1];
    if (!level) return;
    const element = level.elements[level.next++];
    if (!element) {
      levels.pop();
      continue;
    }
    if (element.hasAttribute(IGNORE)) continue;
    walked++;
    const below = enter(element, level.context);
    // The last of these is the first to be walked.
    for (const elements of [element.children, element.shadowRoot?.children, frameRoots(element)]) {
      if (elements?.length) levels.push({ elements: Array.from(elements), context: below, next: 0 });
    }
    yield;
  }
}

/** What stands in a frame; nothing where it is of another origin, or records itself. */
function frameRoots(element: Element): ArrayLike<Element> | undefined {
  if (!/^i?frame$/.test(element.localName)) return;
  const inside = (element as HTMLIFrameElement).contentDocument;
  return inside?.body && typeof inside.defaultView?.jalki !== 'function' ? [inside.body] : undefined;
}
