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

/** Most sections of a page; bounds the work of each scroll. */
const MAX_SECTIONS = 100;
/** Elements looked at in search of them. */
const MAX_CANDIDATES = 500;
const MARK = 'data-jalki-section';
const CONTAINERS = 'section,article,header,footer,nav,aside';
/** Siblings that end what belongs to a heading. */
const BOUNDARIES = 'section,article,header,footer,nav,[role=contentinfo],[role=navigation]';

/** A part of the page: the siblings from `first` to `last`, and what heads it, or itself. */
export interface Part {
  readonly first: Element;
  readonly last: Element;
  readonly head: Element;
  readonly key: Key;
}

/** Returns the sections of the page as it is now. */
export function findParts(identify: (element: Element) => Key): Part[] {
  const heads = all(`[${MARK}],h1,h2,h3`).filter((element) => !element.parentElement?.closest(`[${MARK}]`));
  const names = new Set<Key>();
  const members = new Set<Element | null>();
  const parts: Part[] = [];
  const add = (head: Element, first: Element, last: Element) => {
    if (parts.length >= MAX_SECTIONS) return;
    const mark = head.getAttribute(MARK);
    const key = mark ? makeKey(null, `[${MARK}=${mark}]`) : identify(head);
    let unique = key;
    for (let nth = 2; names.has(unique); nth++) unique = `${key}:${nth}`;
    names.add(unique);
    parts.push({ head, first, last, key: unique });
    for (let member: Element | null = first; member; member = member === last ? null : member.nextElementSibling)
      members.add(member);
  };
  const isHeaded = (element: Element) => heads.some((head) => element.contains(head));

  for (const head of heads) {
    let first = head;
    let last = head;
    if (!head.hasAttribute(MARK)) {
      const isOthers = (element: Element) => heads.some((other) => other !== head && element.contains(other));
      for (let around = head.parentElement; around && !around.matches('body,main') && !isOthers(around); )
        [first, around] = [around, around.parentElement];
      last = first;
      if (!first.matches(`${CONTAINERS},li`)) {
        for (let next = first.nextElementSibling; next; next = next.nextElementSibling) {
          if (next.matches(BOUNDARIES) || isHeaded(next)) break;
          if (isShown(next)) last = next;
        }
      }
    }
    add(head, first, last);
  }
  for (const container of all(CONTAINERS)) {
    let above: Element | null = container;
    while (above && !members.has(above)) above = above.parentElement;
    if (!above && !isHeaded(container)) add(container, container, container);
  }
  const rest = document.querySelector('main') ?? document.body;
  if (!parts.length) add(rest, rest, rest);
  return parts;
}

function all(selector: string): Element[] {
  return [...document.querySelectorAll(selector)]
    .slice(0, MAX_CANDIDATES)
    .filter((element) => isShown(element) && !isIgnored(element));
}

function isShown(element: Element): boolean {
  return element.getClientRects().length > 0;
}
