/** Trusted clicks: where, on which element, and with what. One layout read per click; nothing grows with the page. */
import { INTERACTIVE, pressedElement } from './element';
import { listen } from './guard';
import { isIgnored, type Place, placeIn } from './screen';
import { site } from './site';

/** What made a click, as on the wire; none of them: the keyboard, 3. */
const POINTERS: readonly unknown[] = ['mouse', 'touch', 'pen'];
const KEYBOARD = 3;
/** Added to it where a person would expect it to do something; see `traits` for more. */
const PRESSABLE = 16;

/** Watches one window; calls `emit` for each click with the element that was meant. */
export function observeClicks(
  emit: (element: Element, place: Place, kind: number) => void,
  target: EventTarget = window,
): void {
  /** The control of the label that was clicked: the browser sends it a second click, before anything else is pressed. */
  let echo: Element | null | undefined;
  let pressedWith: string | undefined;
  // A key: with nothing.
  listen(
    'pointerdown keydown',
    ({ pointerType }: PointerEvent) => {
      pressedWith = pointerType;
      echo = null;
    },
    target,
  );
  listen(
    'click',
    (event: PointerEvent) => {
      const innermost = event.composedPath()[0] as Element;
      const isEcho = innermost === echo;
      if (!event.isTrusted || isEcho || isIgnored(innermost)) return;
      const control = innermost.closest('label')?.control;
      echo = control?.contains(innermost) ? null : control;
      const element = pressedElement(innermost);
      // Safari 15 and Firefox 90 send clicks without a pointerType, so the press before tells.
      const pointer = POINTERS.indexOf(event.pointerType || pressedWith) & KEYBOARD;
      const isPressable = element.matches(INTERACTIVE) || getComputedStyle(element).cursor === 'pointer';
      const traits = (isPressable ? PRESSABLE : 0) | (site.traitsOf?.(element, event) ?? 0);
      emit(element, placeIn(element, pointer === KEYBOARD ? undefined : event), pointer + traits);
    },
    target,
  );
}
