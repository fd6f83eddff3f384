/** Scroll positions of the document, and the news that some inner box was scrolled. */
import { guarded, listen, type Stop } from './guard';

/** A scroll has ended when nothing moved for this long, ms (`scrollend` is missing in Safari). */
const REST_MS = 150;

/** Calls `moved` whenever the document's scroll position or the viewport changed, and `rested` once any scrolling is over. */
export function observeScroll(moved: () => void, rested: () => void): Stop {
  let timer = 0;
  const onRest = guarded(rested);
  const stops = [
    listen(document, 'scroll', (event) => {
      if (event.target === document) moved();
      clearTimeout(timer);
      timer = window.setTimeout(onRest, REST_MS);
    }),
    listen(window, 'resize', () => {
      moved();
      clearTimeout(timer);
      timer = window.setTimeout(onRest, REST_MS);
    }),
  ];
  return () => {
    clearTimeout(timer);
    for (const stop of stops) stop();
  };
}
