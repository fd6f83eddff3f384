/**
 * Documents in frames of the page's own origin: what happens in them belongs to the view. A page without frames pays nothing.
 * Whoever watched a document is gone with it, and with what `document.open` writes over it: so each `load` begins anew.
 */
import { observeClicks } from '../clicks';
import { listen, whenIdle } from '../guard';
import { observeMoves } from '../moves';
import { clockMs, isIgnored, type Place } from '../screen';

import { observeButtons } from './buttons';
import { host } from './desk';

/** Documents that are looked into, of one page. */
const MAX_FRAMES = 50;
const ACTS = 'pointerdown keydown touchstart touchmove wheel click';

let count = 0;
const known = new WeakSet<Document>();

/** Has the core record what happens in each such frame, and calls `enter` with its document. */
export function observeFrames(root: Document, enter: (frame: Document) => void): void {
  const look = (frame: HTMLIFrameElement) => {
    const inside = frame.contentDocument;
    // One that has a snippet of its own is recorded by that; an owner's preview by nobody.
    const isOthers = inside?.defaultView?.jalki || inside?.defaultView?.name.includes('jalki-preview');
    if (inside?.readyState !== 'complete' || known.has(inside) || isOthers || isIgnored(frame)) return;
    known.add(inside);
    if (count++ < MAX_FRAMES) {
      record(inside, frame);
      enter(inside);
    }
  };
  if (root.defaultView?.length) whenIdle(() => root.querySelectorAll('iframe').forEach(look));
  listen(
    // Sent to the frame, and heard on its way down.
    'load',
    ({ target }) => {
      const frame = target as HTMLIFrameElement;
      if (frame.localName !== 'iframe' || !frame.contentDocument) return;
      known.delete(frame.contentDocument);
      whenIdle(() => look(frame));
    },
    root,
  );
}

function record(inside: Document, frame: Element): void {
  const placed = ([x, y, ...within]: Place): Place => {
    const [left, top] = originOf(frame);
    // A browser cuts what it tells to whole px, so the sum is too small, if anything: rounded up it is off by less than one.
    return [Math.ceil(left + x), Math.ceil(top + y), ...within];
  };
  observeClicks((element, place, kind) => host.click(element, placed(place), kind), inside);
  observeButtons(inside, placed);
  // The clock of a window begins with its document.
  const laterMs = (inside.defaultView as Window).performance.timeOrigin - performance.timeOrigin;
  const readMoves = observeMoves(
    (element, place, atMs) => host.move(element, placed(place), atMs + laterMs),
    (atMs) => host.act(atMs + laterMs),
    inside,
  );
  host.watch((...[name]) => {
    if (name === 'end') readMoves();
  });
  listen(
    ACTS,
    ({ isTrusted }) => {
      if (isTrusted) host.act(clockMs());
    },
    inside,
  );
}

/** Where the viewport of a frame begins in the page's, px. */
function originOf(frame: Element): [number, number] {
  const { left, top } = frame.getBoundingClientRect();
  const around = frame.ownerDocument.defaultView?.frameElement;
  const [x, y] = around ? originOf(around) : [0, 0];
  return [x + left + frame.clientLeft, y + top + frame.clientTop];
}
