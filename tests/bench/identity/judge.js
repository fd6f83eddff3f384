/**
 * Runs in a page: names its elements, changes a copy of the page as a redesign would, and counts which elements still carry
 * their names. Bundled with what it judges by `pages.py`.
 *
 * found: exactly the same element carries the name · wrong: another one does (or it as well) · lost: none does.
 */
import { finder } from '@medv/finder';
import { createIdentify, pressedElement } from '@jalki/element';

/** What people click and read: not the bare boxes around them. */
const THINGS =
  'a,button,input,select,textarea,summary,label,h1,h2,h3,h4,h5,h6,img,svg,video,audio,canvas,iframe,' +
  'main,header,footer,nav,aside,section,article,form,dialog';
/** Elements of one page at most, so that a large page does not decide. */
const MAX_SAMPLE = 200;

/** Ways to name the elements of a document: each returns a function from elements to names, as one view would. */
const NAMINGS = {
  jalki: () => {
    const identify = createIdentify();
    return (element) => identify(element);
  },
  finder: (root) => (element) => selectorOf(element, root),
  path: () => fullPath,
};

/** Returns the selector of an element; none where @medv/finder gives up. */
function selectorOf(element, root) {
  try {
    return finder(element, { root });
  } catch {
    return '';
  }
}

/** Returns what the full path of tags, classes without digits and places among siblings of one tag is, as Clarity has it. */
function fullPath(element) {
  const steps = [];
  for (let node = element; node && node.localName !== 'html'; node = node.parentElement) {
    const classes = [...node.classList].filter((name) => !/\d/.test(name)).map((name) => `.${name}`);
    const same = [...(node.parentElement?.children ?? [])].filter((other) => other.localName === node.localName);
    steps.unshift(`${node.localName}${classes.join('')}:${same.indexOf(node) + 1}`);
  }
  return steps.join('>');
}

/** Returns the indices, among all elements of the body, of those that are judged. */
export function sample() {
  const all = [...document.body.querySelectorAll('*')];
  const chosen = all.flatMap((element, index) => (isJudged(element) ? [index] : []));
  const stride = Math.max(1, chosen.length / MAX_SAMPLE);
  return chosen.filter((_, at) => Math.floor(at / stride) !== Math.floor((at - 1) / stride));
}

function isJudged(element) {
  const { width, height } = element.getBoundingClientRect();
  if (width < 1 || height < 1 || pressedElement(element) !== element) return false;
  return element.matches(THINGS) || [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
}

/** Returns a copy of the page without its scripts' reach; names are the same there as on the page. */
function copyPage() {
  const copy = document.implementation.createHTMLDocument();
  copy.replaceChild(copy.importNode(document.documentElement, true), copy.documentElement);
  return copy;
}

/** The names of the judged elements of this page, by naming. */
const known = {};

/** Counts of one naming and one change: {found, wrong, lost, faults}. Faults are kept for who wants to see them. */
export function judge(naming, change, chosen, seed) {
  const page = copyPage();
  const nodes = [...page.body.querySelectorAll('*')];
  const judged = chosen.map((index) => nodes[index]);
  // Every copy is the same, and so are its names.
  const before = NAMINGS[naming](page.body);
  known[naming] ??= judged.map((element) => String(before(element)));
  const names = known[naming];
  CHANGES[change](page, randomOf(seed));
  const carriers = carriersOf(naming, page, new Set(names));
  const counts = { found: 0, wrong: 0, lost: 0, faults: [] };
  judged.forEach((element, at) => {
    const carrying = carriers(names[at]);
    const isGone = !element.isConnected;
    const verdict = !carrying.length ? 'lost' : carrying.length === 1 && carrying[0] === element ? 'found' : 'wrong';
    if (isGone && verdict === 'lost') return;
    counts[verdict]++;
    if (verdict !== 'found') {
      const now = isGone || naming !== 'jalki' ? '' : String(NAMINGS.jalki()(element));
      counts.faults.push([verdict, names[at], now, element.outerHTML.slice(0, 120)]);
    }
  });
  return counts;
}

/** Returns which elements carry a name. A selector is asked of the page, which is kinder than to make it anew. */
function carriersOf(naming, page, wanted) {
  if (naming === 'finder') return (name) => [name && page.body.querySelector(name)].filter(Boolean);
  const name = NAMINGS[naming](page.body);
  const carriers = new Map();
  for (const element of page.body.querySelectorAll('*')) {
    const key = String(name(element));
    if (wanted.has(key)) carriers.set(key, [...(carriers.get(key) ?? []), element]);
  }
  return (key) => carriers.get(key) ?? [];
}

let remembered = [];

/** Returns the names of the judged elements of the page as it is now, and remembers the elements for `judgeLive`. */
export function namesNow(naming, chosen) {
  const name = NAMINGS[naming](document.body);
  const all = [...document.body.querySelectorAll('*')];
  remembered = chosen.map((index) => all[index]);
  return remembered.map((element) => String(name(element)));
}

/** Counts of one naming of the live page, whose layout has changed since `names` were made. */
export function judgeLive(naming, names) {
  const carriers = carriersOf(naming, document, new Set(names));
  const counts = { found: 0, wrong: 0, lost: 0, faults: [] };
  remembered.forEach((element, at) => {
    const carrying = carriers(names[at]);
    if (!element.isConnected && !carrying.length) return;
    const verdict = !carrying.length ? 'lost' : carrying.length === 1 && carrying[0] === element ? 'found' : 'wrong';
    counts[verdict]++;
    if (verdict !== 'found') counts.faults.push([verdict, names[at], '', element.outerHTML.slice(0, 120)]);
  });
  return counts;
}

/** Returns µs a name: all judged elements by one view's naming, and each by a naming of its own. */
export function clock(naming, chosen) {
  const all = [...document.body.querySelectorAll('*')];
  const elements = chosen.map((index) => all[index]);
  const from = performance.now();
  const name = NAMINGS[naming](document.body);
  for (const element of elements) name(element);
  const between = performance.now();
  const few = elements.filter((_, at) => at % 5 === 0);
  for (const element of few) NAMINGS[naming](document.body)(element);
  const end = performance.now();
  return { together: between - from, count: elements.length, alone: end - between, few: few.length };
}

/** Returns a repeatable source of numbers in [0, 1) (mulberry32). */
function randomOf(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** What happens to pages between one visit and the next. */
const CHANGES = {
  /** A new build renames every class. */
  classes(page) {
    for (const element of page.body.querySelectorAll('[class]')) {
      const renamed = [...element.classList].map((name) => `c${hash(name).toString(36)}`);
      element.setAttribute('class', renamed.join(' '));
    }
  },
  /** A banner above all, a new item at the head of each list and table, a new sibling in a fifth of all other places. */
  insertion(page, random) {
    insert(page, random, new Set());
  },
  /** The same, but new things are like their siblings: all but their first words stays as it is. */
  copies(page, random) {
    insert(page, random, repeatedOf(page));
  },
  /** A box more around all, and around a fifth of everything that may stand in one. */
  wrapping(page, random) {
    for (const element of page.body.querySelectorAll('*')) {
      if (random() > 0.2 || isDrawn(element) || !mayWrap(element)) continue;
      const wrapper = page.createElement(element.matches('a,b,i,em,strong,code,span,img,input,label') ? 'span' : 'div');
      element.replaceWith(wrapper);
      wrapper.append(element);
    }
    const all = page.createElement('div');
    all.append(...page.body.childNodes);
    page.body.append(all);
  },
  /** A fifth of all families are put in another order, and a tenth of all other elements with siblings is left out. */
  order(page, random) {
    for (const parent of page.body.querySelectorAll('*')) {
      if (parent.children.length < 2 || isDrawn(parent)) continue;
      const kind = random();
      if (kind < 0.2) parent.prepend(parent.lastElementChild);
      else if (kind < 0.3) parent.children[Math.floor(random() * parent.children.length)].remove();
    }
  },
  /** Counters count on. */
  digits(page, random) {
    const texts = page.createTreeWalker(page.body, 4);
    while (texts.nextNode()) {
      const { currentNode: text } = texts;
      text.data = text.data.replace(/\d+/g, () => String(Math.floor(random() * 500)));
    }
  },
  /** All but the last two at once: what a redesign is. */
  redesign(page, random) {
    CHANGES.classes(page);
    CHANGES.insertion(page, random);
    CHANGES.wrapping(page, random);
  },
};

function insert(page, random, repeated) {
    const parents = [...page.body.querySelectorAll('*')].filter((element) => element.children.length > 1);
    const lists = new Set(page.body.querySelectorAll('ul,ol,tbody,select'));
    for (const parent of parents) {
      if (!lists.has(parent) && (isDrawn(parent) || random() > 0.2)) continue;
      const at = lists.has(parent) ? 0 : Math.floor(random() * parent.children.length);
      parent.insertBefore(renew(parent.children[at].cloneNode(true), random, repeated), parent.children[at]);
    }
    const banner = page.createElement('div');
    banner.innerHTML = '<p>Free delivery this week</p><a href="/delivery-offer">See how</a><button>Close</button>';
    page.body.prepend(banner);
}

function isDrawn(element) {
  return element.closest('svg,select,picture,video,audio,table:not(:has(tbody))') !== null;
}

function mayWrap(element) {
  return !element.matches('li,dt,dd,tr,td,th,thead,tbody,tfoot,caption,colgroup,col,legend,summary,option,source,script');
}

/** Makes another thing of a copy, like its siblings: what repeats on the page ("Read more", "#") stays, but its first words. */
function renew(element, random, repeated) {
  const number = Math.floor(random() * 1e6).toString(36);
  let isFirst = true;
  const isKept = (value) => !value.trim() || (repeated.has(value.trim()) && !isFirst);
  for (const node of [element, ...element.querySelectorAll('*')]) {
    for (const name of ['id', 'name', 'aria-label', 'data-testid', 'href', 'alt']) {
      if (!isKept(node.getAttribute(name) ?? '')) node.setAttribute(name, `new-${number}`);
    }
    for (const child of node.childNodes) {
      if (child.nodeType !== 3 || isKept(child.data)) continue;
      child.data = `New words ${number}`;
      isFirst = false;
    }
  }
  return element;
}

/** Returns the texts, addresses and names that stand more than once on the page; ids do not repeat. */
function repeatedOf(page) {
  const once = new Set();
  const twice = new Set();
  const see = (value) => value && (once.has(value) ? twice : once).add(value);
  for (const element of page.body.querySelectorAll('*')) {
    for (const name of ['name', 'aria-label', 'data-testid', 'href', 'alt']) see(element.getAttribute(name));
    for (const child of element.childNodes) if (child.nodeType === 3) see(child.data.trim());
  }
  return twice;
}

function hash(text) {
  let sum = 7;
  for (const char of text) sum = (Math.imul(sum, 31) + char.codePointAt(0)) >>> 0;
  return sum;
}
