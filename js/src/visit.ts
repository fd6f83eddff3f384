/** One visit to one document: what the visitor does, and when a view begins and ends. */
import { noteAct, settle } from './acts';
import { observeClicks } from './clicks';
import { after, listen, paced, whenIdle } from './guard';
import type { News } from './host';
import { observeMoves } from './moves';
import { observeResponses } from './responses';
import { clockMs, isVisible, navigation, type Place } from './screen';
import { findSections, sections } from './sections';
import { HASH_ROUTES, site } from './site';
import {
  acted,
  addClick,
  addMarks,
  addMove,
  addSignal,
  begunAt,
  begunUnixMs,
  closeView,
  flush,
  isOpen,
  isStanding,
  look,
  NOT_PRIMARY,
  noteDepth,
  openView,
  plan,
  stand,
  viewId,
} from './view';
import { LOAD, PRERENDER, RESTORE, ROUTE } from './wire';

/** While the visitor acts, what depends on the time is seen to so often, ms, and the address where nothing tells of routes. */
const STEP_MS = 1000;
const ROUTE_MS = 100;
/** While the page is scrolled, what is in view is looked at so often, ms. */
const LOOK_MS = 100;
/** A scroll this soon after a visitor's input is theirs, ms: scripts scroll too, and `isTrusted` says nothing of it. */
const INPUT_MS = 1500;
/** A scroll that goes on without a longer gap, ms, is the momentum of the one before, */
const CHAIN_MS = 200;
/** for no longer than this after the input, ms: a phone's page has come to rest by then, a carousel never does. */
const MOMENTUM_MS = 5000;
/** An act after a longer pause, ms, begins a new view: so long does a session last on the server. */
const MAX_IDLE_MS = 1800000;
/** And so does one in a view that is older, ms: the collector refuses reports of views older than a day. */
const MAX_AGE_MS = 43200000;
/** A route held shorter than this is a redirect inside the page and no look at it, ms. */
const REDIRECT_MS = 100;
/** A route's page that shows no change for this long is taken as it stands, ms; it is looked at so often. */
const CAP_MS = 2000;
const REST_MS = 100;
/** The sections of a page that changes, or has a box that scrolls, are measured at most so often, ms. */
const QUIET_MS = 300;

declare global {
  interface Document {
    readonly prerendering?: boolean;
  }
}

let tell: (...news: News) => void;
let readPath: () => string;
let path = '';
let beginning: number;
let isRouted = false;
let actedUnixMs: number;
/** When the visitor last acted, and last did more than move or scroll, on `clockMs`. */
let inputAt = -MOMENTUM_MS;
let pressedAt = 0;
let scrolledAt = 0;
let readMoves: () => void;
let watchClick: (element: Element, place: Place, atMs: number) => void;

/** Begins to observe; `params`: parameters of the query that are part of a page's address. */
export function observeVisit(params: readonly string[], hear: (...news: News) => void): void {
  tell = hear;
  readPath = () => {
    const kept = location.search
      .slice(1)
      .split('&')
      .filter((part) => params.includes(`${part.split('=')[0]}`));
    const query = kept[0] ? `?${kept.sort().join('&')}` : '';
    return (location.pathname + query + (site.flags & HASH_ROUTES ? location.hash : '')).slice(0, 1024);
  };
  beginning = document.prerendering ? PRERENDER : LOAD;
  addMarks(Number(navigator.webdriver));
  listen('pointerdown keydown touchstart wheel click resize', ({ isTrusted, timeStamp }) => {
    if (!isTrusted) return;
    inputAt = pressedAt = timeStamp;
    act(timeStamp);
  });
  readMoves = observeMoves(addMove, (atMs) => {
    inputAt = atMs;
    act(atMs);
  });
  listen('scroll', ({ target, timeStamp }) => {
    const isMomentum = timeStamp - scrolledAt <= CHAIN_MS && timeStamp - inputAt <= MOMENTUM_MS;
    if (timeStamp - inputAt <= INPUT_MS || isMomentum) {
      scrolledAt = timeStamp;
      act(timeStamp);
    }
    noteDepth();
    lookSoon(LOOK_MS);
    if (target !== document) remeasure();
  });
  watchClick = observeResponses(addSignal);
  observeClicks(takeClick);
  listen('focus blur visibilitychange pagehide prerenderingchange', ({ type }) => {
    settle();
    show();
    if (isVisible() && type !== 'pagehide') return;
    end();
    flush(true);
  });
  listen('pageshow', ({ persisted }: PageTransitionEvent) => {
    if (persisted) next(RESTORE, false);
  });
  // Where there is no such event, acts and changes of the page's height look at the address: nothing of the page is patched.
  if (navigation) listen('currententrychange', onRoute, navigation);
  show();
  new ResizeObserver(() => {
    onRoute();
    remeasure();
  }).observe(document.documentElement);
}

/** Takes a click, wherever it was seen. */
export function takeClick(element: Element, place: Place, kind: number): void {
  const atMs = clockMs();
  addClick(element, place, kind, atMs);
  if (!(kind & NOT_PRIMARY)) watchClick(element, place, atMs);
  tell('click', element, kind, atMs - begunAt);
}

/** Takes an act of the visitor at `at`, on `clockMs`. */
export function act(at: number): void {
  if (noteAct(at)) wake();
  step(navigation ? STEP_MS : ROUTE_MS);
}

const step = paced(() => {
  wake();
  if (!navigation) onRoute();
  plan();
});

const lookSoon = paced(() => {
  look();
  plan();
});

/** By the clock on the wall: the page's may stand still while a computer sleeps. */
function wake(): void {
  const now = Date.now();
  if (now - actedUnixMs > MAX_IDLE_MS || now - begunUnixMs > MAX_AGE_MS) next(ROUTE, false);
  actedUnixMs = now;
}

function onRoute(): void {
  if (isOpen && readPath() !== path) next(ROUTE, true);
}

/** Ends the view, which is none where it was but a step on the way, and begins the next. */
function next(how: number, isRoute: boolean): void {
  if (isOpen) {
    end();
    if (!isRoute || acted[0] || clockMs() - begunAt >= REDIRECT_MS) {
      beginning = how;
      isRouted = isRoute;
      flush(true);
    }
    closeView();
  }
  show();
}

/** All that was seen of the view is to be said now. */
function end(): void {
  readMoves();
  tell('end');
}

function show(): void {
  if (isOpen || !isVisible() || document.prerendering) return;
  path = readPath();
  openView(beginning, path);
  actedUnixMs = begunUnixMs;
  tell('view');
  const id = viewId;
  const before = isRouted && readOutline();
  // Routers change the address first, fetch, and render later: until then the browser shows the page before.
  const awaitPage = () => {
    if (viewId !== id) return;
    const isOver = !isRouted || pressedAt > begunAt + REST_MS || clockMs() > begunAt + CAP_MS;
    if (!isOver && readOutline() === before) {
      after(REST_MS, awaitPage);
      return;
    }
    stand();
    remeasure();
  };
  awaitPage();
}

function readOutline(): string {
  return [...document.querySelectorAll('h1,h2,h3')].map((head) => head.textContent).join();
}

/** Has the sections found and measured, the first time at once. */
function remeasure(): void {
  measure(sections.size ? QUIET_MS : 0);
}

const measure = paced(() =>
  whenIdle(() => {
    if (!isStanding || !document.body) return;
    findSections();
    look();
  }),
);
