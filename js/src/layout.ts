/**
 * Where this browser put the page's elements: a bounded sample in slices of idle time, sent only when the collector asked.
 * Takes headings, labels and what stands for a picture, never the content of fields. A module of its own.
 */
import { whenIdle } from './guard';
import type { Host, Part, Section } from './host';
import { frameOf, originOf } from './layout/frames';
import { IMAGES, isMasked, labelOf, RANK_COUNT, rankOf, roleOf, sectionTitle } from './layout/labels';
import { openStructure, type Site, TOP } from './layout/structure';
import { walk } from './layout/walk';
import { isIgnored } from './screen';
import { masked } from './text';
import { type Dictionary, encode, type Key, type LayoutPart } from './wire';

/** Most boxes of a layout; the schema allows 1,500. */
const MAX_BOXES = 1200;
/** Longest stretch of work, ms: a quarter of a frame. */
const SLICE_MS = 4;
/** Largest layout, bytes; the collector takes 65,536 with the rest of the batch. */
const MAX_BYTES = 60000;
/** Dictionary entries at most; the schema allows 4,096. */
const MAX_STEPS = 3800;
/** Pieces of text counted without a look at the clock. */
const TEXTS = 50;
/** Added to the role of an element that does not scroll with the page. */
const FIXED = 16;

/** Bit of what `compareDocumentPosition` returns. */
const FOLLOWING = 4;

/** Views that a page had so far, and the one whose layout was captured last. */
interface Progress {
  view: number;
  captured: number;
}

const progress = new WeakMap<Host, Progress>();

/** Captures the layout of the present view in idle time and sends it, once a view; nothing where the view ends before. */
export function start(host: Host): void {
  const now = progress.get(host) ?? watchViews(host);
  const { view } = now;
  if (now.captured === view) return;
  now.captured = view;
  const sheet = openSheet();
  const work = collect(host, sheet);
  const slice = () => {
    const end = performance.now() + SLICE_MS;
    let isDone = false;
    while (!isDone && performance.now() < end) isDone = work.next().done ?? false;
    if (now.view !== view) return;
    if (isDone) host.push({ l: sheet.layout }, dictionaryOf(sheet));
    else whenIdle(slice);
  };
  whenIdle(slice);
}

function watchViews(host: Host): Progress {
  const now = { view: 0, captured: -1 };
  progress.set(host, now);
  host.watch((...news) => {
    if (news[0] === 'view' || news[0] === 'stop') now.view++;
  });
  return now;
}

/** A layout while it is being filled. */
interface Sheet {
  readonly layout: LayoutPart;
  /** Steps of the keys, parents before children, and the indices of the keys. */
  readonly steps: [number, string][];
  readonly indices: Map<Key, number>;
}

function openSheet(): Sheet {
  const title = isMasked(document.body) ? '' : masked(document.title, 120);
  const layout = { u: title, i: [], x: [], y: [], w: [], h: [], r: [], t: [], s: [] };
  return { layout, steps: [], indices: new Map() };
}

/** Returns the index of a key. Step by step, as whole keys would take twice the room: most of them begin alike. */
function indexOf(key: Key, sheet: Sheet): number {
  const known = sheet.indices.get(key);
  if (known !== undefined) return known;
  const end = key.lastIndexOf('>');
  const parent = end < 0 ? -1 : indexOf(key.slice(0, end), sheet);
  const index = sheet.steps.push([parent, key.slice(end + 1)]) - 1;
  sheet.indices.set(key, index);
  return index;
}

/** The wire takes steps in place of keys; only the core's own batches are never written so. */
function dictionaryOf({ steps, indices }: Sheet): Dictionary {
  return { entries: steps as unknown as Key[], indices };
}

/** Fills a sheet piece by piece; a slice may end at each `yield`. */
function* collect(host: Host, sheet: Sheet): Generator<void> {
  const structure = openStructure();
  const ranked: Element[][] = Array.from({ length: RANK_COUNT }, () => []);
  yield* walk<Site>(document.body, TOP, (element, above) => {
    const rank = ranked[rankOf(element)];
    if (rank && rank.length < MAX_BOXES) rank.push(element);
    return structure.enter(element, above);
  });
  sheet.layout.v = structure.hash();
  const acted = host.acted().filter((element) => element.isConnected && !isIgnored(element));
  const found = new Set(acted.concat(...ranked));
  for (const section of [...host.sections()].sort(compareSections)) yield* addSection(section, sheet);
  const fixed = new Map<Element, boolean>();
  let looked = 0;
  for (const element of found) {
    if (looked++ >= MAX_BOXES || sheet.steps.length >= MAX_STEPS) break;
    addElement(element, host, sheet, fixed);
    yield;
  }
  yield* shrink(sheet);
}

function addElement(element: Element, host: Host, sheet: Sheet, fixed: Map<Element, boolean>): void {
  const { layout } = sheet;
  const rect = element.getBoundingClientRect();
  if (rect.width < 1 || rect.height < 1) return;
  const role = roleOf(element);
  const isStill = isFixed(element, fixed);
  const [left, top] = originOf(element);
  layout.i.push(indexOf(host.identify(element), sheet));
  layout.x.push(Math.round(rect.left + left + (isStill ? 0 : scrollX)));
  layout.y.push(Math.round(rect.top + top + (isStill ? 0 : scrollY)));
  layout.w.push(Math.round(rect.width));
  layout.h.push(Math.round(rect.height));
  layout.r.push(role + (isStill ? FIXED : 0));
  layout.t.push(labelOf(element, role));
}

/** Returns whether an element keeps its place when the page scrolls: fixed, or sticky and stuck, or inside such. */
function isFixed(element: Element, fixed: Map<Element, boolean>): boolean {
  const frame = frameOf(element);
  // What is fixed in a frame is fixed to the frame.
  if (frame) return isFixed(frame, fixed);
  const known = fixed.get(element);
  if (known !== undefined) return known;
  const { position, top } = getComputedStyle(element);
  const isStuck = position === 'sticky' && element.getBoundingClientRect().top - Number.parseFloat(top) < 1;
  const parent = element.parentElement ?? (element.getRootNode() as ShadowRoot).host;
  const answer = position === 'fixed' || isStuck || (Boolean(parent) && isFixed(parent, fixed));
  fixed.set(element, answer);
  return answer;
}

/** In the order of the page: first those that have a heading or a mark. The core has them as it came to know them. */
function compareSections({ part: one }: Section, { part: other }: Section): number {
  const rank = ({ head }: Part) => Number(!head.matches('[data-jalki-section],h1,h2,h3'));
  return rank(one) - rank(other) || (one.head.compareDocumentPosition(other.head) & FOLLOWING ? -1 : 1);
}

function* addSection({ part }: Section, sheet: Sheet): Generator<void> {
  const [words, images] = yield* content(part.first, part.last);
  sheet.layout.s.push([indexOf(part.key, sheet), ...boxOf(part), words, images, sectionTitle(part.head)]);
}

/** Returns left, top, width and height of a section in the document, px. */
export function boxOf({ first, last }: Part): [number, number, number, number] {
  const above = first.getBoundingClientRect();
  const below = last.getBoundingClientRect();
  const left = Math.min(above.left, below.left);
  const width = Math.max(above.right, below.right) - left;
  const height = Math.max(above.bottom, below.bottom) - above.top;
  return [left + scrollX, above.top + scrollY, width, height].map(Math.round) as [number, number, number, number];
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
      if (!parentElement?.closest('script,style,noscript,textarea,select,[data-jalki-ignore]'))
        words += nodeValue?.match(/\S+/g)?.length ?? 0;
    }
    yield;
    if (element === last) break;
  }
  return [Math.min(words, 1000000), Math.min(images, 10000)];
}

/** Drops boxes of the lowest rank until the body fits. */
function* shrink({ layout, steps }: Sheet): Generator<void> {
  const size = () => new Blob([encode(layout), encode(steps)]).size;
  for (let bytes = size(); bytes > MAX_BYTES && layout.i.length; bytes = size()) {
    const keep = Math.floor((layout.i.length * MAX_BYTES * 0.95) / bytes);
    for (const column of [layout.i, layout.x, layout.y, layout.w, layout.h, layout.r, layout.t]) column.length = keep;
    const used = Math.max(-1, ...layout.i, ...layout.s.map((section) => section[0]));
    steps.length = used + 1;
    yield;
  }
}
