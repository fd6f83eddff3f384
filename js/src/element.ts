/**
 * Which element was meant and what it is called: a key that is the same for every visitor, at every width, and after changes
 * elsewhere on the page. It has the nearest anchor above the element, then its tag, what tells it apart, and its place among
 * those that look the same. What stands between is left out, so a box more or less around it changes nothing.
 *
 * Never reads `value` nor typed text. An element may be of another realm (a frame's): no `instanceof` here.
 */
import { type Key, makeKey } from './wire';

/** What a person presses; an icon or a span inside one of these is that thing. Old pages have `onclick` on the body for iOS. */
export const INTERACTIVE =
  'a,button,input,select,textarea,summary,label,[onclick]:not(body),[contenteditable],[role=button],' +
  '[role=tab],[role^=menuitem],[role=option],[role$=box],[role=radio],[role=switch]';

/** Their words are shown in keys, of all others only a sum: a first heading may greet people by their names. */
const SPOKEN = `${INTERACTIVE},h2,h3`;
/** Nothing that is said in or around these is read: the site does not want it, or somebody may have typed it. */
const UNREAD = 'textarea,select,[contenteditable],[role=textbox],[data-jalki-mask],[data-jalki-ignore]';
/** Parts of the page that keep their place: what is in one is told apart from what is in another. */
const ANCHORS = 'main,nav,aside,header,footer,[id],[data-testid]';
/** Attributes that tell elements apart, the most deliberate first; those from the label on are words. */
const NAMES = 'data-jalki-name,id,data-testid,data-test,data-cy,name,aria-label,alt,href'.split(',');
/** Characters of words in a key or in its sum, and of text that is read for them. */
const MAX_WORDS = 32;
const MAX_READ = 200;
/** Elements of one tag looked at below an anchor; those beyond that look the same share a key. Bounds the work of a click. */
const MAX_TWINS = 200;

/** Tells apart elements and remembers what it said, so that a view calls an element by one name. */
export type Identify = (element: Element) => Key;

/** Returns the element that a person would say was pressed, given the innermost one. */
export function pressedElement(innermost: Element): Element {
  return nearest(innermost, INTERACTIVE) ?? innermost.closest('svg,pre') ?? innermost;
}

/** Returns whether `selector` matches the element or something around it, through the borders of shadow roots and frames. */
export function isWithin(element: Element, selector: string): boolean {
  return !!nearest(element, selector);
}

function nearest(element: Element | null, selector: string): Element | null {
  return element && (element.closest(selector) ?? nearest(holderOf(element), selector));
}

/** Returns the host of the shadow root that the element is in, or the frame of its document, where that is not this one. */
function holderOf(element: Element): Element | null {
  // A link that is in no document is its own root, and has a `host` as well.
  const root = element.getRootNode();
  const shadow = root as ShadowRoot;
  return shadow.mode ? shadow.host : root !== document ? ((root as Document).defaultView?.frameElement ?? null) : null;
}

/**
 * Returns whether an id or a name was made by a program at run time: it begins with a digit, `_` (`_r_3_`, React) or the name of a
 * library that counts its elements (`ember12`), has letters or digits between two digits, as hashes and numbers of three digits do
 * (css-1x2y3z, a8f3c2, post-48213), or a `:` or `@` that no address of a page has (`:r3:`). Such names differ between visitors or builds.
 */
export function isGenerated(name: string): boolean {
  return /\d\w+\d|^[\d_]|[:@][^/]|^(ember|radix|headlessui|mui).*\d/.test(name);
}

/** Returns a function that gives each element its key; made anew for each view, as a page may reuse its nodes. */
export function createIdentify(): Identify {
  const stepOf = remembering(describe);
  const identify = remembering((element): Key => {
    const step = stepOf(element);
    // What the step has its meaning below; none: the document, or the shadow root. An id (`#…`) has it everywhere.
    const scope = step > 'A' ? element.parentElement?.closest(ANCHORS) : null;
    // A shadow root cannot do the first, which is quicker: it looks no further than it is asked to.
    const all =
      scope?.getElementsByTagName(element.localName) ??
      (element.getRootNode() as Document).querySelectorAll(element.localName);
    let nth = 1;
    // By index, as an iterator costs twice as much. What is in no document may lie outside of `all`.
    for (let at = 0, other = all[0]; at < MAX_TWINS && other && other !== element; other = all[++at])
      if (stepOf(other) === step) nth++;
    const above = scope ?? holderOf(element);
    return makeKey(above && identify(above), nth > 1 ? `${step}:${nth}` : step);
  });
  return identify;
}

/** Returns `call` with a memory of what it said of each element. */
function remembering(call: (element: Element) => string): (element: Element) => string {
  const known = new WeakMap<Element, string>();
  return (element) => {
    let answer = known.get(element);
    if (!answer) {
      answer = call(element);
      known.set(element, answer);
    }
    return answer;
  };
}

/** Returns a step: `#id`, which needs nothing above it, else the tag with what tells it apart. */
export function describe(element: Element): string {
  const tag = element.localName;
  for (const name of NAMES) {
    if (name === 'aria-label' && nearest(element, UNREAD)) return tag;
    // Of an address neither the query nor the fragment.
    const value = element.getAttribute(name)?.replace(/[?#].*/, '');
    if (value && !isGenerated(value)) return name === 'id' ? `#${value}` : `${tag}[${value}]`;
  }
  // A field is called by the label around it.
  const said = words(element.closest('label') ?? element);
  return said ? `${tag}[${said}]` : tag;
}

/** Returns what a link, a button, a label or a heading says; of anything else only what the letters of its first text add up to. */
function words(element: Element): string {
  const isSpoken = element.matches(SPOKEN);
  // An element has no `nodeValue`.
  const text = isSpoken && !element.querySelector(UNREAD) ? element.textContent : element.firstChild?.nodeValue;
  // Without numbers, addresses, codes and tokens.
  const shown = (text ?? '')
    .trim()
    .slice(0, MAX_READ)
    .replace(/\S*[\d@]\S*/g, '')
    .trim()
    .slice(0, MAX_WORDS);
  if (isSpoken || !shown) return shown;
  let sum = 0;
  for (const char of shown) sum += char.charCodeAt(0);
  return `~${sum}`;
}
