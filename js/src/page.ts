/** When a view begins and ends: loads, restores from the back/forward cache, route changes, prerendering, background tabs. */
import { guarded, listen, type Stop } from './guard';
import type { Beginning } from './recording';
import { clockMs, isVisible } from './screen';
import { LOAD, PRERENDER, RESTORE, ROUTE } from './wire';

/** A route held shorter than this is a redirect inside the page and no look at it, ms. */
const REDIRECT_MS = 100;

declare global {
  interface Document {
    readonly prerendering?: boolean;
  }
}

/** Watches for views. */
export interface Pages {
  /** Ends the view that is open and begins another of the same page, in which the visitor just acted. */
  renew(): void;
  stop: Stop;
}

/** Calls `begin` when a view begins, and `end` when another follows it; `end(true)`: it was a redirect. */
export function observePage(begin: (beginning: Beginning) => void, end: (isRedirect: boolean) => void): Pages {
  let path = '';
  let navigation = document.prerendering ? PRERENDER : LOAD;
  let isRouted = false;
  let begunAt = 0;
  /** A view waits to be seen. */
  let isWaiting = true;

  const show = (actedAt?: number) => {
    if (!isWaiting || !isVisible() || document.prerendering) return;
    isWaiting = false;
    path = location.pathname;
    begunAt = clockMs();
    begin({ navigation, path, isRouted, actedAt });
  };
  const next = (how: number, actedAt?: number) => {
    if (!isWaiting) {
      const isRedirect = how === ROUTE && actedAt === undefined && clockMs() - begunAt < REDIRECT_MS;
      if (!isRedirect) {
        navigation = how;
        isRouted = how === ROUTE && actedAt === undefined;
      }
      end(isRedirect);
    }
    isWaiting = true;
    show(actedAt);
  };
  const onRoute = () => {
    if (!isWaiting && location.pathname !== path) next(ROUTE);
  };

  const stops = [
    listen(document, 'visibilitychange prerenderingchange', () => show()),
    listen(window, 'pageshow', (event: PageTransitionEvent) => {
      if (event.persisted) next(RESTORE);
    }),
    observeRoutes(onRoute),
  ];
  show();
  return {
    renew: () => next(ROUTE, clockMs()),
    stop() {
      for (const stop of stops) stop();
    },
  };
}

/** Calls `changed` after each change of the address that stays in this document. */
function observeRoutes(changed: () => void): Stop {
  const { navigation } = window as Window & { navigation?: EventTarget };
  // An element with that id would also be `window.navigation`.
  if (navigation && 'oncurrententrychange' in navigation) return listen(navigation, 'currententrychange', changed);
  const stops = [patched('pushState', changed), patched('replaceState', changed), listen(window, 'popstate', changed)];
  return () => {
    for (const stop of stops) stop();
  };
}

/** The original is called first and its result and faults reach the page as ever (Clarity #152, #179 broke pages here). */
function patched(name: 'pushState' | 'replaceState', changed: () => void): Stop {
  const original = history[name];
  let notify = guarded(changed);
  const patch: History['pushState'] = function (this: History, ...args) {
    original.apply(this, args);
    notify();
  };
  guarded(() => {
    history[name] = patch;
  })();
  return () => {
    notify = () => {};
    if (history[name] === patch) history[name] = original;
  };
}
