/** Keeps every fault of ours away from the host page: each function the browser calls is wrapped here, and only here. */

/** So many faults, and the script does more harm than good here. */
const MAX_FAULTS = 10;
/** With so many nothing of ours runs any more; the one in between leaves room for the report. */
const STOPPED = 11;

let faults = 0;
let report: (name: string) => void;

/** Ends everything that was begun here: no listener, timer or observer of ours does anything from now on, though each is called. */
export function stopAll(): void {
  faults = STOPPED;
}

/** Calls `tell` with the name of the last fault once there were too many. */
export function watchFaults(tell: (name: string) => void): void {
  report = tell;
}

/** Returns `call` with one try/catch around it; what it throws is nobody's business but ours, and ends here. */
export function guarded<T extends unknown[]>(call: (...args: T) => void): (...args: T) => void {
  return (...args) => {
    try {
      if (faults < STOPPED) call(...args);
    } catch (error) {
      // The page must not notice. The report itself may fail as well, and then it ends here, too.
      if (++faults === MAX_FAULTS) guarded(report)((error as Error).name);
    }
  };
}

/** Calls `handler` for each of the space-separated event `types`, before the page's own listeners and passively. */
export function listen<E extends Event>(
  types: string,
  handler: (event: E) => void,
  target: EventTarget = window,
): void {
  const listener = guarded(handler) as (event: Event) => void;
  for (const type of types.split(' ')) target.addEventListener(type, listener, { capture: true, passive: true });
}

/** Calls `work` once after `ms`, and returns what `clearTimeout` takes. */
export function after(ms: number, work: () => void): number {
  return setTimeout(guarded(work), ms);
}

/** Returns what has `work` done once after the given ms, unless that is under way already. */
export function paced(work: () => void): (ms: number) => void {
  let isDue = false;
  return (ms) => {
    if (isDue) return;
    isDue = true;
    after(ms, () => {
      isDue = false;
      work();
    });
  };
}

/** Calls `work` once when the browser has nothing better to do, at the latest after half a second; Safari cannot tell when that is. */
export function whenIdle(work: () => void): void {
  (window.requestIdleCallback ?? setTimeout)(guarded(work), { timeout: 500 } as never);
}
