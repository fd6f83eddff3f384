/** When a view begins and ends: loads, restores from the back/forward cache, route changes, prerendering, background tabs. */
import { guarded, listen } from './guard';
import { clockMs, isVisible } from './screen';
import { LOAD, PRERENDER, RESTORE, ROUTE } from './wire';

/** A route held shorter than this is a redirect inside the page and no look at it, ms. */
const REDIRECT_MS = 100;

declare global {
  interface Document {
    readonly prerendering?: boolean;
  }
}

/**
 * Calls `begin` when a view begins (`isRouted`: the page of the one before may still stand), and `end` when another follows it;
 * `end(true)`: it was a redirect. Returns what ends the open view and begins another of the same page.
 */
export function observePage(
  readPath: () => string,
  begin: (navigation: number, path: string, isRouted: boolean) => void,
  end: (isRedirect: boolean) => void,
): () => void {
  let path = '';
  let navigation = document.prerendering ? PRERENDER : LOAD;
  let isRouted = false;
  let begunAt = 0;
  let isSeen = false;

  const show = () => {
    if (isSeen || !isVisible() || document.prerendering) return;
    isSeen = true;
    path = readPath();
    begunAt = clockMs();
    begin(navigation, path, isRouted);
  };
  const next = (how: number, isRoute: boolean) => {
    if (isSeen) {
      const isRedirect = isRoute && clockMs() - begunAt < REDIRECT_MS;
      if (!isRedirect) {
        navigation = how;
        isRouted = isRoute;
      }
      isSeen = false;
      end(isRedirect);
    }
    show();
  };

  listen('visibilitychange prerenderingchange', show);
  listen('pageshow', (event: PageTransitionEvent) => {
    if (event.persisted) next(RESTORE, false);
  });
  observeRoutes(() => {
    if (isSeen && readPath() !== path) next(ROUTE, true);
  });
  show();
  return () => next(ROUTE, false);
}

/** Calls `changed` after each change of the address that stays in this document. */
function observeRoutes(changed: () => void): void {
  const { navigation } = window as Window & { navigation?: EventTarget };
  // An element with that id would also be `window.navigation`.
  if (navigation && 'oncurrententrychange' in navigation) return listen('currententrychange', changed, navigation);
  listen('popstate hashchange', changed);
  for (const name of ['pushState', 'replaceState'] as const) {
    const original = history[name];
    const notify = guarded(changed);
    guarded(() => {
      // The original is called first and its result and faults reach the page as ever (Clarity #152, #179 broke pages here).
      history[name] = function (this: History, ...args) {
        original.apply(this, args);
        notify();
      };
    })();
  }
}
