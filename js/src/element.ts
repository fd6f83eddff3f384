/**
 * Which element was meant and what it is called: a key that is the same for every visitor and survives changes elsewhere on
 * the page. Reads structure and a few attributes, never `value`, and never walks more than an element's ancestors and siblings.
 */
import { type Key, makeKey } from './wire';

/** What a person presses; an icon or a span inside one of these is that thing. */
export const INTERACTIVE =
  'a[href],button,input,select,textarea,summary,label,[onclick],[contenteditable=""],[contenteditable=true],' +
  'button,link,tab,menuitem,menuitemcheckbox,menuitemradio,option,checkbox,radio,switch,combobox,textbox,slider'
    .split(',')
    .map((role) => `[role=${role}]`)
    .join();

const LANDMARKS = /^(main|header|footer|nav|aside|section|form|dialog)$/;
/** How far up the page is searched for the thing that a person pressed. */
const CLIMB = 5;
/** Siblings counted at most; the elements beyond share the step `li:200+`. Bounds the work of a click. */
const MAX_SIBLINGS = 200;
/** Ancestors looked at at most, as many as a key has steps on the wire; deeper trees are cut at the top. */
const MAX_ANCESTORS = 64;

/** Attributes that people set to find an element again, the most deliberate first. */
const NAMES = ['data-jalki-name', 'data-testid', 'data-test', 'data-cy', 'data-qa'];

/** Tells apart elements and remembers what it said, so that a view calls an element by one name. */
export type Identify = (element: Element) => Key;

/** Returns the element that a person would say was pressed, given the innermost one. */
export function pressedElement(innermost: Element): Element {
  let element: Element | null = innermost;
  for (let step = 0; element && step <= CLIMB; step++) {
    if (element.matches(INTERACTIVE)) return element;
    element = parentOf(element);
  }
  return (innermost.closest('svg') ?? innermost) as Element;
}

/**
 * Returns whether an id was made by a program at run time: hashes, long digit runs, `:r3:` and `_r_3_` (React), `ember123`,
 * `radix-…`, UUIDs. Such ids differ between visitors or builds.
 */
export function isGenerated(id: string): boolean {
  return (
    id.length > 100 ||
    /\d{3}|^\d+$|[:«»\s]|^_r_|^(ember|radix|headlessui|mui|react-|yui|ext-|gwt-|cke_).*\d/i.test(id) ||
    /[\da-f]{8}-[\da-f]{4}-/i.test(id) ||
    // A run of letters and digits that changes between them twice is a hash: css-1x2y3z, a8f3c2.
    /(?=[a-z]*\d+[a-z]+\d)[a-z\d]{5,}/i.test(id)
  );
}

/** Returns a function that gives each element its key; made anew for each view, as a page may reuse its nodes. */
export function createIdentify(): Identify {
  const keys = new WeakMap<Element, Named>();
  return (element) => {
    const known = keys.get(element);
    if (known) return known.key;
    const { chain, above, isCut } = climb(element, keys);
    let named = above;
    for (const [described, step] of chain.reverse()) {
      named = { key: makeKey(named?.key ?? null, step), levels: 1 + (named?.levels ?? 0) };
      // Where a tree is cut depends on the element alone, and not on what was named before it.
      if (!isCut) keys.set(described, named);
    }
    if (isCut && named) keys.set(element, { key: named.key, levels: Infinity });
    return named?.key ?? makeKey(null, 'body');
  };
}

interface Climb {
  /** Elements from the innermost up, and their steps. */
  readonly chain: [Element, string][];
  /** What stands above them, where it has a name. */
  readonly above: Named | null;
  /** The tree goes on above, unseen. */
  readonly isCut: boolean;
}

function climb(element: Element, keys: WeakMap<Element, Named>): Climb {
  const chain: [Element, string][] = [];
  let next: Element | null = element;
  while (next && chain.length < MAX_ANCESTORS) {
    const above = keys.get(next);
    if (above && above.levels + chain.length <= MAX_ANCESTORS) return { chain, above, isCut: false };
    const { step, parent }: Description = describe(next);
    chain.push([next, step]);
    next = parent;
  }
  return { chain, above: null, isCut: next !== null };
}

/** A key, and how many levels it has up to its anchor; Infinity where it was cut. */
interface Named {
  readonly key: Key;
  readonly levels: number;
}

interface Description {
  step: string;
  /** The element below which the step has its meaning; null: the step is an anchor. */
  parent: Element | null;
}

function describe(element: Element): Description {
  const tag = element.localName;
  const parent = parentOf(element);
  if (!parent || tag === 'body') return { step: 'body', parent: null };
  return stableId(element) ?? ownName(element) ?? fieldName(element) ?? { step: nthStep(element, tag), parent };
}

function stableId(element: Element): Description | null {
  const id = element.getAttribute('id');
  if (!id || isGenerated(id)) return null;
  const root = element.getRootNode() as Document | ShadowRoot;
  if (root.getElementById?.(id) !== element) return null;
  return { step: `#${id}`, parent: (root as ShadowRoot).host ?? null };
}

/** A name that the site's owner gave, for our sake, is an anchor wherever it stands. */
function ownName(element: Element): Description | null {
  const name = element.getAttribute('data-jalki-name');
  return name ? { step: `[data-jalki-name=${name}]`, parent: null } : null;
}

/** A control is known by its name within its form, whatever stands between. */
function fieldName(element: Element): Description | null {
  const name = element.getAttribute('name');
  const { form } = element as HTMLInputElement;
  if (!name || isGenerated(name) || !(form instanceof HTMLFormElement)) return null;
  // A control called `elements` shadows the list; then the place among the siblings must do.
  const isOnly = form.elements.namedItem?.(name) === element;
  return isOnly ? { step: `${element.localName}[name=${name}]`, parent: form } : null;
}

/** Tag or name, and the place among the siblings that look the same. */
function nthStep(element: Element, tag: string): string {
  const attribute = nameAttribute(element, tag);
  const value = attribute && element.getAttribute(attribute);
  const isSame = (other: Element) => other.localName === tag && (!attribute || other.getAttribute(attribute) === value);
  let nth = 1;
  let sibling = element.previousElementSibling;
  for (let i = 1; sibling && i < MAX_SIBLINGS; i++) {
    if (isSame(sibling)) nth++;
    sibling = sibling.previousElementSibling;
  }
  const name = attribute ? `${tag}[${attribute}=${value}]` : tag;
  if (sibling) return `${name}:${MAX_SIBLINGS}+`;
  return nth === 1 && (attribute || LANDMARKS.test(tag)) ? name : `${name}:${nth}`;
}

function nameAttribute(element: Element, tag: string): string | undefined {
  const attributes = LANDMARKS.test(tag) ? [...NAMES, 'name', 'aria-label', 'role'] : NAMES;
  return attributes.find((attribute) => {
    const value = element.getAttribute(attribute);
    return value && value.length <= 60 && !/[@\d]{2}/.test(value) && !isGenerated(value);
  });
}

/** The parent element, through the border of a shadow root. */
export function parentOf(element: Element): Element | null {
  return element.parentElement ?? ((element.getRootNode() as ShadowRoot).host as Element | undefined) ?? null;
}
