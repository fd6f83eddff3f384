/**
 * Engaged time: visible, focused, and the visitor acted within the last 5 s. Charged in stretches that end at the latest 5 s
 * after an act, so that no timer runs, none can be throttled, and a laptop that slept adds nothing.
 */
import { listen } from './guard';
import { clockMs, isVisible } from './screen';

/** After an act a visitor counts as engaged this long, ms (the rule of Chartbeat and Parse.ly). */
const IDLE_MS = 5000;
/** Acts closer together than this extend the stretch without charging it, ms: the unit of engaged time. */
const UNIT_MS = 100;
/** A scroll this soon after a visitor's input is theirs, ms: scripts scroll too, and `isTrusted` says nothing of it. */
const INPUT_MS = 1500;
/** A scroll that goes on without a longer gap, ms, is the momentum of the one before, */
const CHAIN_MS = 200;
/** for no longer than this after the input, ms: a phone's page has come to rest by then, a carousel never does. */
const MOMENTUM_MS = 5000;

/** When the visitor last acted, on `clockMs`. */
export let actedAt = -IDLE_MS;
let settledAt = 0;
let isAttentive = false;
let engage: (ms: number) => void;
let acted: () => void;

/** Begins to watch: `onEngaged` hears each stretch of engaged time, ms, and `onAct` each act, before it counts. */
export function observeEngagement(onEngaged: (ms: number) => void, onAct: () => void): void {
  engage = onEngaged;
  acted = onAct;
  let inputAt = -MOMENTUM_MS;
  let scrolledAt = 0;
  listen('pointerdown pointermove keydown touchstart touchmove wheel click resize', ({ isTrusted }) => {
    if (!isTrusted) return;
    inputAt = clockMs();
    act(inputAt);
  });
  listen('scroll', () => {
    const now = clockMs();
    const isMomentum = now - scrolledAt <= CHAIN_MS && now - inputAt <= MOMENTUM_MS;
    if (now - inputAt > INPUT_MS && !isMomentum) return;
    scrolledAt = now;
    act(now);
  });
  listen('focus blur visibilitychange', settle);
  listen('pagehide', () => {
    settle();
    // What follows is the back/forward cache, and that time is nobody's.
    isAttentive = false;
  });
  settle();
}

/** Takes an act of the visitor at `at`, on `clockMs`. */
export function act(at: number): void {
  const now = clockMs();
  if (now - settledAt >= UNIT_MS || !isRunning()) settle();
  acted();
  actedAt = Math.max(actedAt, at);
}

/** Charges what is due up to now. */
export function settle(): void {
  const now = clockMs();
  const end = Math.min(now, actedAt + IDLE_MS);
  if (isAttentive && end > settledAt) engage(end - settledAt);
  settledAt = now;
  isAttentive = isVisible() && document.hasFocus();
}

/** Returns whether engaged time is running. */
export function isRunning(): boolean {
  return isAttentive && clockMs() < actedAt + IDLE_MS;
}
