/** Moves of a mouse or pen: the last place of each tenth of a second, noted as it comes and read some at a time. */
import { pressedElement } from './element';
import { listen, paced } from './guard';
import { isIgnored, type Place, placeIn } from './screen';

/** There is one place in so long, ms. */
const PLACE_MS = 100;
/** Places are read so long after the first of them, ms: that shares the cost, and little moves meanwhile. */
const READ_MS = 1000;

/**
 * Watches one window; calls `hear` at the first move of each place, and `emit` for each place of a mouse or pen with the element
 * beneath it and when it ended, on the clock of the window. Returns what reads the places that were noted.
 */
export function observeMoves(
  emit: (element: Element, place: Place, atMs: number) => void,
  hear: (atMs: number) => void,
  target: EventTarget = window,
): () => void {
  let places: [atMs: number, event: PointerEvent, beneath: Element][] = [];
  let endsAt = 0;
  const read = () => {
    const taken = places;
    places = [];
    for (const [atMs, event, beneath] of taken)
      if (event.pointerType !== 'touch' && !isIgnored(beneath)) {
        const element = pressedElement(beneath);
        emit(element, placeIn(element, event), atMs);
      }
  };
  const readSoon = paced(read);
  listen(
    'pointermove',
    (event: PointerEvent) => {
      if (!event.isTrusted) return;
      // To ask for the time takes half as long as all the rest.
      const { timeStamp } = event;
      // Where the place was read already, this one stands for the next.
      if (timeStamp >= endsAt || !places.pop()) {
        endsAt = Math.max(timeStamp, endsAt) + PLACE_MS;
        hear(timeStamp);
      }
      readSoon(READ_MS);
      const beneath = event.target as Element;
      // The path is made anew for each that asks; only in shadows does it say more.
      places.push([endsAt, event, (beneath.shadowRoot ? event.composedPath()[0] : beneath) as Element]);
    },
    target,
  );
  return read;
}
