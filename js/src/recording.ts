/** One view being recorded: puts the observers together and turns what they saw into reports. */
import { observeClicks, type RawClick } from './clicks';
import { createIdentify } from './element';
import { observeEngagement } from './engagement';
import { guarded } from './guard';
import { captureLayout } from './layout';
import type { Queue } from './queue';
import { clockMs, readGeometry } from './screen';
import { observeScroll } from './scroll';
import { observeSections, type Sections } from './sections';
import { CAP_MS, observeSettling } from './settling';
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
/** An act after a longer pause, ms, begins a new view: so long does a session last on the server. */
const MAX_IDLE_MS = 1800000;
/** And so does one in a view that is older, ms: the collector refuses reports of views older than a day. */
const MAX_AGE_MS = 43200000;
/** Longest duration that the wire format holds, ms. */
const MAX_DURATION_MS = 604800000;

/** A view being recorded. */
export interface Recording {
  /** Hands over what is new; `isLeaving`: the page may be gone in a moment. */
  flush(isLeaving: boolean): void;
  /** The queue is empty: hands over what waited for that. */
  resume(): void;
  /** What the view after this one needs to know. */
  legacy(): Legacy;
  /** Ends the view; `isVoid`: it was no view at all. */
  end(isVoid: boolean): void;
}

/** What one view leaves to the next. */
export interface Legacy {
  /** When the visitor last acted, on the clock of the page. */
  readonly actedAt: number;
  /** What its sections began with. */
  readonly nodes: readonly Element[];
}

/** How a view began. */
export interface Beginning {
  readonly navigation: number;
  readonly path: string;
  /** The page of the view before may still stand. */
  readonly isRouted: boolean;
  /** When the visitor acted, on the clock of the page, if that is what began it. */
  readonly actedAt?: number | undefined;
}

/** What is the same for all views of a page. */
export interface Context {
  readonly siteKey: string;
  readonly queue: Queue;
  /** Marks of automation so far. */
  readonly marks: () => number;
  /** Ends this view and begins another of the same page. */
  readonly renew: () => void;
}

/** Begins the recording of one view; `legacy`: of the view before it. */
export function beginRecording(context: Context, beginning: Beginning, legacy?: Legacy): Recording {
  const { queue, siteKey, marks } = context;
  const { navigation, path, isRouted } = beginning;
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
  /** None until the page of a new route stands. */
  let sections: Sections | undefined;

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
    if (!sections) return;
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

  // By the clock on the wall: the page's may stand still while a computer sleeps.
  let actedUnixMs = begunUnixMs;
  const isOver = () => {
    const now = Date.now();
    const isLate = now - actedUnixMs > MAX_IDLE_MS || now - begunUnixMs > MAX_AGE_MS;
    actedUnixMs = now;
    if (isLate) context.renew();
    return isLate;
  };
  const engagement = observeEngagement(
    (ms) => {
      engagedMs += ms;
      sections?.charge(ms);
    },
    isOver,
    () => plan(pauseMs),
    beginning.actedAt ?? legacy?.actedAt,
  );
  const stops = [
    engagement.stop,
    () => sections?.stop(),
    observeScroll(look, () => {
      look();
      sections?.remeasure(false);
    }),
  ];
  const onSettled = () => {
    engagement.settle();
    sections = observeSections(identify, () => engagement.settle(), look);
    look();
  };
  if (isRouted) stops.push(observeSettling(legacy?.nodes ?? [], onSettled));
  else onSettled();
  // After the observer that takes a click for the end of settling.
  stops.push(observeClicks(onClick));

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
    // Who left before the page stood has seen no more than its first viewport.
    h: sections ? depth : [innerHeight, readGeometry()[3]],
    ...(exit !== undefined && { x: exit }),
    ...(marks() && { m: marks() }),
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
    const { changed, stored } = sections?.report(dictionary) ?? { changed: [], stored: () => {} };
    const exit = sections?.exit(dictionary);
    const columns = takeClicks(clicks, dictionary, geometries);
    const figures = `${[Math.floor(engagedMs / 100), depth, exit, marks(), changed.map((section) => section[2])]}`;
    if (seq && figures === reported && !columns.t.length) return;
    reported = figures;
    closeGeometries(geometries, readGeometry());
    const report = batch(dictionary, geometries, exit);
    if (columns.t.length) report.c = columns;
    if (changed.length) report.s = changed;
    seq++;
    queue.push(report, (isLayoutWanted) => {
      stored();
      if (isLayoutWanted && sections && !isEnded && !isLayoutSent) sendLayout(sections);
    });
  };
  const sendLayout = (sections: Sections) => {
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
    sections?.remeasure(true);
    flush(false);
  });

  // A page that has yet to come is reported once it stands.
  plan(isRouted ? CAP_MS + 100 : FIRST_MS);
  return {
    flush,
    resume() {
      if (isOverdue) flush(false);
    },
    legacy: () => ({
      actedAt: engagement.actedAt(),
      nodes: sections?.list().map(({ part }) => part.first) ?? legacy?.nodes ?? [],
    }),
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
