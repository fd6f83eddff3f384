/**
 * What the visitor does, told at most ten times a second; and engaged time: visible, focused, and the last act less than 5 s ago.
 * It is charged in stretches that end at the latest 5 s after an act, so that no timer runs for it, none can be throttled, and a
 * laptop that slept adds nothing.
 */
import { after, guarded, listen } from './guard';
import { clockMs, isVisible } from './screen';

/** After an act a visitor counts as engaged this long, ms (the rule of Chartbeat and Parse.ly). */
const IDLE_MS = 5000;
/** Acts are told in such steps, ms: the unit of engaged time, and the pause between two places of the pointer. */
const STEP_MS = 100;
/** A scroll this soon after a visitor's input is theirs, ms: scripts scroll too, and `isTrusted` says nothing of it. */
const INPUT_MS = 1500;
/** A scroll that goes on without a longer gap, ms, is the momentum of the one before, */
const CHAIN_MS = 200;
/** for no longer than this after the input, ms: a phone's page has come to rest by then, a carousel never does. */
const MOMENTUM_MS = 5000;

/** When the visitor last acted, and last did more than move or scroll, on `clockMs`. */
export let actedAt = -IDLE_MS;
export let pressedAt = 0;
/** With what the visitor last pressed, as a `pointerType`; a key: with nothing. */
export let pressedWith: string | undefined;
let settledAt = 0;
let isAttentive = false;
let isPlanned = false;
let engage: (ms: number) => void;
let wake: () => void;
let step: () => void;

/**
 * Begins to watch: `onEngaged` hears each stretch of engaged time, ms; `onWake` is called at an act after a pause, before it counts;
 * `onStep` in a frame soon after acts and scrolls; `onMove` with each place of a mouse or pen, and `onScroll` at each scroll.
 */
export function observeActs(
  onEngaged: (ms: number) => void,
  onWake: () => void,
  onStep: () => void,
  onMove: (event: PointerEvent) => void,
  onScroll: () => void,
): void {
  engage = onEngaged;
  wake = onWake;
  step = onStep;
  let inputAt = -MOMENTUM_MS;
  let scrolledAt = 0;
  listen('pointerdown pointermove keydown touchstart wheel click resize', (event: PointerEvent) => {
    if (!event.isTrusted) return;
    inputAt = clockMs();
    if (event.type !== 'pointermove') {
      pressedAt = inputAt;
      pressedWith = event.pointerType;
    } else if (event.pointerType !== 'touch') onMove(event);
    act(inputAt);
  });
  listen('scroll', () => {
    const now = clockMs();
    const isMomentum = now - scrolledAt <= CHAIN_MS && now - inputAt <= MOMENTUM_MS;
    if (now - inputAt <= INPUT_MS || isMomentum) {
      scrolledAt = now;
      act(now);
    }
    onScroll();
    planStep();
  });
  listen('focus blur visibilitychange pagehide', ({ type }) => {
    settle();
    // What follows may be the back/forward cache, and that time is nobody's.
    if (type === 'pagehide') isAttentive = false;
  });
  settle();
}

/** Takes an act of the visitor at `at`, on `clockMs`. */
export function act(at: number): void {
  if (at > actedAt + IDLE_MS) {
    settle();
    wake();
  }
  actedAt = Math.max(actedAt, at);
  planStep();
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

function planStep(): void {
  if (isPlanned) return;
  isPlanned = true;
  after(STEP_MS, () =>
    requestAnimationFrame(
      guarded(() => {
        isPlanned = false;
        settle();
        step();
      }),
    ),
  );
}
