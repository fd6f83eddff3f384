/**
 * Which element was meant and what it is called: a key that is the same for every visitor, at every width, and after changes
 * elsewhere on the page. It has the nearest anchor above the element, then its tag, what tells it apart, and its place among
 * those that look the same. What stands between is left out, so a box more or less around it changes nothing.
 *
 * Never reads `value` nor typed text. An element may be of another realm (a frame's): no `instanceof` here.
 */
import { type Key, makeKey, plainText } from './wire';

/** What a person presses; an icon or a span inside one of these is that thing. */
export const INTERACTIVE =
  'a,button,input,select,textarea,summary,label,[onclick],[contenteditable],[role=button],' +
  '[role=link],[role=tab],[role^=menuitem],[role=option],[role$=box],[role=radio],[role=switch],[role=slider]';

/** Their words are shown in keys, of all others only a sum: a first heading may greet people by their names. */
const SPOKEN = `${INTERACTIVE},h2,h3,h4,h5,h6`;
/** Nothing that is said in or around these is read: the site does not want it, or somebody may have typed it. */
const UNREAD = '[data-jalki-mask],[data-jalki-ignore],[contenteditable],[role=textbox],textarea,select';
/** Parts of the page that keep their place; what is in one is told apart from what is in another. */
const LANDMARKS = 'main,nav,aside,header,footer';
/** Steps that stand alone (`#id`, `[data-testid=…]`) come before this in the alphabet, those that begin with a tag after it. */
const TAGS = '_';
/**
 * Attributes that tell elements apart, the most deliberate first; ids and test ids are anchors where no other has them, and the
 * last three are words.
 */
const NAMES = ['data-jalki-name', 'id', 'data-testid', 'data-test', 'data-cy', 'name', 'aria-label', 'alt', 'href'];
const UNSAID = 6;
/** Characters of words in a key, and of text that is read for it. */
const MAX_WORDS = 32;
const MAX_READ = 400;
/** How far up the page is searched for the thing that a person pressed. */
const CLIMB = 5;
/** Elements of one tag looked at below an anchor; those beyond that look the same share a key. Bounds the work of a click. */
const MAX_TWINS = 200;

/** Tells apart elements and remembers what it said, so that a view calls an element by one name. */
export type Identify = (element: Element) => Key;

/** Returns the element that a person would say was pressed, given the innermost one. */
export function pressedElement(innermost: Element): Element {
  let element: Element | null = innermost;
  for (let step = 0; element && step <= CLIMB; step++) {
    if (element.matches(INTERACTIVE)) return element;
    element = element.parentElement ?? holderOf(element);
  }
  return innermost.closest('svg,pre') ?? innermost;
}

/** Returns the host of the shadow root that the element is in, or the frame of its document, where that is not this one. */
function holderOf(element: Element): Element | null {
  const root = element.getRootNode();
  // A link that is in no document is its own root, and has a `host` as well.
  const { mode, host } = root as ShadowRoot;
  const { defaultView } = root as Document;
  return mode ? host : root !== document && defaultView ? defaultView.frameElement : null;
}

/**
 * Returns whether an id or a name was made by a program at run time: three digits in a row, `:r3:` and `_r_3_` (React), `ember12`,
 * `radix-…`, or a run of letters and digits that changes between them twice, as in hashes (css-1x2y3z, a8f3c2). Such names differ
 * between visitors or builds.
 */
export function isGenerated(name: string): boolean {
  return /^[\d#]*$|\d{3}|["\\@]|[:«][^/]|^_r_|^(ember|radix|headlessui|mui).*\d|\d[a-z]+\d/i.test(name);
}

/** Returns a function that gives each element its key; made anew for each view, as a page may reuse its nodes. */
export function createIdentify(): Identify {
  const stepOf = remembering(describe);
  /** The anchor that a step has its meaning below; none: the document, or the shadow root. */
  const scopeOf = (element: Element): Element | null => {
    let scope = element.parentElement;
    while (scope && stepOf(scope) > TAGS && !scope.matches(LANDMARKS)) scope = scope.parentElement;
    return scope;
  };
  /** The place of an element among those of the same step. */
  const placeOf = (element: Element, root: ParentNode): number => {
    let nth = 1;
    let looked = 0;
    for (const other of root.querySelectorAll(element.localName)) {
      if (other === element || looked++ >= MAX_TWINS) break;
      if (stepOf(other) === stepOf(element)) nth++;
    }
    return nth;
  };
  const identify = remembering((element): Key => {
    const step = stepOf(element);
    const isAlone = step < TAGS;
    const scope = isAlone ? null : scopeOf(element);
    const nth = isAlone ? 1 : placeOf(element, scope ?? (element.getRootNode() as Document));
    const above = scope ?? holderOf(element);
    return makeKey(above && identify(above), nth > 1 ? `${step}:${nth}` : step);
  });
  return identify;
}

/** Returns `call` with a memory of what it said of each element. */
function remembering(call: (element: Element) => string): (element: Element) => string {
  const known = new WeakMap<Element, string>();
  return (element) => {
    const answer = known.get(element) ?? call(element);
    known.set(element, answer);
    return answer;
  };
}

/** Returns whether `selector` matches the element or something around it, through the borders of shadow roots and frames. */
export function isWithin(element: Element | null, selector: string): boolean {
  return element !== null && (element.closest(selector) !== null || isWithin(holderOf(element), selector));
}

/** Returns a step: `#id` or `[data-testid=…]`, which need nothing above them, else the tag with what tells it apart. */
export function describe(element: Element): string {
  const tag = element.localName;
  const root = element.getRootNode() as Document;
  const isUnread = isWithin(element, UNREAD);
  for (const name of NAMES.slice(0, isUnread ? UNSAID : NAMES.length)) {
    // Of an address neither the query nor the fragment, but of one that has nothing else.
    const value = (element.getAttribute(name) ?? '').replace(/(.)[?#].*/, '$1');
    if (isGenerated(value)) continue;
    const isAlone = /^[di]/.test(name) && root.querySelectorAll(`[${name}="${value}"]`).length < 2;
    if (!isAlone) return `${tag}[${value}]`;
    return name === 'id' ? `#${value}` : `[${name}=${value}]`;
  }
  const [label = element] = (element as HTMLInputElement).labels ?? [];
  const said = isWithin(label, UNREAD) ? '' : words(label);
  return said ? `${tag}[${said}]` : tag;
}

/** Returns what a link, a button, a label or a heading says; of anything else only what its letters add up to. */
function words(element: Element): string {
  if (element.matches(SPOKEN)) return element.querySelector(UNREAD) ? '' : shown(element).slice(0, MAX_WORDS);
  let sum = 0;
  for (const node of element.childNodes) {
    if (node.nodeType === 3) for (const char of shown(node)) sum += char.charCodeAt(0);
  }
  return sum ? `~${sum}` : '';
}

/** Returns text as it may leave the page, the same whatever it counts: without numbers, addresses, codes and tokens. */
function shown({ textContent }: Node): string {
  return plainText(`${textContent}`.slice(0, MAX_READ).replace(/\S*[\d@]\S*/g, '…'));
}
