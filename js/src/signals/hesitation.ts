/** Hesitation: how long a mouse stood over an element before it was clicked. */
import { listen } from '../guard';
import { HESITATION } from '../kinds';
import { clockMs } from '../screen';
import { hear, host, say } from './desk';
import { innermostOf } from './innermost';

/** Pointer and button of a click's kind; 0 is a mouse's primary button. */
const POINTER_AND_BUTTON = 15;

/** Says the time from the hover to its first click: a touch has no hover, and who clicks again without leaving decided before. */
export function observeHesitation(root: Document): void {
  let hovered: Element | undefined;
  let sinceMs = 0;
  listen(
    'pointerover pointerout',
    (event: PointerEvent) => {
      const innermost = innermostOf(event);
      // Of all that is left only the window matters.
      if (event.type === 'pointerout' && event.relatedTarget) return;
      const isOver = innermost && event.type === 'pointerover' && event.pointerType === 'mouse';
      const element = isOver ? host.pressed(innermost) : undefined;
      if (element !== hovered) sinceMs = clockMs();
      hovered = element;
    },
    root,
  );
  const onClick = (element: Element, kind: number) => {
    if (element !== hovered || kind & POINTER_AND_BUTTON || !sinceMs) return;
    say(HESITATION, element, clockMs() - sinceMs);
    sinceMs = 0;
  };
  hear('click', onClick, root);
}
