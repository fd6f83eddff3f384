/** Presses of the middle and of the right button, or what stands for it: facts beside the clicks, which are the primary button's. */
import { pressedElement } from '../element';
import { listen } from '../guard';
import { isIgnored, type Place, placeIn } from '../screen';
import { traitsOf } from '../traits';
import { KEYBOARD, MIDDLE, MOUSE, PEN, SECONDARY, TOUCH } from '../wire';
import { host } from './desk';

const POINTERS: Readonly<Record<string, number>> = { mouse: MOUSE, touch: TOUCH, pen: PEN };

/** Has the core record them, in one document; `placed` says where a place in it is on the page. */
export function observeButtons(root: Document, placed: (place: Place) => Place = (place) => place): void {
  listen(
    'auxclick contextmenu',
    (event: PointerEvent) => {
      const { type, button, isTrusted, pointerType } = event;
      const innermost = event.composedPath()[0] as Element;
      // The right button sends an auxclick as well.
      if (!isTrusted || (type === 'auxclick' && button !== 1) || isIgnored(innermost)) return;
      const element = pressedElement(innermost);
      const isKey = type === 'contextmenu' && button !== 2 && !pointerType;
      const pointer = isKey ? KEYBOARD : (POINTERS[pointerType] ?? MOUSE);
      const which = type === 'auxclick' ? MIDDLE : SECONDARY;
      host.click(
        element,
        placed(placeIn(element, isKey ? undefined : event)),
        pointer + which + traitsOf(element, event),
      );
    },
    root,
  );
}
