/** The view being recorded: what the observers saw of it, and the reports that it becomes. One at a time. */
import { actedAt, engagedMs, settle } from './acts';
import { createIdentify } from './element';
import { after } from './guard';
import { leave, push, waiting } from './queue';
import { clockMs, type Place, readGeometry } from './screen';
import { forgetSections, lookAtSections, takeChanged } from './sections';
import { site } from './site';
import { type Batch, type Columns, type Key, randomHex } from './wire';

/** The first report leaves this long after the view began, ms, so that a view is counted even where nothing happens. */
const FIRST_MS = 1500;
/** The view's first click is reported after this long, ms: soon enough to watch it arrive. */
const CLICK_MS = 1000;
/** Pause before each further report while there is something to say, ms. */
const PAUSE_MS = 10000;
/** So many rows of a kind, or keys of elements, or clicks with a geometry each, fill a batch. */
const MANY_ROWS = 250;
const MANY = 60;
/** Bits of a click's kind that say that another than the primary button was pressed. */
export const NOT_PRIMARY = 12;
/** Elements remembered for a layout. */
const MAX_ACTED = 100;

/** A row of numbers, in the order of the columns that it goes into; the text of a signal is its last. */
type Row = (number | string)[];

/** Returns the key of an element in this view. */
export let identify = createIdentify();
/** Elements that were clicked. */
export let acted: Element[] = [];
/** Its id; when it began, on `clockMs` and Unix ms. */
export let viewId = '';
export let begunAt = 0;
export let begunUnixMs = 0;
/** It is neither over nor yet to come; its page stands, so that it has depth and sections. */
export let isOpen = false;
export let isStanding = false;

let marks = 0;
let navigation: number;
let path: string;
/** What the next batch holds so far: clicks, moves, signals. */
let clicks: Row[];
let moves: Row[];
let signals: Row[];
let geometries: Batch['g'];
let dictionary: Key[];
let counts: Record<Key, number>;
let seq: number;
/** Engaged time of the views before, ms. */
let formerMs: number;
let depth: [number, number];
let exit: Key | undefined;
let reported: number;
let timer = 0;
let dueAt: number;

/** Begins a view. */
export function openView(how: number, address: string): void {
  settle();
  navigation = how;
  path = address;
  formerMs = engagedMs;
  begunAt = clockMs();
  begunUnixMs = Math.round(Date.now());
  viewId = randomHex(8);
  identify = createIdentify();
  forgetSections();
  acted = [];
  counts = {};
  seq = 0;
  depth = [0, 0];
  exit = undefined;
  reported = 0;
  isStanding = false;
  isOpen = true;
  turnLeaf();
  plan(FIRST_MS);
}

/** Ends the view. */
export function closeView(): void {
  isOpen = false;
}

/** From now on the page is that of this view. */
export function stand(): void {
  settle();
  isStanding = true;
}

/** Takes marks of automation. */
export function addMarks(bits: number): void {
  marks |= bits;
}

/** Takes a click at `at`, on `clockMs`. */
export function addClick(element: Element, [x, y, fx, fy, w, h]: Place, kind: number, at: number): void {
  const key = identify(element);
  const nth = (counts[key] ?? 0) + 1;
  // Another button's press is no click, and does not count as one.
  if (!(kind & NOT_PRIMARY)) counts[key] = nth;
  if (!acted[0]) plan(CLICK_MS);
  if (!acted[MAX_ACTED - 1]) acted.push(element);
  add(clicks, [sinceBegun(at), entry(key), noteGeometry(), x, y, fx, fy, w, h, kind, nth]);
}

/** Takes a place where the pointer was by `at`, on `clockMs`; what was before the view is nobody's. */
export function addMove(element: Element, [x, y, fx, fy]: Place, at = clockMs()): void {
  if (at >= begunAt) add(moves, [sinceBegun(at), x, y, entry(identify(element)), fx, fy]);
}

/** Takes a signal of something at `at`, on `clockMs`; what became of a click of the view before is nobody's. */
export function addSignal(
  kind: number,
  element: Element | null,
  value = 0,
  extra = 0,
  text = '',
  at = clockMs(),
): void {
  if (at >= begunAt) add(signals, [sinceBegun(at), kind, element ? entry(identify(element)) : -1, value, extra, text]);
}

/** Notes what is in view; the time up to now belongs to what was. */
export function look(): void {
  settle();
  if (!isStanding) return;
  const bottomPx = noteDepth();
  exit = lookAtSections(bottomPx - innerHeight, bottomPx);
}

/** Notes how far down the page is in view, and returns that, px. */
export function noteDepth(): number {
  const bottomPx = Math.max(0, Math.round(scrollY)) + innerHeight;
  if (isStanding && bottomPx >= depth[0]) depth = [bottomPx, readGeometry()[3]];
  return bottomPx;
}

/** Hands over what is new; `isLeaving`: the page may be gone in a moment. */
export function flush(isLeaving: boolean): void {
  look();
  clearTimeout(timer);
  dueAt = Infinity;
  // While an answer is awaited nothing new is built: the next report will be truer, and as small.
  if (!isLeaving && waiting[0]) plan(CLICK_MS);
  else report();
  if (isLeaving) leave();
}

/** Has a report leave in good time. */
export function plan(inMs = PAUSE_MS): void {
  const at = clockMs() + inMs;
  if (at >= dueAt) return;
  dueAt = at;
  clearTimeout(timer);
  timer = after(inMs, () => flush(false));
}

function report(): void {
  if (!isOpen) return;
  const s = takeChanged(entry);
  // Neither ever becomes less.
  const figures = engagedTenths() + depth[0];
  if (seq && figures === reported && !s[0] && !clicks[0] && !moves[0] && !signals[0]) return;
  reported = figures;
  push({
    ...openBatch(),
    c: columns('t,e,g,x,y,fx,fy,w,h,k,n', clicks, 1),
    // Those of a frame are read at another time.
    m: columns(
      't,x,y,e,fx,fy',
      moves.sort(([a], [b]) => (a as number) - (b as number)),
      3,
    ),
    f: columns('t,k,e,v,w,s', signals, 0),
    s: s[0] && s,
  });
  turnLeaf();
  plan();
}

/** Returns a batch with nothing but what is known of the view. */
export function openBatch(): Batch {
  const referrer = document.referrer.split('/')[2];
  noteGeometry();
  return {
    v: 1,
    b: randomHex(16),
    k: site.siteKey,
    t: begunUnixMs,
    w: {
      i: viewId,
      s: begunUnixMs,
      q: seq++,
      n: navigation,
      p: path,
      // Where a load came from, if that was another site; routes and restored pages come from nowhere.
      r: navigation % 3 || referrer === location.host ? undefined : referrer,
      c: Number(matchMedia('(pointer:coarse)').matches),
      a: sinceBegun(actedAt),
      e: engagedTenths() * 100,
      // Who leaves before the page stands has seen no more than its first viewport.
      h: isStanding ? depth : [innerHeight, readGeometry()[3]],
      x: exit ? entry(exit) : undefined,
      m: marks || undefined,
      u: site.user || undefined,
    },
    g: geometries,
    d: dictionary,
  };
}

function engagedTenths(): number {
  return Math.floor((engagedMs - formerMs) / 100);
}

/** What comes is for the next batch. */
function turnLeaf(): void {
  clicks = [];
  moves = [];
  signals = [];
  geometries = [];
  dictionary = [];
}

function add(rows: Row[], row: Row): void {
  rows.push(row);
  if (rows[MANY_ROWS] || dictionary[MANY] || geometries[MANY]) report();
  plan();
}

/** Returns rows as columns by their names; the first so many of them hold steps from row to row. */
function columns(names: string, rows: Row[], steps: number): Columns | undefined {
  const cells = (j: number) =>
    rows.map((row, i) => (i && j < steps ? (row[j] as number) - (rows[i - 1]?.[j] as number) : row[j]));
  return rows[0] && Object.fromEntries(names.split(',').map((name, j) => [name, cells(j)]));
}

/** Returns the index of a key in the dictionary of the next batch. */
function entry(key: Key): number {
  return (dictionary.indexOf(key) + 1 || dictionary.push(key)) - 1;
}

/** Returns the index of the present geometry, the last of the next batch. */
function noteGeometry(): number {
  const geometry = readGeometry();
  if (`${geometry}` !== `${geometries[geometries.length - 1]}`) geometries.push(geometry);
  return geometries.length - 1;
}

function sinceBegun(at = clockMs()): number {
  return Math.max(0, Math.round(at - begunAt));
}
