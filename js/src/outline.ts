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
import { describe } from './element';
import { isIgnored } from './screen';
import { type Key, makeKey } from './wire';

/** Most sections of a page; bounds the work of each step. */
const MAX_SECTIONS = 100;
const MARK = 'data-jalki-section';
const CONTAINERS = 'section,article,header,footer,nav,aside';
/** Siblings that end what belongs to a heading. */
const BOUNDARIES = `${CONTAINERS},[role=contentinfo],[role=navigation]`;

/** A part of the page: the siblings from `first` to `last`, and what heads it, or itself. */
export interface Part {
  readonly first: Element;
  readonly last: Element;
  readonly head: Element;
  readonly key: Key;
}

/** How many heads there are in what stands around them. */
type Counts = Map<Element, number>;

/** Returns the sections of the page as it is now. */
export function findParts(): Part[] {
  const heads = findShown(`[${MARK}],h1,h2,h3`, (head) => !head.parentElement?.closest(`[${MARK}]`));
  const counts: Counts = new Map();
  const members = new Set<Element>();
  const names = new Map<Key, number>();
  const parts: Part[] = [];
  const add = (head: Element, first: Element, last: Element) => {
    const mark = head.getAttribute(MARK);
    // What is above a section changes sooner than what it is called.
    const key = makeKey(null, mark ? `[${MARK}=${mark}]` : describe(head));
    const nth = (names.get(key) ?? 0) + 1;
    names.set(key, nth);
    parts.push({ head, first, last, key: nth > 1 ? `${key}:${nth}` : key });
  };
  for (const head of heads) climb(head, (around) => !counts.set(around, (counts.get(around) ?? 0) + 1));
  for (const head of heads) {
    const first = largestAround(head, counts);
    add(head, first, lastBehind(first, counts, members));
  }
  for (const container of findShown(CONTAINERS, (element) => !counts.has(element)))
    if (!climb(container, (around) => members.has(around))) {
      members.add(container);
      add(container, container, container);
    }
  const rest = document.querySelector('main') ?? document.body;
  if (!parts[0]) add(rest, rest, rest);
  return parts.slice(0, MAX_SECTIONS);
}

/** Goes up from an element, itself included, until `isEnd` says so; returns whether it did. */
function climb(element: Element, isEnd: (around: Element) => boolean): boolean {
  for (let around: Element | null = element; around; around = around.parentElement) if (isEnd(around)) return true;
  return false;
}

/** Returns the largest element around a heading that has no other; a mark stands for itself. */
function largestAround(head: Element, counts: Counts): Element {
  let first = head;
  let up = head.hasAttribute(MARK) ? null : head.parentElement;
  for (; up && counts.get(up) === 1 && !up.matches('body,main'); up = up.parentElement) first = up;
  return first;
}

/** Returns the last sibling that belongs to what begins with `first`; all of them become `members`. */
function lastBehind(first: Element, counts: Counts, members: Set<Element>): Element {
  let last = first;
  members.add(first);
  let next = first.matches(`[${MARK}],li,${CONTAINERS}`) ? null : first.nextElementSibling;
  for (; next && !counts.has(next) && !next.matches(BOUNDARIES); next = next.nextElementSibling) {
    members.add(next);
    if (isShown(next)) last = next;
  }
  return last;
}

/** Returns the first of those that `selector` names and `isWanted` takes, as far as a person can see them. */
function findShown(selector: string, isWanted: (element: Element) => boolean): Element[] {
  const found: Element[] = [];
  for (const element of document.querySelectorAll(selector)) {
    if (found.length >= MAX_SECTIONS) break;
    if (isWanted(element) && isShown(element) && !isIgnored(element)) found.push(element);
  }
  return found;
}

function isShown(element: Element): boolean {
  return element.getClientRects().length > 0;
}
