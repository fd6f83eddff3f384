/** One visit to one document: when a view begins and ends, and what each hears from the observers. */
import { isRunning, observeActs, pressedAt } from './acts';
import { observeClicks } from './clicks';
import { pressedElement } from './element';
import { after, listen, whenIdle } from './guard';
import type { News } from './host';
import { observeResponses } from './responses';
import { clockMs, isIgnored, isVisible, type Place, placeIn } from './screen';
import { findSections, measureSections, present } from './sections';
import { HASH_ROUTES, site } from './site';
import {
  addClick,
  addMarks,
  addMove,
  addSignal,
  begunAt,
  begunUnixMs,
  closeView,
  engage,
  flush,
  isOpen,
  isStanding,
  look,
  NOT_PRIMARY,
  noteDepth,
  openView,
  planReport,
  stand,
  viewId,
} from './view';
import { LOAD, PRERENDER, RESTORE, ROUTE } from './wire';

/** An act after a longer pause, ms, begins a new view: so long does a session last on the server. */
const MAX_IDLE_MS = 1800000;
/** And so does one in a view that is older, ms: the collector refuses reports of views older than a day. */
const MAX_AGE_MS = 43200000;
/** A route held shorter than this is a redirect inside the page and no look at it, ms. */
const REDIRECT_MS = 100;
/** A route's page that shows no change for this long is taken as it stands, ms; it is looked at so often. */
const CAP_MS = 2000;
const REST_MS = 100;
/** A page has stopped to grow, or a box to scroll, when nothing moved for this long, ms. */
const QUIET_MS = 200;
/** Mark of automation: no language, or a window without width; 1 is `navigator.webdriver`, others are the clicks'. */
const NO_WINDOW = 2;

declare global {
  interface Document {
    readonly prerendering?: boolean;
  }
}

let tell: (...news: News) => void;
let readPath: () => string;
let path = '';
let navigation: number;
let isRouted = false;
let actedUnixMs: number;
let isDue = false;
let quietTimer = 0;
let watchClick: (element: Element, atMs: number) => void;

/** Begins to observe; `params`: parameters of the query that are part of a page's address. */
export function observeVisit(params: readonly string[], hear: (...news: News) => void): void {
  tell = hear;
  readPath = () => {
    const { pathname, search, hash } = location;
    const kept = search
      .slice(1)
      .split('&')
      .filter((part) => params.includes(part.split('=')[0] ?? ''));
    return (pathname + (kept[0] ? `?${kept.sort().join('&')}` : '') + (site.flags & HASH_ROUTES ? hash : '')).slice(
      0,
      1024,
    );
  };
  navigation = document.prerendering ? PRERENDER : LOAD;
  addMarks(Number(navigator.webdriver) | (navigator.language && outerWidth ? 0 : NO_WINDOW));
  let moved: PointerEvent | undefined;
  let beneath: Element;
  // By the clock on the wall: the page's may stand still while a computer sleeps.
  const wake = () => {
    const now = Date.now();
    if (now - actedUnixMs > MAX_IDLE_MS || now - begunUnixMs > MAX_AGE_MS) next(ROUTE, false);
    actedUnixMs = now;
  };
  observeActs(
    engage,
    wake,
    () => {
      wake();
      onRoute();
      look();
      if (moved && !isIgnored(beneath)) {
        const element = pressedElement(beneath);
        addMove(element, placeIn(element, moved));
      }
      moved = undefined;
      if (isRunning()) planReport();
    },
    (event) => {
      moved = event;
      beneath = event.composedPath()[0] as Element;
    },
    noteDepth,
  );
  watchClick = observeResponses((kind, element, ms, atMs, text) => addSignal(kind, element, ms, 0, text, atMs)).onClick;
  observeClicks(takeClick);
  listen('visibilitychange pagehide prerenderingchange', ({ type }) => {
    show();
    if (isVisible() && type !== 'pagehide') return;
    tell('end');
    flush(true);
  });
  listen('pageshow', (event: PageTransitionEvent) => {
    if (event.persisted) next(RESTORE, false);
  });
  listen('scroll', ({ target }) => {
    if (target !== document) remeasure(false);
  });
  // Where there is no such event, acts and changes of the page's height look at the address: nothing of the page is patched.
  // An element with that id would also be `window.navigation`.
  if ('oncurrententrychange' in (window.navigation ?? {})) listen('currententrychange', onRoute, window.navigation);
  show();
  new ResizeObserver(() => {
    onRoute();
    remeasure(true);
  }).observe(document.documentElement);
}

/** Takes a click, wherever it was seen. */
export function takeClick(element: Element, place: Place, kind: number): void {
  const atMs = clockMs();
  const click = addClick(element, place, kind, atMs);
  if (!(kind & NOT_PRIMARY)) watchClick(element, atMs);
  tell('click', element, click);
}

function onRoute(): void {
  if (isOpen && readPath() !== path) next(ROUTE, true);
}

/** Ends the view, which is none where it was but a step on the way, and begins the next. */
function next(how: number, isRoute: boolean): void {
  if (isOpen) {
    const isRedirect = isRoute && clockMs() - begunAt < REDIRECT_MS;
    if (!isRedirect) {
      navigation = how;
      isRouted = isRoute;
    }
    tell('end');
    closeView(isRedirect);
  }
  show();
}

function show(): void {
  if (isOpen || !isVisible() || document.prerendering) return;
  const outline = readOutline();
  path = readPath();
  openView(navigation, path, isRouted);
  actedUnixMs = begunUnixMs;
  tell('view');
  const id = viewId;
  const begin = () => {
    if (viewId !== id) return;
    stand();
    remeasure(true);
  };
  // Routers change the address first, fetch, and render later: until then the browser shows the page before.
  const awaitPage = () => {
    const isOver = pressedAt > begunAt + REST_MS || clockMs() > begunAt + CAP_MS;
    after(REST_MS, isOver || readOutline() !== outline ? begin : awaitPage);
  };
  if (isRouted) awaitPage();
  else begin();
}

function readOutline(): string {
  return [...document.querySelectorAll('h1,h2,h3')].map((head) => head.textContent).join();
}

/** Has the sections measured, the first time at once and else when the page has come to rest; `isStale`: looked for anew as well. */
function remeasure(isStale: boolean): void {
  isDue ||= isStale;
  clearTimeout(quietTimer);
  quietTimer = after(present[0] ? QUIET_MS : 0, () =>
    whenIdle(() => {
      if (!isStanding || !document.body) return;
      if (isDue) findSections();
      isDue = false;
      measureSections();
      look();
    }),
  );
}
