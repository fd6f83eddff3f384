/** Moves of a mouse or pen: at most ten places a second, the last of each tenth, read in a frame. */
import { pressedElement } from './element';
import { after, guarded, listen } from './guard';
import { isIgnored, type Place, placeIn } from './screen';

/** Pause between two places, ms. */
const PAUSE_MS = 100;

/** Watches one window; calls `emit` with each place and the element beneath it. */
export function observeMoves(emit: (element: Element, place: Place) => void, target: EventTarget = window): void {
  let latest: PointerEvent | undefined;
  let beneath: Element;
  const take = guarded(() => {
    const element = pressedElement(beneath);
    if (latest && !isIgnored(beneath)) emit(element, placeIn(element, latest));
    latest = undefined;
  });
  listen(
    'pointermove',
    (event: PointerEvent) => {
      if (!event.isTrusted || event.pointerType === 'touch') return;
      if (!latest) after(PAUSE_MS, () => requestAnimationFrame(take));
      latest = event;
      beneath = event.composedPath()[0] as Element;
    },
    target,
  );
}
