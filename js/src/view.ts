/** The view being recorded: what the observers saw of it, and the reports that it becomes. One at a time. */
import { actedAt, isRunning, settle } from './acts';
import { createIdentify } from './element';
import { after } from './guard';
import { leave, push, waiting } from './queue';
import { clockMs, type Place, readGeometry } from './screen';
import { chargeSections, forgetSections, lookAtSections, takeChanged } from './sections';
import { site } from './site';
import { type Batch, type Click, type Columns, type Geometry, type Key, randomHex } from './wire';

/** The first report leaves this long after the view began, ms, so that a view is counted even where nothing happens. */
const FIRST_MS = 1500;
/** … and where its page has yet to come: once it stands. */
const FIRST_ROUTED_MS = 2100;
/** The view's first click is reported after this long, ms: soon enough to watch it arrive. */
const CLICK_MS = 1000;
/** Pause before the second report, ms; each further one is half as long again, up to MAX_PAUSE_MS. */
const PAUSE_MS = 5000;
const MAX_PAUSE_MS = 30000;
/** Clicks, moves and signals wait no longer, ms. */
const MAX_WAIT_MS = 10000;
/** So many keys of elements, or clicks with a geometry each, fill a batch. */
const MANY = 60;
/** Bits of a click's kind that say that another than the primary button was pressed. */
export const NOT_PRIMARY = 12;
/** Elements remembered for a layout. */
const MAX_ACTED = 100;

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
let columns: { c?: Columns; m?: Columns; f?: Columns };
let geometries: Geometry[];
let dictionary: Key[];
let counts: Record<Key, number>;
let seq: number;
let engagedMs: number;
/** Greatest scroll top so far, px. */
let lowest: number;
let depth: [number, number];
let exit: Key | undefined;
let reported: string;
let pauseMs: number;
let timer = 0;
let dueAt: number;

/** Begins a view; `isRouted`: the page of the one before may still stand. */
export function openView(how: number, address: string, isRouted: boolean): void {
  navigation = how;
  path = address;
  begunAt = clockMs();
  begunUnixMs = Math.round(Date.now());
  viewId = randomHex(8);
  identify = createIdentify();
  forgetSections();
  acted = [];
  counts = {};
  seq = engagedMs = lowest = 0;
  depth = [0, 0];
  exit = undefined;
  reported = '';
  pauseMs = PAUSE_MS;
  dueAt = Infinity;
  isStanding = false;
  isOpen = true;
  turnLeaf();
  plan(isRouted ? FIRST_ROUTED_MS : FIRST_MS);
}

/** Ends the view; `isVoid`: it was none, unless something was clicked. */
export function closeView(isVoid: boolean): void {
  if (!isVoid || acted[0]) flush(true);
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

/** Takes a click, and returns it. */
export function addClick(element: Element, place: Place, k: number, at: number): Click {
  const key = identify(element);
  const n = (counts[key] ?? 0) + 1;
  // Another button's press is no click, and does not count as one.
  if (!(k & NOT_PRIMARY)) counts[key] = n;
  if (!acted[0]) plan(CLICK_MS);
  if (acted.length < MAX_ACTED) acted.push(element);
  const click = { t: sinceBegun(at), e: entry(key), g: noteGeometry(), ...place, k, n };
  add('c', click);
  return click;
}

/** Takes a place of the pointer. */
export function addMove(element: Element, { x, y, fx, fy }: Place): void {
  add('m', { t: sinceBegun(), e: entry(identify(element)), x, y, fx, fy });
}

/** Takes a signal of something at `at`, on `clockMs`; what became of a click of the view before is nobody's. */
export function addSignal(k: number, element: Element | null, v = 0, w = 0, s = '', at = clockMs()): void {
  if (at >= begunAt) add('f', { t: sinceBegun(at), k, e: element ? entry(identify(element)) : -1, v, w, s });
}

/** Takes engaged time, ms. */
export function engage(ms: number): void {
  engagedMs += ms;
  chargeSections(ms);
}

/** Has a report leave in good time. */
export function planReport(): void {
  plan(pauseMs);
}

/** Notes how far down the page is in view. */
export function noteDepth(): void {
  if (isStanding) lowest = Math.max(lowest, Math.round(scrollY));
}

/** Notes what is in view. */
export function look(): void {
  if (!isStanding) return;
  noteDepth();
  const top = Math.max(0, Math.round(scrollY));
  if (lowest + innerHeight >= depth[0]) depth = [lowest + innerHeight, readGeometry()[3]];
  exit = lookAtSections(top, top + innerHeight);
}

/** Hands over what is new; `isLeaving`: the page may be gone in a moment. */
export function flush(isLeaving: boolean): void {
  settle();
  look();
  clearTimeout(timer);
  dueAt = Infinity;
  // While an answer is awaited nothing new is built: the next report will be truer, and as small.
  if (!isLeaving && waiting[0]) plan(CLICK_MS);
  else report();
  if (isRunning()) plan(pauseMs);
  if (isLeaving) leave();
}

function report(): void {
  if (!isOpen) return;
  const s = takeChanged(entry);
  const figures = `${[Math.floor(engagedMs / 100), depth, marks]}`;
  if (seq && figures === reported && !s[0] && !columns.c && !columns.m && !columns.f) return;
  reported = figures;
  for (const column of [columns.c?.t, columns.m?.t, columns.m?.x, columns.m?.y]) toSteps(column);
  push({ ...openBatch(), ...columns, s: s[0] && s });
  turnLeaf();
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
      a: sinceBegun(Math.max(begunAt, actedAt)),
      e: Math.floor(engagedMs / 100) * 100,
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

/** What comes is for the next batch. */
function turnLeaf(): void {
  columns = {};
  geometries = [];
  dictionary = [];
}

function add(name: 'c' | 'm' | 'f', row: object): void {
  const table = columns[name] ?? {};
  columns[name] = table;
  for (const [column, cell] of Object.entries(row) as [keyof Columns, number][]) {
    const cells = table[column] ?? [];
    table[column] = cells;
    cells.push(cell);
  }
  if (dictionary[MANY] || (table.t?.length ?? 0) >= MANY) report();
  plan(Math.min(pauseMs, MAX_WAIT_MS));
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

function plan(inMs: number): void {
  const at = clockMs() + inMs;
  if (at >= dueAt) return;
  dueAt = at;
  clearTimeout(timer);
  timer = after(inMs, () => {
    pauseMs = Math.min(MAX_PAUSE_MS, pauseMs * 1.5);
    flush(false);
  });
}

function sinceBegun(at = clockMs()): number {
  return Math.max(0, Math.round(at - begunAt));
}

/** Puts differences in the place of values, from the back, as each needs the one before. */
function toSteps(column: (number | string)[] = []): void {
  for (let i = column.length; --i > 0; ) column[i] = Number(column[i]) - Number(column[i - 1]);
}
