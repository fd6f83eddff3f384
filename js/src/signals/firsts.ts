/** When the visitor first acted in each section. */
import { listen } from '../guard';
import type { Section } from '../host';
import { FIRST_ACTION } from '../kinds';
import { hear, host, say } from './desk';
import { innermostOf } from './innermost';

/** Bits of what `compareDocumentPosition` returns. */
const PRECEDING = 2;
const FOLLOWING = 4;

/** Says the first click or key in each section: what heads it, and its mark where it has one. */
export function observeFirsts(root: Document): void {
  const said = new Set<string>();
  let typedIn: Element | undefined;
  const look = (element: Element) => {
    const node = topmost(element);
    const part = host.sections().find((section) => isInside(node, section.part))?.part;
    if (!part || said.has(part.key)) return;
    said.add(part.key);
    say(FIRST_ACTION, part.head, 0, 0, part.head.getAttribute('data-jalki-section') ?? '');
  };
  listen(
    'keydown',
    (event) => {
      const element = innermostOf(event);
      // Typing goes on in one place, and is looked at once.
      if (element && element !== typedIn && event.isTrusted) look(element);
      typedIn = element;
    },
    root,
  );
  hear('click', look, root);
  const onView = () => {
    said.clear();
    typedIn = undefined;
  };
  hear('view', onView, root);
}

function isInside(node: Element, { first, last }: Section['part']): boolean {
  const isFrom = first.contains(node) || (first.compareDocumentPosition(node) & FOLLOWING) > 0;
  const isTo = last.contains(node) || (last.compareDocumentPosition(node) & PRECEDING) > 0;
  return isFrom && isTo;
}

/** What of the page itself holds `element`: it, or the host or frame around it. */
function topmost(element: Element): Element {
  const root = element.getRootNode() as Partial<ShadowRoot> & Partial<Document>;
  const around = root.host ?? root.defaultView?.frameElement;
  return around ? topmost(around) : element;
}
