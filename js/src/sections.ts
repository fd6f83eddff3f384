/** Sections of one view: their boxes, measured in idle time; what of them was seen; and how long each was in view. */
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

/** Measures the sections anew, and looks for them where they may be others than before. */
export function measureSections(identify: (element: Element) => Key, isStale: boolean): void {
  if (isStale || present.some(({ part }) => !part.first.isConnected)) {
    for (const section of present) section.inViewPx = section.halfSince = section.endSince = 0;
    present = findParts(identify).map((part) => {
      const section = known.get(part.key) ?? {
        part,
        top: 0,
        bottom: 0,
        inViewPx: 0,
        timeMs: 0,
        flags: 0,
        halfSince: 0,
        endSince: 0,
        reported: '0,0',
      };
      section.part = part;
      known.set(part.key, section);
      return section;
    });
  }
  for (const section of present) {
    const { top, bottom } = section.part.first.getBoundingClientRect();
    section.top = top + scrollY;
    section.bottom = Math.max(bottom, section.part.last.getBoundingClientRect().bottom) + scrollY;
  }
}

/** Shares engaged time among the sections in view. */
export function chargeSections(ms: number): void {
  const totalPx = present.reduce((sum, section) => sum + section.inViewPx, 0);
  for (const section of present) section.timeMs += totalPx && (ms * section.inViewPx) / totalPx;
}

/** Notes what is in view from `topPx` to `bottomPx`. */
export function lookAtSections(topPx: number, bottomPx: number): void {
  const now = clockMs();
  for (const section of present) {
    const { top, bottom, halfSince, endSince } = section;
    const inViewPx = Math.max(0, Math.min(bottom, bottomPx) - Math.max(top, topPx));
    if (halfSince && now - halfSince >= SEEN_MS) section.flags |= SEEN;
    if (endSince && now - endSince >= SEEN_MS) section.flags |= END_SEEN;
    const isInView = isVisible() && inViewPx > 0;
    const isHalf = inViewPx >= Math.min(bottom - top, bottomPx - topPx) * SEEN_SHARE;
    section.halfSince = isInView && isHalf ? halfSince || now : 0;
    section.endSince = isInView && bottom <= bottomPx ? endSince || now : 0;
    section.inViewPx = inViewPx;
  }
}

/** Returns the key of the section that fills most of the viewport. */
export function exitSection(): Key | undefined {
  return [...present].sort((one, other) => other.inViewPx - one.inViewPx).find(({ inViewPx }) => inViewPx)?.part.key;
}

/** Returns the sections whose figures changed since they were last taken; `entry` says which key is which in the batch. */
export function takeChanged(entry: (key: Key) => number): SectionPart[] | undefined {
  const changed: SectionPart[] = [];
  for (const section of known.values()) {
    const figures: [number, number] = [Math.round(section.timeMs), section.flags];
    if (section.reported !== `${figures}`) changed.push([entry(section.part.key), ...figures]);
    section.reported = `${figures}`;
  }
  return changed[0] && changed;
}
