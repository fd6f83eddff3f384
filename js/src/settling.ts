/**
 * When the page of a new route stands. Routers change the address first, fetch, and render later: until then the browser shows
 * the page before, whose depth and sections are not the new view's.
 */
import { after } from './guard';
import { clockMs } from './screen';

/** A page that shows no change for this long after a route change is taken as it stands, ms. */
const CAP_MS = 2000;
/** The page is looked at so often, ms; and so long has a router for scrolling and the rest after the first large change. */
const REST_MS = 100;
/** Elements that make a change large: this share of the page. Progress bars and notices are smaller. */
const PAGE_SHARE = 0.25;

/**
 * Calls `settled` once: when the page was replaced, after CAP_MS, or when the visitor acts on what stands, which the caller says
 * by calling what is returned. `earlier`: elements of the page before.
 */
export function awaitPage(earlier: readonly Element[], settled: () => void): () => void {
  const begunAt = clockMs();
  const outline = readOutline();
  const size = countElements();
  let isOver = false;
  const finish = () => {
    if (!isOver) settled();
    isOver = true;
  };
  const look = () => {
    const isReplaced =
      Math.abs(countElements() - size) > size * PAGE_SHARE ||
      earlier.some((element) => !element.isConnected) ||
      readOutline() !== outline;
    if (!isOver) after(REST_MS, isReplaced || clockMs() - begunAt >= CAP_MS ? finish : look);
  };
  look();
  return () => {
    // A press that changed the route has more events to come; they are not about the new page.
    if (clockMs() - begunAt >= REST_MS) finish();
  };
}

function countElements(): number {
  return document.getElementsByTagName('*').length;
}

function readOutline(): string {
  return [...document.querySelectorAll('h1,h2,h3')].map((head) => head.textContent).join();
}
