/** Swipes: quick strokes of one finger that the page, not the browser, is to answer. What scrolls or pans is none. */
import { after, listen } from '../guard';
import { SWIPE } from '../kinds';
import { clockMs } from '../screen';
import { host, say } from './desk';
import { FIELD } from './fields';
import { innermostOf } from './innermost';

/** A stroke is at least so long, px, and at most so slow, ms; and so many times longer than it is broad. */
const MIN_PX = 40;
const MAX_MS = 800;
const SLENDERNESS = 2;
/** A scroll that a stroke caused has begun after this time, ms. */
const SCROLL_MS = 120;
/** Strokes on these set a value. */
const DRAGGED = `${FIELD},[role=slider]`;

/** Says each swipe: 0 to the left, 1 to the right, 2 up, 3 down, and its length. */
export function observeSwipes(root: Document): void {
  let touch: Touch | undefined;
  let element: Element | undefined;
  let begunMs = 0;
  /** The browser took the finger over, to scroll or pan with it, whether or not there is somewhere to go. */
  let isTaken = false;
  let isScrolled = false;
  const end = ({ changedTouches: [last] }: TouchEvent) => {
    const now = clockMs();
    const dx = last && touch ? last.clientX - touch.clientX : 0;
    const dy = last && touch ? last.clientY - touch.clientY : 0;
    const [across, along] = [Math.abs(dx), Math.abs(dy)];
    const isLevel = across > along;
    const length = Math.max(across, along);
    const isStraight = length >= Math.min(across, along) * SLENDERNESS;
    const swiped = element;
    element = undefined;
    if (!swiped || length < MIN_PX || !isStraight || now - begunMs > MAX_MS) return;
    after(SCROLL_MS, () => {
      // Of what the browser took, only a stroke to the side that moved nothing was meant for the page: up and down it is a scroll
      // that had reached its end.
      if (isTaken && (isScrolled || !isLevel)) return;
      say(SWIPE, host.pressed(swiped), isLevel ? Number(dx > 0) : 2 + Number(dy > 0), length, '', now);
    });
  };
  listen(
    'touchstart',
    (event: TouchEvent) => {
      [touch] = event.touches;
      const isZoomed = (visualViewport?.scale ?? 1) > 1.01;
      element = isZoomed || event.touches.length > 1 ? undefined : innermostOf(event);
      if (element?.closest(DRAGGED)) element = undefined;
      begunMs = clockMs();
      isTaken = isScrolled = false;
    },
    root,
  );
  listen('touchend', end, root);
  listen(
    'touchcancel pointercancel scroll',
    ({ type }) => {
      if (type === 'scroll') isScrolled = true;
      else if (type === 'touchcancel') element = undefined;
      else isTaken = true;
    },
    root,
  );
}
