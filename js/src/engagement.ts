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

/** Calls `emit` with each stretch of engaged time in ms, and `acted` at each act. `actedAt` is an act before this view. */
export function observeEngagement(emit: (ms: number) => void, acted: () => void, actedAt = -IDLE_MS): Engagement {
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
  const onAct = (event: Event) => {
    if (!event.isTrusted) return;
    const now = clockMs();
    if (now - settledAt >= UNIT_MS || now - actedAt >= IDLE_MS) settle();
    actedAt = now;
    acted();
  };
  look();
  const stops = [
    listen(document, 'pointerdown pointermove keydown touchstart touchmove wheel scroll click', onAct),
    listen(window, 'resize', onAct),
    listen(window, 'focus blur pagehide', settle),
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
