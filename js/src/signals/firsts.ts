/** When the visitor first acted in each section. */
import { listen } from '../guard';
import { FIRST_ACTION } from '../kinds';
import { clockMs } from '../screen';
import type { Section } from '../sections';
import { hear, host, say } from './desk';
import { innermostOf } from './innermost';
import { whenResting } from './resting';

/** Keys are looked at when typing pauses, ms. */
const REST_MS = 300;

/** Bits of what `compareDocumentPosition` returns. */
const PRECEDING = 2;
const FOLLOWING = 4;

/** Says the first click or key in each section: what heads it, and its mark where it has one. */
export function observeFirsts(root: Document): void {
  const said = new Set<string>();
  let typedIn: Element | undefined;
  let typedMs = 0;
  const look = (element: Element, atMs: number) => {
    const node = topmost(element);
    const part = node && host.sections().find((section) => isInside(node, section.part))?.part;
    if (!part || said.has(part.key)) return;
    said.add(part.key);
    say(FIRST_ACTION, part.head, 0, 0, part.head.getAttribute('data-jalki-section') ?? '', atMs);
  };
  const lookAtTyped = () => {
    if (typedIn) look(typedIn, typedMs);
    typedIn = undefined;
  };
  const rest = whenResting(REST_MS, lookAtTyped);
  listen(
    'keydown',
    (event) => {
      const element = innermostOf(event);
      if (element === typedIn || !event.isTrusted) return;
      lookAtTyped();
      typedIn = element;
      typedMs = clockMs();
      rest();
    },
    root,
  );
  hear('click', (element) => look(element, clockMs()), root);
  hear('end', lookAtTyped, root);
  hear('view', () => said.clear(), root);
}

function isInside(node: Element, { first, last }: Section['part']): boolean {
  const isFrom = first.contains(node) || (first.compareDocumentPosition(node) & FOLLOWING) > 0;
  const isTo = last.contains(node) || (last.compareDocumentPosition(node) & PRECEDING) > 0;
  return isFrom && isTo;
}

/** What of the page itself holds `element`: it, or the host or frame around it. */
function topmost(element: Element): Element | null {
  const root = element.getRootNode() as Partial<ShadowRoot> & Partial<Document>;
  const around = root.host ?? root.defaultView?.frameElement;
  return around ? topmost(around) : element;
}
