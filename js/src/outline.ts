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
import { type Identify, isGenerated } from './element';
import { masked, textOf } from './text';
import { type Key, keyText, makeKey } from './wire';

/** Most sections of a page; bounds the work of each scroll. */
const MAX_SECTIONS = 100;
/** Elements looked at in search of them. */
const MAX_CANDIDATES = 500;
/** Words of a heading in a key, characters; read of it before what is masked is gone. */
const MAX_SLUG_CHARS = 40;
const MAX_HEADING_CHARS = 200;
const MARK = 'data-jalki-section';
const HEADINGS = 'h1,h2,h3';
const CONTAINERS = 'section,article,header,footer,nav,aside';
/** Siblings that end what belongs to a heading. */
const BOUNDARIES = 'section,article,header,footer,nav,[role=contentinfo],[role=navigation]';

/** A part of the page: the siblings from `first` to `last`. */
export interface Part {
  readonly first: Element;
  readonly last: Element;
  readonly key: Key;
  /** What it is headed by, may be empty. */
  readonly title: string;
}

/** Returns the sections of the page as it is now. */
export function findParts(identify: Identify): Part[] {
  const heads = all(`[${MARK}],${HEADINGS}`).filter(isHead);
  const names = new Map<string, number>();
  const parts = heads.slice(0, MAX_SECTIONS).map((_, index) => headed(heads, index, identify, names));
  for (const container of all(CONTAINERS)) {
    if (parts.length >= MAX_SECTIONS) break;
    if (isShown(container) && !parts.some((part) => touches(part, container))) parts.push(whole(container, identify));
  }
  return parts.length ? parts : [whole(document.querySelector('main') ?? document.body, identify)];
}

function all(selector: string): Element[] {
  return [...document.querySelectorAll(selector)].slice(0, MAX_CANDIDATES);
}

function headed(heads: Element[], index: number, identify: Identify, names: Map<string, number>): Part {
  const head = heads[index] as Element;
  const isMarked = head.hasAttribute(MARK);
  const first = isMarked ? head : largestAround(head, heads[index - 1], heads[index + 1]);
  const last = isMarked || first.matches(CONTAINERS) || first.matches('li') ? first : lastBefore(first, heads);
  return {
    first,
    last,
    key: unique(partKey(head, first, identify), names),
    title: head.getAttribute(MARK) ?? textOf(head),
  };
}

function isHead(element: Element): boolean {
  return isShown(element) && !element.parentElement?.closest(`[${MARK}]`);
}

function isShown(element: Element): boolean {
  return element.getClientRects().length > 0;
}

function whole(element: Element, identify: Identify): Part {
  return { first: element, last: element, key: identify(element), title: element.getAttribute('aria-label') ?? '' };
}

function largestAround(head: Element, before: Element | undefined, after: Element | undefined): Element {
  let element = head;
  for (;;) {
    const parent = element.parentElement;
    if (!parent || parent.matches('body,main') || parent.contains(before ?? null) || parent.contains(after ?? null)) {
      return element;
    }
    element = parent;
  }
}

/** The last sibling that belongs to what begins with `first`. */
function lastBefore(first: Element, heads: readonly Element[]): Element {
  const following = new Set(heads);
  let last = first;
  for (let next = first.nextElementSibling; next; next = next.nextElementSibling) {
    if (following.has(next) || next.matches(BOUNDARIES) || next.querySelector(`[${MARK}],${HEADINGS}`)) break;
    if (isShown(next)) last = next;
  }
  return last;
}

function touches(part: Part, element: Element): boolean {
  if (element.contains(part.first) || part.first.contains(element)) return true;
  const { FOLLOWING, PRECEDING } = { FOLLOWING: 4, PRECEDING: 2 };
  return (
    Boolean(part.first.compareDocumentPosition(element) & FOLLOWING) &&
    (part.last.contains(element) || Boolean(part.last.compareDocumentPosition(element) & PRECEDING))
  );
}

/**
 * A mark's name, else an id that a person chose, else the heading's words, else the place: what changes least. The words of an
 * h1 are never taken: it is the one of its page, and the one that greets people by their names.
 */
function partKey(head: Element, first: Element, identify: Identify): Key {
  const mark = head.getAttribute(MARK);
  if (mark) return makeKey(null, `[${MARK}=${mark}]`);
  const withId = [head, ...ancestorsWithin(head, first)].find((element) => element.id && !isGenerated(element.id));
  if (withId) return makeKey(null, `#${withId.id}`);
  if (head.localName === 'h1') return makeKey(null, 'h1');
  const words = slug(textOf(head));
  return words ? makeKey(null, `${head.localName}[${words}]`) : identify(head);
}

function ancestorsWithin(head: Element, first: Element): Element[] {
  const ancestors: Element[] = [];
  for (let element = head; element !== first && element.parentElement; ) {
    element = element.parentElement;
    ancestors.push(element);
  }
  return ancestors;
}

/**
 * Returns the words of a heading in a form that survives changes of case, punctuation, dates and counts, without mail addresses
 * and long numbers.
 */
export function slug(text: string): string {
  return masked(text, MAX_HEADING_CHARS)
    .toLowerCase()
    .replace(/\p{N}+/gu, '0')
    .replace(/[^\p{L}\p{N}]+/gu, '-')
    .replace(/^-|-$/g, '')
    .slice(0, MAX_SLUG_CHARS);
}

function unique(key: Key, names: Map<string, number>): Key {
  const name = keyText(key);
  const count = (names.get(name) ?? 0) + 1;
  names.set(name, count);
  return count > 1 ? makeKey(key.parent, `${key.step.slice(0, 190)}:${count}`) : key;
}
