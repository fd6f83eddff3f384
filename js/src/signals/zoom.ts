/** Zoom: pinching, and the browser's own; in percent of how the page was opened. */
import { listen } from '../guard';
import { ZOOM } from '../kinds';
import { hear, say } from './desk';
import { whenResting } from './resting';

/** A zoom has been set when nothing changed for this long, ms. */
const REST_MS = 400;
/** Smaller changes, percent, are the rounding of a browser. */
const MIN_CHANGE = 2;
/** How far the width in CSS px may be from what the zoom would make it, as a share: bars of the window are not scaled. */
const TOLERANCE = 0.05;

/** Says each new zoom once it stands. */
export function observeZoom(): void {
  let percent = 100;
  let ratio = devicePixelRatio;
  let widthPx = innerWidth;
  let zoomed = 100;
  const rest = whenResting(REST_MS, () => {
    const factor = devicePixelRatio / ratio;
    // A window that is moved to another screen has a new ratio and its old width.
    if (Math.abs((innerWidth * factor) / widthPx - 1) < TOLERANCE) zoomed *= factor;
    ratio = devicePixelRatio;
    widthPx = innerWidth;
    const now = zoomed * (visualViewport?.scale ?? 1);
    if (Math.abs(now - percent) < MIN_CHANGE) return;
    percent = now;
    say(ZOOM, null, percent);
  });
  listen('resize', rest);
  if (window.visualViewport) listen('resize', rest, visualViewport as VisualViewport);
  hear('view', () => {
    // A view that begins zoomed says so.
    if (zoomed !== 100) say(ZOOM, null, percent);
  });
}
