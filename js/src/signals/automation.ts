/** Marks of automation that clicks show. They are sent as they are; the server weighs them, and none is proof. */
import { listen } from '../guard';
import { host } from './desk';

const SCRIPTED = 4;
const UNPROMPTED = 8;
/** A label sends a second click to its control within this time, ms. */
const ECHO_MS = 200;

/** Watches for clicks that a script made, and for trusted ones of a mouse that pressed nothing before. */
export function observeAutomation(): void {
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
