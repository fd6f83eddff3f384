/** Sections of one view: where they are, measured in idle time; what of them was seen; and how long each was in view. */
import { findParts, nameOf, type Part } from './outline';
import { clockMs, isVisible } from './screen';
import type { Key, SectionPart } from './wire';

/**
 * Half of a section, or half of the viewport, for one continuous second, ms (Media Rating Council, display ads, with the clause
 * for tall ones).
 */
const SEEN_MS = 1000;

/** A section with what was measured of it. */
export interface Section {
  part: Part;
  /** Where it begins and ends in the document, px; an end of 0: it is not there now. */
  top: number;
  bottom: number;
  /** Height in view now, px. */
  px: number;
  /** Time in view so far, ms. */
  ms: number;
  /** 1: its half was seen; 2: its end was. */
  flags: number;
  /** Since when its half, and its end, are in view; false or 0: they are not. */
  since: readonly (number | false)[];
  /** Sum of what was last reported of it: neither time nor flags ever become less. */
  reported: number;
}

/** All that were ever there in this view. */
export let sections = new Map<Key, Section>();

/** Begins anew: another view. */
export function forgetSections(): void {
  sections = new Map();
}

/** Looks for the sections anew, and measures where they are. */
export function findSections(): void {
  const counts: Record<Key, number> = {};
  for (const [, section] of sections) section.bottom = 0;
  for (const part of findParts()) {
    const [head, first, last] = part;
    const name = nameOf(head);
    const nth = (counts[name] ?? 0) + 1;
    counts[name] = nth;
    const key = nth > 1 ? `${name}:${nth}` : name;
    sections.set(key, {
      px: 0,
      ms: 0,
      flags: 0,
      since: [],
      reported: 0,
      ...sections.get(key),
      part,
      top: first.getBoundingClientRect().top + scrollY,
      bottom: last.getBoundingClientRect().bottom + scrollY,
    });
  }
}

/** Shares engaged time among the sections in view. */
export function chargeSections(ms: number): void {
  let totalPx = 0;
  for (const [, section] of sections) totalPx += section.px;
  // Nothing in view: 0 / 0.
  for (const [, section] of sections) section.ms += (ms * section.px) / totalPx || 0;
}

/** Notes what is in view from `topPx` to `bottomPx`; returns the key of the section that fills most of it. */
export function lookAtSections(topPx: number, bottomPx: number): Key | undefined {
  const now = clockMs();
  let mostPx = 0;
  let most: Key | undefined;
  for (const [key, section] of sections) {
    const { top, bottom, since } = section;
    const px = Math.max(0, Math.min(bottom, bottomPx) - Math.max(top, topPx));
    section.px = px;
    section.since = [px * 2 >= Math.min(bottom - top, bottomPx - topPx), bottom <= bottomPx].map((holds, i) => {
      const from = since[i] || now;
      if (now - from >= SEEN_MS) section.flags |= i + 1;
      return holds && px && isVisible() && from;
    });
    if (px > mostPx) {
      mostPx = px;
      most = key;
    }
  }
  return most;
}

/** Returns the sections whose figures changed since they were last taken; `entry` says which key is which in the batch. */
export function takeChanged(entry: (key: Key) => number): SectionPart[] {
  const changed: SectionPart[] = [];
  for (const [key, section] of sections) {
    const { ms, flags, reported } = section;
    const roundMs = Math.round(ms);
    if (roundMs + flags > reported) changed.push([entry(key), roundMs, flags]);
    section.reported = roundMs + flags;
  }
  return changed;
}
