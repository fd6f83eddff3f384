/** Cumulative layout shift: the worst window of shifts that nobody caused (https://web.dev/articles/cls). */

/** A window ends after a pause, and when it is this old, ms. */
const PAUSE_MS = 1000;
const WINDOW_MS = 5000;

/** What the browser tells of a shift. */
export type Shift = PerformanceEntry & { readonly value: number; readonly hadRecentInput: boolean };

/** The score of the worst window of the view so far. */
export let worstShift = 0;
let score = 0;
let begunMs = 0;
let lastMs = 0;

/** Adds a shift. */
export function takeShift({ value, hadRecentInput, startTime }: Shift): void {
  if (hadRecentInput) return;
  if (!score || startTime - lastMs >= PAUSE_MS || startTime - begunMs >= WINDOW_MS) {
    score = 0;
    begunMs = startTime;
  }
  lastMs = startTime;
  score += value;
  worstShift = Math.max(worstShift, score);
}

/** Begins anew, for another view. */
export function resetShifts(): void {
  worstShift = score = 0;
}
