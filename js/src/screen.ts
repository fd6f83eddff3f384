/** What the browser shows: viewport, document, boxes and clocks. */
import { isWithin } from './element';
import type { Geometry } from './wire';

/** Where something happened: x, y in the document, px; inside its element, 255ths of its box; width, height of that box, px. */
export type Place = readonly [x: number, y: number, fx: number, fy: number, w: number, h: number];

/** Tells of routes, where the browser can. An element with that id would also be a global; on a server there is no window. */
export const navigation = 'oncurrententrychange' in (globalThis.navigation ?? {}) ? globalThis.navigation : undefined;

/** Returns the present geometry, px; a layout read. */
export function readGeometry(): Geometry {
  const { scrollWidth, scrollHeight } = document.scrollingElement ?? document.documentElement;
  return [innerWidth, innerHeight, scrollWidth, scrollHeight];
}

/** Returns whether a person can see the page now. */
export function isVisible(): boolean {
  return !document.hidden;
}

/** Returns ms on a clock that nobody can set. */
export function clockMs(): number {
  return performance.now();
}

/** Returns whether the site wants nothing recorded there. */
export function isIgnored(element: Element): boolean {
  return isWithin(element, '[data-jalki-ignore]');
}

/**
 * Returns where in `element` and on the page an event was, wherever its document has been scrolled since; without an event the
 * element's centre. A layout read.
 */
export function placeIn(element: Element, event?: MouseEvent): Place {
  const { left, top, width, height } = element.getBoundingClientRect();
  const view = event?.view as Window;
  const x = event ? event.pageX - view.scrollX - left : width / 2;
  const y = event ? event.pageY - view.scrollY - top : height / 2;
  return [
    Math.round(left + x + scrollX),
    Math.round(top + y + scrollY),
    share(x / width),
    share(y / height),
    Math.round(width),
    Math.round(height),
  ];
}

/** A part of a whole in 255ths; in a box without extent, which makes it NaN, it is 0. */
function share(part: number): number {
  return Math.round(Math.min(1, Math.max(0, part || 0)) * 255);
}
