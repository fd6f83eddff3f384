/** Keeps every fault of ours away from the host page: each function the browser calls is wrapped here, and only here. */

/** Undoes what an observer did. */
export type Stop = () => void;

/** Returns `call` with one try/catch around it; what it throws is nobody's business but ours, and ends here. */
export function guarded<T extends unknown[]>(call: (...args: T) => void): (...args: T) => void {
  return (...args) => {
    try {
      call(...args);
    } catch {
      // The page must not notice.
    }
  };
}

/** Calls `handler` for each of the space-separated event `types`, in the capture phase and passively. */
export function listen<E extends Event>(target: EventTarget, types: string, handler: (event: E) => void): Stop {
  const options = { capture: true, passive: true };
  const listener = guarded(handler) as (event: Event) => void;
  const names = types.split(' ');
  for (const name of names) target.addEventListener(name, listener, options);
  return () => {
    for (const name of names) target.removeEventListener(name, listener, options);
  };
}

/** Calls `work` once when the browser has nothing better to do, at the latest after `timeoutMs`. */
export function whenIdle(work: () => void, timeoutMs = 1000): void {
  const task = guarded(work);
  // Safari has no requestIdleCallback.
  if ('requestIdleCallback' in window) requestIdleCallback(task, { timeout: timeoutMs });
  else setTimeout(task, 50);
}
