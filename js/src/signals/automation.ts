/** Marks of automation that the window and clicks show. They are sent as they are; the server weighs them, and none is proof. */
import { listen } from '../guard';
import { host } from './desk';

/** No language, or a window without width; 1, `navigator.webdriver`, is the core's. */
const NO_WINDOW = 2;
const SCRIPTED = 4;
const UNPROMPTED = 8;
/** A label sends a second click to its control within this time, ms. */
const ECHO_MS = 200;

/** Watches for clicks that a script made, and for trusted ones of a mouse that pressed nothing before. */
export function observeAutomation(): void {
  if (!navigator.language || !outerWidth) host.mark(NO_WINDOW);
  // What was pressed before this module came is not known; the next click tells.
  let isPrompted = true;
  let clickedAt = 0;
  listen('pointerdown keydown click', ({ isTrusted, type, pointerType, timeStamp }: PointerEvent) => {
    if (!isTrusted) {
      if (type === 'click') host.mark(SCRIPTED);
      return;
    }
    const isAlone = !isPrompted && timeStamp - clickedAt > ECHO_MS;
    if (type === 'click' && isAlone && pointerType === 'mouse') host.mark(UNPROMPTED);
    if (type === 'click') clickedAt = timeStamp;
    isPrompted = type !== 'click';
  });
}
