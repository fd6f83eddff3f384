/**
 * Where this browser put the page's elements: a bounded sample in slices of idle time, sent only when the collector asked.
 * Takes headings, labels and what stands for a picture, never the content of fields.
 */
import { type Identify, INTERACTIVE } from './element';
import { whenIdle } from './guard';
import type { Section } from './sections';
import { masked, textOf } from './text';
import { type Dictionary, encode, indexOf, type LayoutPart, openDictionary } from './wire';

/** Most boxes of a layout; the schema allows 1,500. */
const MAX_BOXES = 1200;
/** Longest stretch of work, ms: a quarter of a frame. */
const SLICE_MS = 4;
/** Largest layout, bytes; the collector takes 65,536 with the rest of the batch. */
const MAX_BYTES = 60000;
/** Dictionary entries at most; the schema allows 4,096. */
const MAX_ENTRIES = 3800;
/** Pieces of text counted without a look at the clock. */
const TEXTS = 50;
const HEADING_CHARS = 80;
const LABEL_CHARS = 32;

const TEXT = 0;
const LINK = 1;
const BUTTON = 2;
const FIELD = 3;
const IMAGE = 4;
const HEADING = 5;
const LANDMARK = 6;
const MEDIA = 7;
/** Added to the role of an element that does not scroll with the page. */
const FIXED = 16;

const HEADINGS = 'h1,h2,h3,h4,h5,h6,[role=heading]';
const LANDMARKS =
  'main,header,footer,nav,aside,section,article,form,dialog,[role=main],[role=banner],[role=navigation],[data-jalki-section]';
const IMAGES = 'img,svg';
const MEDIAS = 'video,audio,canvas,iframe,embed,object';
const BLOCKS = 'p,li,td,th,pre,blockquote,dt,dd,figcaption,label';
const FIELDS =
  'input,select,textarea,[contenteditable=""],[contenteditable=true],[role=textbox],[role=combobox],[role=checkbox],[role=radio],[role=switch],[role=slider]';
const BUTTONS = 'button,summary,input[type=button],input[type=submit],input[type=reset],input[type=image]';

/** Collects a layout in idle time and calls `captured` once. */
export function captureLayout(
  identify: Identify,
  clicked: readonly Element[],
  sections: readonly Section[],
  captured: (layout: LayoutPart, dictionary: Dictionary) => void,
): void {
  const dictionary = openDictionary();
  const layout: LayoutPart = { u: masked(document.title, 120), i: [], x: [], y: [], w: [], h: [], r: [], t: [], s: [] };
  const work = collect(identify, clicked, sections, layout, dictionary);
  const slice = () => {
    const end = performance.now() + SLICE_MS;
    do if (work.next().done) return captured(layout, dictionary);
    while (performance.now() < end);
    whenIdle(slice);
  };
  whenIdle(slice);
}

/** Fills `layout` piece by piece; a slice may end at each `yield`. */
function* collect(
  identify: Identify,
  clicked: readonly Element[],
  sections: readonly Section[],
  layout: LayoutPart,
  dictionary: Dictionary,
): Generator<void> {
  const found = new Set<Element>(clicked.filter((element) => element.isConnected));
  for (const group of [INTERACTIVE, HEADINGS, LANDMARKS, `${IMAGES},${MEDIAS}`, BLOCKS]) {
    for (const element of document.querySelectorAll(group)) {
      if (found.size >= MAX_BOXES) break;
      found.add(element);
    }
    yield;
  }
  for (const section of sections) yield* addSection(section, layout, dictionary);
  const fixed = new Map<Element, boolean>();
  for (const element of found) {
    if (dictionary.entries.length >= MAX_ENTRIES) break;
    addElement(element, identify, layout, dictionary, fixed);
    yield;
  }
  yield* shrink(layout, dictionary);
}

function addElement(
  element: Element,
  identify: Identify,
  layout: LayoutPart,
  dictionary: Dictionary,
  fixed: Map<Element, boolean>,
): void {
  const rect = element.getBoundingClientRect();
  if (rect.width < 1 || rect.height < 1) return;
  const role = roleOf(element);
  const isStill = isFixed(element, fixed);
  layout.i.push(indexOf(identify(element), dictionary));
  layout.x.push(Math.round(rect.left + (isStill ? 0 : scrollX)));
  layout.y.push(Math.round(rect.top + (isStill ? 0 : scrollY)));
  layout.w.push(Math.round(rect.width));
  layout.h.push(Math.round(rect.height));
  layout.r.push(role + (isStill ? FIXED : 0));
  layout.t.push(labelOf(element, role));
}

function roleOf(element: Element): number {
  if (element.matches(BUTTONS)) return BUTTON;
  if (element.matches(FIELDS)) return FIELD;
  if (element.matches('a[href],[role=link]')) return LINK;
  if (element.matches(HEADINGS)) return HEADING;
  if (element.matches(IMAGES)) return IMAGE;
  if (element.matches(MEDIAS)) return MEDIA;
  if (element.matches(LANDMARKS)) return LANDMARK;
  return element.matches(INTERACTIVE) && element.localName !== 'label' ? BUTTON : TEXT;
}

/** Returns whether an element keeps its place when the page scrolls: fixed, or sticky and stuck, or inside such. */
function isFixed(element: Element, fixed: Map<Element, boolean>): boolean {
  const known = fixed.get(element);
  if (known !== undefined) return known;
  const { position, top } = getComputedStyle(element);
  const isStuck = position === 'sticky' && element.getBoundingClientRect().top - Number.parseFloat(top) < 1;
  const parent = element.parentElement;
  const answer = position === 'fixed' || isStuck || (parent !== null && isFixed(parent, fixed));
  fixed.set(element, answer);
  return answer;
}

/** What an input or a text area holds is never read: the label is its accessible name or nothing. */
function labelOf(element: Element, role: number): string {
  if (role === HEADING) return masked(textOf(element), HEADING_CHARS);
  if (role === IMAGE || role === MEDIA) return masked(altOf(element), LABEL_CHARS);
  if (role !== LINK && role !== BUTTON) return '';
  if (element.localName === 'input') return '';
  const own = element.getAttribute('aria-label') ?? textOf(element);
  const image = own.trim() ? null : element.querySelector(IMAGES);
  return masked(image ? altOf(image) : own, LABEL_CHARS);
}

/** What the page says instead of a picture; nothing where it is decoration. */
function altOf(image: Element): string {
  const said = (name: string) => image.getAttribute(name);
  return said('aria-label') || said('alt') || image.querySelector(':scope>title')?.textContent || said('title') || '';
}

function* addSection(section: Section, layout: LayoutPart, dictionary: Dictionary): Generator<void> {
  const { part, left, top, width, height } = section;
  const [words, images] = yield* content(part.first, part.last);
  const box = [left, top, width, height].map(Math.round) as [number, number, number, number];
  layout.s.push([indexOf(part.key, dictionary), ...box, words, images, masked(part.title, HEADING_CHARS)]);
}

/** Counts the words and images of the siblings from `first` to `last`. */
function* content(first: Element, last: Element): Generator<void, [number, number]> {
  let words = 0;
  let images = 0;
  for (let element: Element | null = first; element; element = element.nextElementSibling) {
    images += Number(element.matches(IMAGES)) + element.querySelectorAll('img,svg,video,canvas').length;
    const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    for (let count = 1; texts.nextNode(); count++) {
      if (count % TEXTS === 0) yield;
      const { parentElement, nodeValue } = texts.currentNode;
      if (!parentElement?.closest('script,style,noscript,textarea,select'))
        words += nodeValue?.match(/\S+/g)?.length ?? 0;
    }
    yield;
    if (element === last) break;
  }
  return [Math.min(words, 1000000), Math.min(images, 10000)];
}

/** Drops boxes of the lowest rank until the body fits. */
function* shrink(layout: LayoutPart, dictionary: Dictionary): Generator<void> {
  const size = () => new Blob([encode(layout), encode(dictionary.entries)]).size;
  for (let bytes = size(); bytes > MAX_BYTES && layout.i.length; bytes = size()) {
    const keep = Math.floor((layout.i.length * MAX_BYTES * 0.95) / bytes);
    for (const column of [layout.i, layout.x, layout.y, layout.w, layout.h, layout.r, layout.t]) column.length = keep;
    const used = Math.max(-1, ...layout.i, ...layout.s.map((section) => section[0]));
    dictionary.entries.length = used + 1;
    yield;
  }
}
