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

/** Calls `begin` when a view begins, and `end` when a route change or a restore ends it; `end(true)`: it was a redirect. */
export function observePage(begin: (beginning: Beginning) => void, end: (isRedirect: boolean) => void): Stop {
  let path = '';
  let navigation = document.prerendering ? PRERENDER : LOAD;
  let begunAt = 0;
  /** A view waits to be seen. */
  let isWaiting = true;

  const show = () => {
    if (!isWaiting || !isVisible() || document.prerendering) return;
    isWaiting = false;
    path = location.pathname;
    begunAt = clockMs();
    begin({ navigation, path, isRouted: navigation === ROUTE });
  };
  const next = (how: number) => {
    if (!isWaiting) {
      const isRedirect = how === ROUTE && clockMs() - begunAt < REDIRECT_MS;
      if (!isRedirect) navigation = how;
      end(isRedirect);
    }
    isWaiting = true;
    show();
  };
  const onRoute = () => {
    if (!isWaiting && location.pathname !== path) next(ROUTE);
  };

  const stops = [
    listen(document, 'visibilitychange prerenderingchange', show),
    listen(window, 'pageshow', (event: PageTransitionEvent) => {
      if (event.persisted) next(RESTORE);
    }),
    observeRoutes(onRoute),
  ];
  show();
  return () => {
    for (const stop of stops) stop();
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
