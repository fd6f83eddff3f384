/**
 * Sections in view: time, seen, end seen, exit. Knows boxes in document px that were measured when the browser was idle, so
 * that a scroll costs one pass over at most 100 numbers and no layout read.
 */
import type { Identify } from './element';
import { listen, type Stop, whenIdle } from './guard';
import { findParts, type Part } from './outline';
import { clockMs, isVisible } from './screen';
import { type Dictionary, indexOf, keyText, type SectionPart } from './wire';

/** Continuous time in view that makes a section seen, ms (the Media Rating Council's rule for display). */
const SEEN_MS = 1000;
/** The share of a section, or of the viewport, that must be in view. */
const SEEN_SHARE = 0.5;

/** Sections in one report at most; the rest goes with the next. */
const MAX_CHANGED = 200;

const SEEN = 1;
const END_SEEN = 2;

/** One section of the view. */
export interface Section {
  part: Part;
  left: number;
  top: number;
  width: number;
  height: number;
  /** Time in view so far, ms. */
  timeMs: number;
  flags: number;
  /** Height in view now, px. */
  inViewPx: number;
  /** When its half, and its end, came into view; 0: not in view. */
  sinceMs: [number, number];
  /** What the collector has acknowledged. */
  storedMs: number;
  storedFlags: number;
}

/** The sections of one view. */
export interface Sections {
  /** Shares engaged time among the sections in view. */
  charge(ms: number): void;
  /** Notes what is in view from `topPx` on. */
  look(topPx: number, viewportPx: number): void;
  /** Measures the sections anew when the browser is idle; `isStale`: looks for them anew as well. */
  remeasure(isStale: boolean): void;
  /** The sections that changed since the collector last acknowledged; `stored` notes that it acknowledged these. */
  report(dictionary: Dictionary): { changed: SectionPart[]; stored: () => void };
  /** The section that fills most of the viewport. */
  exit(dictionary: Dictionary): number | undefined;
  list(): Section[];
  stop: Stop;
}

/** Watches the sections of the page; `measured` is called after each measurement, `changed` before the first look at it. */
export function observeSections(identify: Identify, settle: () => void, measured: () => void): Sections {
  const known = new Map<string, Section>();
  let present: Section[] = [];
  let isPlanned = false;
  let isDue = true;
  let isStopped = false;

  const measure = () => {
    isPlanned = false;
    if (isStopped || !isVisible() || !document.body) return;
    settle();
    if (isDue || present.some((section) => !section.part.first.isConnected)) find();
    for (const section of present) box(section);
    measured();
  };
  const find = () => {
    isDue = false;
    present = findParts(identify).map((part) => {
      const name = keyText(part.key);
      const section = known.get(name) ?? newSection(part);
      known.set(name, section);
      section.part = part;
      return section;
    });
    for (const section of known.values()) if (!present.includes(section)) leave(section);
  };
  const remeasure = (isStale: boolean) => {
    isDue ||= isStale;
    if (isPlanned) return;
    isPlanned = true;
    whenIdle(measure);
  };
  const resizes = 'ResizeObserver' in window ? new ResizeObserver(() => remeasure(true)) : null;
  // An async script may run before there is a body.
  const watch = () => {
    resizes?.observe(document.body ?? document.documentElement);
    remeasure(true);
  };
  const stopWaiting = listen(document, 'DOMContentLoaded', watch);
  watch();

  return {
    remeasure,
    charge(ms) {
      const totalPx = present.reduce((sum, section) => sum + section.inViewPx, 0);
      if (totalPx) for (const section of present) section.timeMs += (ms * section.inViewPx) / totalPx;
    },
    look(topPx, viewportPx) {
      const isSeen = isVisible();
      for (const section of present) lookAt(section, topPx, viewportPx, isSeen);
    },
    report: (dictionary) => report(known.values(), dictionary),
    exit: (dictionary) => exit(present, dictionary),
    list: () => present,
    stop() {
      isStopped = true;
      stopWaiting();
      resizes?.disconnect();
    },
  };
}

function newSection(part: Part): Section {
  const nothing = {
    left: 0,
    top: 0,
    width: 0,
    height: 0,
    timeMs: 0,
    flags: 0,
    inViewPx: 0,
    storedMs: 0,
    storedFlags: 0,
  };
  return { part, sinceMs: [0, 0], ...nothing };
}

function box(section: Section): void {
  const first = section.part.first.getBoundingClientRect();
  const last = section.part.last.getBoundingClientRect();
  section.left = Math.min(first.left, last.left) + scrollX;
  section.top = first.top + scrollY;
  section.width = Math.max(first.right, last.right) + scrollX - section.left;
  section.height = Math.max(first.bottom, last.bottom) - first.top;
}

function leave(section: Section): void {
  section.inViewPx = 0;
  section.sinceMs = [0, 0];
}

function lookAt(section: Section, topPx: number, viewportPx: number, isVisiblePage: boolean): void {
  const { top, height } = section;
  const bottom = top + height;
  const inViewPx = Math.max(0, Math.min(bottom, topPx + viewportPx) - Math.max(top, topPx));
  const isHalf = inViewPx > 0 && inViewPx >= Math.min(height, viewportPx) * SEEN_SHARE;
  const isEnd = inViewPx > 0 && bottom <= topPx + viewportPx;
  const now = clockMs();
  keep(section, SEEN, isVisiblePage && isHalf, now);
  keep(section, END_SEEN, isVisiblePage && isEnd, now);
  section.inViewPx = inViewPx;
}

/** Sets `flag` where its condition held for a continuous second until now, and notes since when it holds. */
function keep(section: Section, flag: 1 | 2, holds: boolean, now: number): void {
  const which = (flag - 1) as 0 | 1;
  const since = section.sinceMs[which];
  if (since && now - since >= SEEN_MS) section.flags |= flag;
  section.sinceMs[which] = holds ? since || now : 0;
}

function report(all: Iterable<Section>, dictionary: Dictionary): ReturnType<Sections['report']> {
  const changed: SectionPart[] = [];
  const marks: (() => void)[] = [];
  for (const section of all) {
    const ms = Math.round(section.timeMs);
    const { flags } = section;
    if ((ms === section.storedMs && flags === section.storedFlags) || changed.length >= MAX_CHANGED) continue;
    changed.push([indexOf(section.part.key, dictionary), ms, flags]);
    marks.push(() => {
      section.storedMs = ms;
      section.storedFlags = flags;
    });
  }
  return {
    changed,
    stored: () => {
      for (const mark of marks) mark();
    },
  };
}

function exit(present: readonly Section[], dictionary: Dictionary): number | undefined {
  let most: Section | undefined;
  for (const section of present) if (section.inViewPx > (most?.inViewPx ?? 0)) most = section;
  return most && indexOf(most.part.key, dictionary);
}
