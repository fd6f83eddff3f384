/** What the browser shows: viewport, document, boxes and clocks. */
import { isWithin } from './element';
import type { Geometry } from './wire';

/** Where something happened: in the document, px; inside its element, 255ths of its box; that box, px. */
export type Place = Record<'x' | 'y' | 'fx' | 'fy' | 'w' | 'h', number>;

/** Returns the present geometry, px; a layout read. */
export function readGeometry(): Geometry {
  const { scrollWidth, scrollHeight } = document.scrollingElement ?? document.documentElement;
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

/** Returns whether the site wants nothing recorded there. */
export function isIgnored(element: Element): boolean {
  return isWithin(element, '[data-jalki-ignore]');
}

/** Returns where in `element` and on the page a point of its window lies; its centre, where there is none. A layout read. */
export function placeIn(element: Element, point?: MouseEvent): Place {
  const { left, top, width, height } = element.getBoundingClientRect();
  const x = point ? point.clientX - left : width / 2;
  const y = point ? point.clientY - top : height / 2;
  const { round } = Math;
  return {
    x: round(left + x + scrollX),
    y: round(top + y + scrollY),
    fx: share(x, width),
    fy: share(y, height),
    w: round(width),
    h: round(height),
  };
}

/** `part` of `whole` in 255ths; a box without extent has everything at 0. */
function share(part: number, whole: number): number {
  return whole && Math.min(255, Math.max(0, Math.round((part / whole) * 255)));
}
