/** Trusted clicks: where, on which element, and where inside it. One layout read per click; nothing grows with the page. */
import { pressedElement } from './element';
import { listen, type Stop } from './guard';
import { readGeometry } from './screen';
import { type Click, KEYBOARD, MOUSE, PEN, TOUCH } from './wire';

/** A click before it has a name, a time and a number. */
export type RawClick = Omit<Click, 'atMs' | 'key' | 'nth'>;

/** A click on a label makes the browser send a second one to its control within this time, ms. */
const ECHO_MS = 100;

/** Calls `emit` for each trusted click with the element that was meant. */
export function observeClicks(emit: (element: Element, click: RawClick) => void): Stop {
  // Safari 15 and Firefox 90 send clicks without a pointerType, so the press before tells.
  let pressedWith = '';
  let echo: Element | null = null;
  let echoUntil = 0;

  const onClick = (event: MouseEvent) => {
    const innermost = event.composedPath()[0];
    if (!event.isTrusted || !(innermost instanceof Element)) return;
    if (innermost === echo && event.timeStamp < echoUntil) {
      echo = null;
      return;
    }
    const label = innermost.closest('label');
    echo = label && !label.control?.contains(innermost) ? label.control : null;
    echoUntil = event.timeStamp + ECHO_MS;
    const kind = kindOf(event, pressedWith);
    const element = pressedElement(innermost);
    emit(element, place(element, event, kind));
  };

  const stops = [
    listen(document, 'pointerdown', (event: PointerEvent) => {
      pressedWith = event.pointerType;
    }),
    listen(document, 'click', onClick),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}

function kindOf(event: MouseEvent, pressedWith: string): number {
  const pointer = (event as PointerEvent).pointerType;
  if (!event.detail && !pointer) return KEYBOARD;
  return { touch: TOUCH, pen: PEN }[pointer || pressedWith] ?? MOUSE;
}

function place(element: Element, event: MouseEvent, kind: number): RawClick {
  const { left, top, width, height } = element.getBoundingClientRect();
  const isKey = kind === KEYBOARD;
  const x = isKey ? left + width / 2 : event.clientX;
  const y = isKey ? top + height / 2 : event.clientY;
  return {
    x: Math.round(x + scrollX),
    y: Math.round(y + scrollY),
    fx: share(x - left, width),
    fy: share(y - top, height),
    w: Math.round(width),
    h: Math.round(height),
    geometry: readGeometry(),
    kind,
  };
}

/** `part` of `whole` in 255ths; a box without extent has its clicks at 0. */
function share(part: number, whole: number): number {
  return whole > 0 ? Math.min(255, Math.max(0, Math.round((part / whole) * 255))) : 0;
}
