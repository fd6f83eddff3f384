/** Scrollers inside the page: how far down each was scrolled, and at which slide one that snaps came to rest. */
import { listen } from '../guard';
import { INNER_DEPTH } from '../kinds';
import { hear, host, say } from './desk';
import { whenResting } from './resting';
import type { Note } from './states';

/** Scrolling has ended when nothing moved for this long, ms (`scrollend` is missing in Safari). */
const REST_MS = 150;
/** Scrollers known at once. */
const MAX_SCROLLERS = 30;
/** A lower box is a field or a ticker, px. */
const MIN_HEIGHT_PX = 80;

/** Says the depth of each scroller at the end of the view; notes the slide of one that snaps to its sides. */
export function observeScrollers(root: Document, note: Note): void {
  /** Depth and height, px. */
  const depths = new Map<Element, [number, number]>();
  const moved = new Set<Element>();
  const measure = () => {
    for (const element of moved) {
      noteSlide(element, note);
      const { scrollTop, clientHeight, scrollHeight } = element;
      const depth = scrollTop + clientHeight;
      const isScroller = scrollTop > 0 && clientHeight >= MIN_HEIGHT_PX && element.localName !== 'textarea';
      if (!isScroller || depth <= (depths.get(element)?.[0] ?? 0)) continue;
      // A key of what is gone tomorrow has to be made today.
      host.identify(element);
      depths.set(element, [depth, scrollHeight]);
    }
    moved.clear();
  };
  const rest = whenResting(REST_MS, measure);
  listen(
    'scroll',
    ({ target }) => {
      const element = target as Element;
      if (element.nodeType !== 1 || depths.size + moved.size >= MAX_SCROLLERS) return;
      moved.add(element);
      rest();
    },
    root,
  );
  const onEnd = () => {
    measure();
    for (const [element, depth] of depths) say(INNER_DEPTH, element, ...depth);
    depths.clear();
  };
  hear('end', onEnd, root);
}

function noteSlide(element: Element, note: Note): void {
  const [first, second] = element.children as unknown as HTMLElement[];
  const stepPx = first && second ? Math.abs(second.offsetLeft - first.offsetLeft) : 0;
  if (!stepPx || element.scrollWidth <= element.clientWidth) return;
  if (/^(x|both|inline)/.test(getComputedStyle(element).scrollSnapType)) {
    note(element, Math.round(Math.abs(element.scrollLeft) / stepPx), 1);
  }
}
