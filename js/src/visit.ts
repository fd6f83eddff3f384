/** One visit to one document: begins the observers, and tells each view what they see. */
import { observeClicks } from './clicks';
import { observeEngagement } from './engagement';
import { after, inFrame, listen, whenIdle } from './guard';
import type { News } from './host';
import { observeMoves } from './moves';
import { observePage } from './page';
import { observeResponses } from './responses';
import { clockMs, isVisible, type Place } from './screen';
import { present } from './sections';
import { awaitPage } from './settling';
import { HASH_ROUTES, site } from './site';
import {
  addClick,
  addMarks,
  addMove,
  addSignal,
  begunUnixMs,
  closeView,
  engage,
  flush,
  isStanding,
  look,
  measure,
  openView,
  planReport,
  stand,
} from './view';

/** An act after a longer pause, ms, begins a new view: so long does a session last on the server. */
const MAX_IDLE_MS = 1800000;
/** And so does one in a view that is older, ms: the collector refuses reports of views older than a day. */
const MAX_AGE_MS = 43200000;
/** Scrolling has ended when nothing moved for this long, ms (`scrollend` is missing in Safari). */
const REST_MS = 150;
/** Mark of automation: no language, or a window without width; 1 is `navigator.webdriver`, others are the clicks'. */
const NO_WINDOW = 2;
/** Bits of a click's kind that say that another than the primary button was pressed. */
const NOT_PRIMARY = 12;

let tell: (...news: News) => void;
let watchClick: (element: Element, atMs: number) => void;
let isPlanned = false;
let isDue = false;

/** Begins to observe; `params`: parameters of the query that are part of a page's address. */
export function observeVisit(params: readonly string[], hear: (...news: News) => void): void {
  tell = hear;
  // By the clock on the wall: the page's may stand still while a computer sleeps.
  let actedUnixMs = 0;
  let press = () => {};
  addMarks(Number(navigator.webdriver) | (navigator.language && outerWidth ? 0 : NO_WINDOW));
  observeEngagement(engage, () => {
    const now = Date.now();
    const isOver = now - actedUnixMs > MAX_IDLE_MS || now - begunUnixMs > MAX_AGE_MS;
    actedUnixMs = now;
    if (isOver) renew();
    planReport();
  });
  const renew = observePage(
    () => readPath(params),
    (navigation, path, isRouted) => {
      const earlier = present.map(({ part }) => part.first);
      openView(navigation, path, isRouted);
      actedUnixMs = begunUnixMs;
      tell('view');
      const onStanding = () => {
        stand();
        remeasure(true);
      };
      press = isRouted ? awaitPage(earlier, onStanding) : () => {};
      if (!isRouted) onStanding();
    },
    (isVoid) => {
      tell('end');
      closeView(isVoid);
    },
  );
  watchClick = observeResponses((kind, element, ms, atMs, text) => addSignal(kind, element, ms, 0, text, atMs)).onClick;
  observeClicks(takeClick, addMarks);
  observeMoves(addMove);
  observeScroll();
  listen('wheel touchmove keydown click', ({ isTrusted }) => {
    if (isTrusted) press();
  });
  listen('visibilitychange pagehide', ({ type }) => {
    if (isVisible() && type !== 'pagehide') return;
    tell('end');
    flush(true);
  });
}

/** Takes a click, wherever it was seen. */
export function takeClick(element: Element, place: Place, kind: number): void {
  const atMs = clockMs();
  const click = addClick(element, place, kind, atMs);
  if (!(kind & NOT_PRIMARY)) watchClick(element, atMs);
  tell('click', element, click);
}

/** What is in view changes with scrolls and sizes; where the sections are also when the page grows. */
function observeScroll(): void {
  const lookSoon = inFrame(look);
  let resting = 0;
  listen('scroll resize', () => {
    lookSoon();
    clearTimeout(resting);
    resting = after(REST_MS, () => remeasure(false));
  });
  // An async script may run before there is a body.
  const watch = () => {
    if (window.ResizeObserver) new ResizeObserver(() => remeasure(true)).observe(document.documentElement);
    remeasure(true);
  };
  listen('DOMContentLoaded', () => remeasure(true));
  watch();
}

function remeasure(isStale: boolean): void {
  isDue ||= isStale;
  if (isPlanned) return;
  isPlanned = true;
  whenIdle(() => {
    isPlanned = false;
    if (!isVisible() || !document.body || !isStanding) return;
    measure(isDue);
    isDue = false;
  });
}

/** The path with those parameters that are part of the page's address, in their order, and the fragment where it is a route. */
function readPath(params: readonly string[]): string {
  const { pathname, search, hash } = location;
  const kept = search
    .slice(1)
    .split('&')
    .filter((part) => params.includes(part.split('=', 1)[0] ?? ''));
  return pathname + (kept[0] ? `?${kept.sort().join('&')}` : '') + (site.flags & HASH_ROUTES ? hash : '');
}
