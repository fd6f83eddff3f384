/**
 * When the page of a new route stands. Routers change the address first, fetch, and render later: until then the browser shows
 * the page before, whose depth and sections are not the new view's.
 */
import { guarded, listen, type Stop } from './guard';
import { clockMs } from './screen';

/** A page that shows no change for this long after a route change is taken as it stands, ms. */
export const CAP_MS = 2000;
/** From the first large change until the router has scrolled and put the rest in place, ms. */
const REST_MS = 100;
/** A press that changed the route may have more events to come, ms; they are not about the new page. */
const PRESS_MS = 100;
/** Elements that make a change large: so many, and a quarter of the page. Progress bars and notices are smaller. */
const MIN_ELEMENTS = 20;
const PAGE_SHARE = 0.25;
const HEADINGS = 'h1,h2,h3,[data-jalki-section]';
const MAX_HEADINGS = 50;

/** Calls `settled` once: when the page was replaced, when the visitor acts on what stands, or after CAP_MS. */
export function observeSettling(earlier: readonly Element[], settled: () => void): Stop {
  const outline = readOutline();
  const large = Math.max(MIN_ELEMENTS, document.getElementsByTagName('*').length * PAGE_SHARE);
  let changed = 0;
  let isReplaced = false;
  const stops: Stop[] = [];
  const stop = () => {
    for (const undo of stops.splice(0)) undo();
  };
  const finish = guarded(() => {
    if (!stops.length) return;
    stop();
    settled();
  });
  const wait = (ms: number) => {
    const timer = setTimeout(finish, ms);
    stops.push(() => clearTimeout(timer));
  };
  const look = guarded((records: MutationRecord[]) => {
    if (isReplaced) return;
    for (const { addedNodes, removedNodes } of records)
      changed += countElements(addedNodes) + countElements(removedNodes);
    isReplaced = changed >= large || earlier.some((element) => !element.isConnected) || readOutline() !== outline;
    if (isReplaced) wait(REST_MS);
  });
  const mutations = new MutationObserver(look);
  mutations.observe(document.documentElement, { childList: true, characterData: true, subtree: true });
  const begunAt = clockMs();
  stops.push(
    () => mutations.disconnect(),
    listen(document, 'wheel touchmove keydown click', (event) => {
      if (event.isTrusted && clockMs() - begunAt >= PRESS_MS) finish();
    }),
  );
  wait(CAP_MS);
  // A router that renders first has done so.
  look([]);
  return stop;
}

function countElements(nodes: NodeList): number {
  let count = 0;
  for (const node of nodes) if (node instanceof Element) count += 1 + node.getElementsByTagName('*').length;
  return count;
}

function readOutline(): string {
  const heads = [...document.querySelectorAll(HEADINGS)].slice(0, MAX_HEADINGS);
  return `${heads.map((head) => (head.textContent ?? '').slice(0, 100))}`;
}
