/** Trusted clicks: where, on which element, and with what. One layout read per click; nothing grows with the page. */
import { pressedElement } from './element';
import { listen } from './guard';
import { isIgnored, type Place, placeIn } from './screen';
import { traitsOf } from './traits';
import { KEYBOARD, MIDDLE, MOUSE, PEN, SECONDARY, TOUCH } from './wire';

/** A click on a label makes the browser send a second one to its control within this time, ms. */
const ECHO_MS = 100;

/** Marks of automation: a click that a script made, and a trusted one before any pointer or key. */
export const SCRIPTED = 4;
export const UNPROMPTED = 8;

/** Watches one window; calls `emit` for each click with the element that was meant, and `mark` with marks of automation. */
export function observeClicks(
  emit: (element: Element, place: Place, kind: number) => void,
  mark: (bit: number) => void,
  target: EventTarget = window,
): void {
  // Safari 15 and Firefox 90 send clicks without a pointerType, so the press before tells.
  let pressedWith: string | undefined;
  let echo: Element | null | undefined;
  let echoUntil = 0;

  listen(
    'pointerdown keydown',
    (event: PointerEvent) => {
      if (event.isTrusted) pressedWith = event.pointerType ?? '';
    },
    target,
  );
  listen(
    'click auxclick contextmenu',
    (event: PointerEvent) => {
      const { type, button, timeStamp } = event;
      const innermost = event.composedPath()[0] as Element;
      if (!event.isTrusted) return mark(SCRIPTED);
      // The right button sends an auxclick as well.
      if ((type === 'auxclick' && button !== 1) || isIgnored(innermost)) return;
      if (innermost === echo && timeStamp < echoUntil) return;
      const { control } = innermost.closest('label') ?? {};
      echo = control?.contains(innermost) ? null : control;
      echoUntil = timeStamp + ECHO_MS;
      if (pressedWith === undefined) mark(UNPROMPTED);
      const element = pressedElement(innermost);
      const pointer = event.pointerType || pressedWith;
      const isKey = !event.detail && !event.pointerType;
      const kind = isKey ? KEYBOARD : pointer === 'touch' ? TOUCH : pointer === 'pen' ? PEN : MOUSE;
      const which = type === 'click' ? 0 : button === 1 ? MIDDLE : SECONDARY;
      emit(element, placeIn(element, isKey ? undefined : event), kind + which + traitsOf(element, event));
    },
    target,
  );
}
