/**
 * Engaged time: visible, focused, and the visitor acted within the last 5 s. Charged in stretches that end at the latest 5 s
 * after an act, so that no timer runs, none can be throttled, and a laptop that slept adds nothing.
 */
import { listen, type Stop } from './guard';
import { clockMs, isVisible } from './screen';

/** After an act a visitor counts as engaged this long, ms (the rule of Chartbeat and Parse.ly). */
const IDLE_MS = 5000;
/** Acts closer together than this extend the stretch without charging it, ms: the unit of engaged time. */
const UNIT_MS = 100;

/** A playing video in view counts as engaged for this long after each `timeupdate`, which browsers send 4 times a second, ms. */
const WATCHED_MS = 1000;

/** A scroll this soon after a visitor's input is theirs, ms: scripts scroll too, and `isTrusted` says nothing of it. */
const INPUT_MS = 1500;
/** A scroll that goes on without a longer gap, ms, is the momentum of the one before, */
const CHAIN_MS = 200;
/** for no longer than this after the input, ms: a phone's page has come to rest by then, a carousel never does. */
const MOMENTUM_MS = 5000;

/** Charges engaged time. */
export interface Engagement {
  /** Charges what is due up to now. */
  settle(): void;
  /** When the visitor last acted, on `clockMs`. */
  actedAt(): number;
  /** Whether engaged time is running. */
  isRunning(): boolean;
  stop: Stop;
}

/**
 * Calls `emit` with each stretch of engaged time in ms, and `acted` at each act; where `isOver` says so the act is another
 * view's. `actedAt` is an act before this view.
 */
export function observeEngagement(
  emit: (ms: number) => void,
  isOver: () => boolean,
  acted: () => void,
  actedAt = -IDLE_MS,
): Engagement {
  let settledAt = clockMs();
  let isAttentive = false;
  const look = () => {
    isAttentive = isVisible() && document.hasFocus();
  };
  const settle = () => {
    const now = clockMs();
    const end = Math.min(now, actedAt + IDLE_MS);
    const begun = settledAt;
    settledAt = now;
    if (isAttentive && end > begun) emit(end - begun);
    look();
  };
  let inputAt = -Infinity;
  let scrolledAt = -Infinity;
  const onInput = (event: Event) => {
    if (!event.isTrusted) return;
    inputAt = clockMs();
    act(inputAt);
  };
  const onScroll = () => {
    const now = clockMs();
    const isMomentum = now - scrolledAt <= CHAIN_MS && now - inputAt <= MOMENTUM_MS;
    if (now - inputAt > INPUT_MS && !isMomentum) return;
    scrolledAt = now;
    act(now);
  };
  const act = (at: number) => {
    const now = clockMs();
    if (now - settledAt >= UNIT_MS || now - actedAt >= IDLE_MS) settle();
    if (isOver()) return;
    actedAt = Math.max(actedAt, at);
    acted();
  };
  look();
  const stops = [
    listen(document, 'pointerdown pointermove keydown touchstart touchmove wheel click', onInput),
    listen(document, 'scroll', onScroll),
    listen(window, 'resize', onInput),
    listen(window, 'focus blur', settle),
    listen(window, 'pagehide', () => {
      settle();
      // What follows is the back/forward cache, and that time is nobody's.
      isAttentive = false;
    }),
    listen(document, 'timeupdate', (event) => {
      if (isWatched(event.target)) act(clockMs() - IDLE_MS + WATCHED_MS);
    }),
    listen(document, 'visibilitychange', settle),
  ];
  return {
    settle,
    actedAt: () => actedAt,
    isRunning: () => isAttentive && clockMs() < actedAt + IDLE_MS,
    stop: () => {
      for (const stop of stops) stop();
    },
  };
}

/** Returns whether `target` is a video that plays in view and is more than decoration, which loops without a sound. */
function isWatched(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLVideoElement) || target.paused || (target.loop && target.muted)) return false;
  const { top, bottom } = target.getBoundingClientRect();
  return bottom > 0 && top < innerHeight;
}
