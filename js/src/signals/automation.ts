/** Marks of automation that clicks show. They are sent as they are; the server weighs them, and none is proof. */
import { listen } from '../guard';
import { host } from './desk';

const SCRIPTED = 4;
const UNPROMPTED = 8;

/** Watches for clicks that a script made, and for trusted ones of a mouse that pressed nothing before. */
export function observeAutomation(): void {
  // What was pressed before this module came is not known; the next click tells.
  let isPrompted = true;
  listen('pointerdown keydown click', ({ isTrusted, type, pointerType }: PointerEvent) => {
    if (type !== 'click') isPrompted ||= isTrusted;
    else if (!isTrusted) host.mark(SCRIPTED);
    else if (!isPrompted && pointerType === 'mouse') host.mark(UNPROMPTED);
    if (type === 'click') isPrompted = false;
  });
}
