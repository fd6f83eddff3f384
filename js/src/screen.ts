/** What the browser shows: viewport, document and scroll position, each a layout read. */
import type { Geometry } from './wire';

/** Returns the document's scrolling box. */
export function scroller(): Element {
  return document.scrollingElement ?? document.documentElement;
}

/** Returns the present geometry, px. */
export function readGeometry(): Geometry {
  const { scrollWidth, scrollHeight } = scroller();
  return [innerWidth, innerHeight, scrollWidth, scrollHeight];
}

/** Returns whether a person can see the page now. */
export function isVisible(): boolean {
  return document.visibilityState === 'visible';
}

/** Returns ms on a clock that nobody can set. */
export function clockMs(): number {
  return performance.now();
}
