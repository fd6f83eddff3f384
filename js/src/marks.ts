/** Marks of automation that a browser shows by itself. They are sent as they are; the server weighs them, and none is proof. */
import { listen, type Stop } from './guard';

/** Bits of `w.m`; 1 is `navigator.webdriver`. */
const NO_WINDOW = 2;
const SCRIPTED = 4;
const UNPROMPTED = 8;

/** Watches for marks. */
export interface Marks {
  /** All that was seen since the page was loaded. */
  read(): number;
  stop: Stop;
}

/** Begins to watch: for clicks that a script made, and for clicks before any pointer or key. */
export function observeMarks(): Marks {
  let seen = 0;
  let isPrompted = false;
  const stop = listen(document, 'pointerdown keydown click', ({ isTrusted, type }) => {
    if (type !== 'click') isPrompted ||= isTrusted;
    else if (!isTrusted) seen |= SCRIPTED;
    else if (!isPrompted) seen |= UNPROMPTED;
  });
  return {
    read: () => seen | Number(navigator.webdriver) | (navigator.language && outerWidth ? 0 : NO_WINDOW),
    stop,
  };
}
