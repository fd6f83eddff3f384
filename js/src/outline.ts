/**
 * Finds the sections of a page: parts that a reader would name, which do not overlap. The rule, in this order:
 *
 * 1. What the site marks with `data-jalki-section` is a section as a whole.
 * 2. Each other visible h1–h3 heads one: the largest element around it that holds no other heading or mark; where that is
 *    only the heading (or a wrapper of it), also what follows it up to the next heading or landmark beside it.
 * 3. Each section, article, header, footer, nav and aside that touches none of these is one.
 * 4. A page that has none at all is one section: its main element or its body.
 *
 * A list card is a section where it has a heading or a mark. At most 100, in the order of the document.
 */
import { isIgnored } from './screen';
import { type Key, makeKey } from './wire';

/** Most sections of a page; bounds the work of each step. */
const MAX_SECTIONS = 100;
/** Elements looked at in search of them. */
const MAX_CANDIDATES = 500;
const MARK = 'data-jalki-section';
const CONTAINERS = 'section,article,header,footer,nav,aside';

/** A part of the page: the siblings from `first` to `last`, and what heads it, or itself. */
export interface Part {
  readonly first: Element;
  readonly last: Element;
  readonly head: Element;
  readonly key: Key;
}

/** Returns the sections of the page as it is now. */
export function findParts(identify: (element: Element) => Key): Part[] {
  const heads = findAll(`[${MARK}],h1,h2,h3`).filter((head) => !head.parentElement?.closest(`[${MARK}]`));
  /** How many heads there are in what stands around them. */
  const counts = new Map<Element, number>();
  const members = new Set<Element>();
  const names = new Map<Key, number>();
  const parts: Part[] = [];
  const add = (head: Element, first: Element, last: Element) => {
    const mark = head.getAttribute(MARK);
    const key = mark ? makeKey(null, `[${MARK}=${mark}]`) : identify(head);
    const nth = (names.get(key) ?? 0) + 1;
    names.set(key, nth);
    members.add(first);
    if (parts.length < MAX_SECTIONS) parts.push({ head, first, last, key: nth > 1 ? `${key}:${nth}` : key });
  };
  for (const head of heads)
    for (let around: Element | null = head; around; around = around.parentElement)
      counts.set(around, (counts.get(around) ?? 0) + 1);
  for (const head of heads) {
    let first = head;
    for (
      let up = head.parentElement;
      up && !head.matches(`[${MARK}]`) && counts.get(up) === 1 && !up.matches('body,main');
      up = up.parentElement
    )
      first = up;
    let last = first;
    for (
      let next = first.nextElementSibling;
      next && !first.matches(`[${MARK}],li,${CONTAINERS}`);
      next = next.nextElementSibling
    ) {
      if (counts.has(next) || next.matches(`${CONTAINERS},[role=contentinfo],[role=navigation]`)) break;
      members.add(next);
      if (isShown(next)) last = next;
    }
    add(head, first, last);
  }
  for (const container of findAll(CONTAINERS)) {
    let above: Element | null = container;
    while (above && !members.has(above)) above = above.parentElement;
    if (!above && !counts.has(container)) add(container, container, container);
  }
  const rest = document.querySelector('main') ?? document.body;
  if (!parts[0]) add(rest, rest, rest);
  return parts;
}

function findAll(selector: string): Element[] {
  return [...document.querySelectorAll(selector)]
    .slice(0, MAX_CANDIDATES)
    .filter((element) => isShown(element) && !isIgnored(element));
}

function isShown(element: Element): boolean {
  return element.getClientRects().length > 0;
}
