/** One view being recorded: puts the observers together and turns what they saw into reports. */
import { observeClicks, type RawClick } from './clicks';
import { createIdentify } from './element';
import { observeEngagement } from './engagement';
import { guarded } from './guard';
import { captureLayout } from './layout';
import type { Queue } from './queue';
import { clockMs, readGeometry } from './screen';
import { observeScroll } from './scroll';
import { observeSections } from './sections';
import {
  type Batch,
  type Click,
  closeGeometries,
  type Dictionary,
  type Geometry,
  keyText,
  LOAD,
  openDictionary,
  PRERENDER,
  randomHex,
  takeClicks,
} from './wire';

/** The first report leaves this long after the view began, ms, so that a view is counted even where nothing happens. */
const FIRST_MS = 1500;
/** A click is reported after this long, ms: soon enough to watch it arrive, late enough for company. */
const CLICK_MS = 1000;
/** So many clicks do not wait for more. */
const MANY_CLICKS = 100;
/** Pause before the second report, ms; each further one is half as long again, up to MAX_PAUSE_MS. */
const PAUSE_MS = 5000;
const MAX_PAUSE_MS = 30000;
/** Clicks kept while the collector cannot be reached. */
const MAX_PENDING = 2000;
/** Longest duration that the wire format holds, ms. */
const MAX_DURATION_MS = 604800000;

/** A view being recorded. */
export interface Recording {
  /** Hands over what is new; `isLeaving`: the page may be gone in a moment. */
  flush(isLeaving: boolean): void;
  /** The queue is empty: hands over what waited for that. */
  resume(): void;
  /** When the visitor last acted, on the clock of the page. */
  actedAt(): number;
  /** Ends the view; `isVoid`: it was no view at all. */
  end(isVoid: boolean): void;
}

/** What is the same for all views of a page. */
export interface Context {
  readonly siteKey: string;
  readonly queue: Queue;
}

/** Begins the recording of one view of `path`. */
export function beginRecording(context: Context, navigation: number, path: string, actedAt?: number): Recording {
  const { queue, siteKey } = context;
  const id = randomHex(8);
  const begunAt = clockMs();
  const begunUnixMs = Math.round(Date.now());
  const referrer = navigation === LOAD || navigation === PRERENDER ? referrerHost() : '';
  const identify = createIdentify();
  const clicks: Click[] = [];
  const clicked: Element[] = [];
  const counts = new Map<string, number>();
  let seq = 0;
  let engagedMs = 0;
  let depth: [number, number] = [0, 0];
  let reported = '';
  let pauseMs = PAUSE_MS;
  let timer = 0;
  let dueAt = Infinity;
  let isEnded = false;
  let isLayoutSent = false;
  let isOverdue = false;

  const sinceBegun = (at = clockMs()) => Math.min(MAX_DURATION_MS, Math.max(0, Math.round(at - begunAt)));
  const plan = (inMs: number) => {
    const at = clockMs() + inMs;
    if (isEnded || at >= dueAt) return;
    dueAt = at;
    clearTimeout(timer);
    timer = window.setTimeout(onDue, inMs);
  };

  const look = () => {
    engagement.settle();
    const top = Math.max(0, Math.round(scrollY));
    const reached = top + innerHeight;
    if (reached >= depth[0]) depth = [reached, readGeometry()[3]];
    sections.look(top, innerHeight);
  };
  const onClick = (element: Element, raw: RawClick) => {
    const key = identify(element);
    const name = keyText(key);
    const nth = (counts.get(name) ?? 0) + 1;
    counts.set(name, nth);
    if (clicks.length < MAX_PENDING) clicks.push({ ...raw, atMs: sinceBegun(), key, nth });
    if (clicked.length < 100 && !clicked.includes(element)) clicked.push(element);
    plan(clicks.length < MANY_CLICKS ? CLICK_MS : 0);
  };

  const engagement = observeEngagement(
    (ms) => {
      engagedMs += ms;
      sections.charge(ms);
    },
    () => plan(pauseMs),
    actedAt,
  );
  const sections = observeSections(identify, () => engagement.settle(), look);
  const stops = [
    engagement.stop,
    sections.stop,
    observeClicks(onClick),
    observeScroll(look, () => {
      look();
      sections.remeasure(false);
    }),
  ];

  const viewPart = (exit: number | undefined): Batch['w'] => ({
    i: id,
    s: begunUnixMs,
    q: seq,
    n: navigation,
    p: path.slice(0, 1024),
    ...(referrer && { r: referrer }),
    c: Number(matchMedia('(pointer:coarse)').matches),
    a: sinceBegun(Math.max(begunAt, engagement.actedAt())),
    e: Math.min(MAX_DURATION_MS, Math.floor(engagedMs / 100) * 100),
    h: depth,
    ...(exit !== undefined && { x: exit }),
  });
  const batch = (dictionary: Dictionary, geometries: Geometry[], exit: number | undefined): Batch => ({
    v: 1,
    b: randomHex(16),
    k: siteKey,
    t: begunUnixMs + sinceBegun(),
    w: viewPart(exit),
    g: geometries,
    d: dictionary.entries,
  });
  const sendReport = () => {
    const dictionary = openDictionary();
    const geometries: Geometry[] = [];
    const { changed, stored } = sections.report(dictionary);
    const exit = sections.exit(dictionary);
    const columns = takeClicks(clicks, dictionary, geometries);
    const figures = `${[Math.floor(engagedMs / 100), depth, exit, changed.map((section) => section[2])]}`;
    if (seq && figures === reported && !columns.t.length) return;
    reported = figures;
    closeGeometries(geometries, readGeometry());
    const report = batch(dictionary, geometries, exit);
    if (columns.t.length) report.c = columns;
    if (changed.length) report.s = changed;
    seq++;
    queue.push(report, (isLayoutWanted) => {
      stored();
      if (isLayoutWanted && !isEnded && !isLayoutSent) sendLayout();
    });
  };
  const sendLayout = () => {
    isLayoutSent = true;
    captureLayout(identify, clicked, sections.list(), (layout, dictionary) => {
      if (isEnded) return;
      queue.push({ ...batch(dictionary, [readGeometry()], sections.exit(dictionary)), l: layout }, () => {});
      seq++;
    });
  };
  const sendAll = () => {
    do sendReport();
    while (clicks.length);
  };
  const flush = (isLeaving: boolean) => {
    look();
    clearTimeout(timer);
    dueAt = Infinity;
    // While an answer is awaited nothing new is built: the next report will be truer, and as small.
    isOverdue = !isLeaving && !queue.isEmpty();
    if (!isOverdue) sendAll();
    if (isLeaving) queue.leave();
    else if (engagement.isRunning()) plan(pauseMs);
  };
  const onDue = guarded(() => {
    pauseMs = Math.min(MAX_PAUSE_MS, pauseMs * 1.5);
    sections.remeasure(true);
    flush(false);
  });

  plan(FIRST_MS);
  return {
    flush,
    resume() {
      if (isOverdue) flush(false);
    },
    actedAt: () => engagement.actedAt(),
    end(isVoid) {
      if (!isVoid || clicks.length) flush(true);
      isEnded = true;
      clearTimeout(timer);
      for (const stop of stops) stop();
    },
  };
}

function referrerHost(): string {
  const host = document.referrer && new URL(document.referrer).hostname;
  return host === location.hostname ? '' : host.slice(0, 253);
}
