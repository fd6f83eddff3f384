/** Sections of one view: where they are, measured in idle time; what of them was seen; and how long each was in view. */
import { findParts, type Part } from './outline';
import { clockMs, isVisible } from './screen';
import type { Key, SectionPart } from './wire';

/** Half of a section, or half of the viewport, … (Media Rating Council, display ads, with the clause for tall ones) */
const SEEN_SHARE = 0.5;
/** … for one continuous second, ms. */
const SEEN_MS = 1000;
export const SEEN = 1;
export const END_SEEN = 2;

/** A section with what was measured of it. */
export interface Section {
  part: Part;
  /** Where it begins and ends in the document, px. */
  top: number;
  bottom: number;
  /** Height in view now, px. */
  inViewPx: number;
  /** Time in view so far, ms. */
  timeMs: number;
  flags: number;
  /** Since when its half, and its end, are in view; 0: they are not. */
  halfSince: number;
  endSince: number;
  /** What was last reported of it. */
  reported: string;
}

/** Those that are there now, and all that were ever there in this view. */
export let present: Section[] = [];
let known = new Map<Key, Section>();

/** Begins anew: another view. */
export function forgetSections(): void {
  present = [];
  known = new Map();
}

/** Looks for the sections anew. */
export function findSections(): void {
  for (const section of present) section.inViewPx = section.halfSince = section.endSince = 0;
  present = findParts().map((part) => {
    const section = known.get(part.key);
    const nothing = { top: 0, bottom: 0, inViewPx: 0, timeMs: 0, flags: 0, halfSince: 0, endSince: 0, reported: '0,0' };
    const found = Object.assign(section ?? nothing, { part });
    known.set(part.key, found);
    return found;
  });
}

/** Measures where the sections are. */
export function measureSections(): void {
  for (const section of present) {
    const { first, last } = section.part;
    const { top, bottom } = first.getBoundingClientRect();
    section.top = top + scrollY;
    section.bottom = (first === last ? bottom : Math.max(bottom, last.getBoundingClientRect().bottom)) + scrollY;
  }
}

/** Shares engaged time among the sections in view. */
export function chargeSections(ms: number): void {
  const totalPx = present.reduce((sum, section) => sum + section.inViewPx, 0);
  for (const section of present) section.timeMs += totalPx && (ms * section.inViewPx) / totalPx;
}

/** Notes what is in view from `topPx` to `bottomPx`; returns the key of the section that fills most of it. */
export function lookAtSections(topPx: number, bottomPx: number): Key | undefined {
  const now = clockMs();
  let most: Section | undefined;
  for (const section of present) {
    const { top, bottom, halfSince, endSince } = section;
    const inViewPx = Math.max(0, Math.min(bottom, bottomPx) - Math.max(top, topPx));
    if (halfSince && now - halfSince >= SEEN_MS) section.flags |= SEEN;
    if (endSince && now - endSince >= SEEN_MS) section.flags |= END_SEEN;
    const least = Math.min(bottom - top, bottomPx - topPx) * SEEN_SHARE;
    section.halfSince = since(halfSince, now, inViewPx && inViewPx >= least);
    section.endSince = since(endSince, now, inViewPx && bottom <= bottomPx);
    section.inViewPx = inViewPx;
    if (inViewPx > (most?.inViewPx ?? 0)) most = section;
  }
  return most?.part.key;
}

/** Since when something that `holds` on a visible page does so; 0: it does not. */
function since(before: number, now: number, holds: unknown): number {
  return holds && isVisible() ? before || now : 0;
}

/** Returns the sections whose figures changed since they were last taken; `entry` says which key is which in the batch. */
export function takeChanged(entry: (key: Key) => number): SectionPart[] {
  const changed: SectionPart[] = [];
  for (const section of known.values()) {
    const figures: [number, number] = [Math.round(section.timeMs), section.flags];
    if (section.reported !== `${figures}`) changed.push([entry(section.part.key), ...figures]);
    section.reported = `${figures}`;
  }
  return changed;
}
