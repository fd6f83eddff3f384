/**
 * Finds the sections of a page: parts that a reader would name, which do not overlap. The rule, in this order:
 *
 * 1. What the site marks with `data-jalki-section` is a section as a whole.
 * 2. Each other visible h1–h3 heads one: the largest element around it that holds no other heading or mark; where that is
 *    only the heading (or a wrapper of it), also what follows it up to the next heading or landmark beside it.
 * 3. Each section, article, header, footer, nav and aside that touches none of these is one.
 * 4. A main element that touches none of these is one too; where there is nothing at all, the body is.
 *
 * A list card is a section where it has a heading or a mark. At most 100, in the order of the document within each rule.
 */
import { describe } from './element';
import { isIgnored } from './screen';
import { type Key, makeKey } from './wire';

/** Most sections of a page; bounds the work of each step. */
const MAX_SECTIONS = 100;
const MARK = 'data-jalki-section';
const CONTAINERS = 'nav,aside,header,footer,section,article';
/** What goes no further than itself, and ends what belongs to a heading before it. */
const WHOLES = `[${MARK}],li,[role=contentinfo],[role=navigation],${CONTAINERS}`;

/** A part of the page: what heads it, or itself, and the siblings from `first` to `last`. */
export type Part = readonly [head: Element, first: Element, last: Element];

/** Returns the sections of the page as it is now. */
export function findParts(): Part[] {
  const heads = findShown(`:is([${MARK}],h1,h2,h3):not([${MARK}] *)`);
  /** All that belongs to a part, the heads first: most containers hold one. */
  const members = [...heads];
  const parts = heads.map((head, i): Part => {
    /** Goes on from an element while there is neither an end nor another head; returns the last that is shown. */
    const reach = (from: Element, way: 'parentElement' | 'nextElementSibling', ends: string): Element => {
      const passed: Element[] = [];
      for (
        let next: Element | null = from;
        next &&
        !next.matches(ends) &&
        // Heads are in the order of the document: who holds another holds one of these. Nothing is held by nobody.
        !next.contains(heads[i - 1] as Element) &&
        !next.contains(heads[i + 1] as Element);
        next = next[way]
      )
        passed.unshift(next);
      members.push(...passed);
      return passed.find(isShown) ?? from;
    };
    const first = reach(head, 'parentElement', `[${MARK}],body,main`);
    return [head, first, reach(first, 'nextElementSibling', WHOLES)];
  });
  for (const container of [...findShown(CONTAINERS), ...findShown('body,main').reverse()])
    if (
      parts.length < MAX_SECTIONS &&
      members.every((member) => !member.contains(container) && !container.contains(member))
    ) {
      members.push(container);
      parts.push([container, container, container]);
    }
  return parts;
}

/** Returns what a part is called, given its head. */
export function nameOf(head: Element): Key {
  const mark = head.getAttribute(MARK);
  // What is above a section changes sooner than what it is called.
  return makeKey(null, mark ? `[${MARK}=${mark}]` : describe(head));
}

/** Returns the first of those that `selector` names, as far as a person can see them. */
function findShown(selector: string): Element[] {
  return [...document.querySelectorAll(selector)]
    .filter((element) => isShown(element) && !isIgnored(element))
    .slice(0, MAX_SECTIONS);
}

function isShown(element: Element): boolean {
  return element.getClientRects().length > 0;
}
