/**
 * Engaged time: visible, focused, and the last act less than 5 s ago. It is charged in stretches that end at the latest 5 s after
 * an act, so that no timer runs for it, none can be throttled, and a laptop that slept adds nothing.
 */
import { clockMs, isVisible } from './screen';
import { chargeSections } from './sections';

/** After an act a visitor counts as engaged this long, ms (the rule of Chartbeat and Parse.ly). */
const IDLE_MS = 5000;

/** When the visitor last acted, on `clockMs`. */
export let actedAt = -IDLE_MS;
/** Engaged time of the document so far, ms. */
export let engagedMs = 0;
let settledAt = 0;
let isAttentive = false;

/** Takes an act of the visitor at `at`, on `clockMs`; returns whether it ends a pause. */
export function noteAct(at: number): boolean {
  const isFirst = at > actedAt + IDLE_MS;
  // The pause itself is nobody's.
  if (isFirst) settle();
  actedAt = Math.max(actedAt, at);
  return isFirst;
}

/** Charges what is due up to now. */
export function settle(): void {
  const now = clockMs();
  const ms = Math.min(now, actedAt + IDLE_MS) - settledAt;
  if (isAttentive && ms > 0) {
    engagedMs += ms;
    chargeSections(ms);
  }
  settledAt = now;
  isAttentive = isVisible() && document.hasFocus();
}
