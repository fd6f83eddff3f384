/**
 * How something was clicked that is made for clicking often, as bits of a click's kind: what rage and dead clicks are judged by,
 * long afterwards. The core adds 16 by itself, for what looks interactive. Looks at the element and what is around it; words are
 * compared here and never sent.
 */
import { INTERACTIVE } from './element';

/** It is made for many clicks: a stepper, next and previous, a calendar, a slider, a field, something that plays. */
const REPEATED = 32;
/** Text was or is being selected. */
const SELECTING = 64;
const MODIFIED = 128;

const MADE_FOR_MANY =
  ':read-write,canvas,video,audio,[type=range],[role=slider],[role=spinbutton],[role=scrollbar],[role=gridcell],' +
  '[class*=calendar i]:not(body),[class*=datepicker i]:not(body)';
/** What programmers call such controls in any language, and the signs that stand on them. */
const STEPS =
  /(\b|_)(next|prev|plus|minus|incr|decr|step|spin|arrow|chevron|slide|carousel|zoom)|,\s*[-+−–<>‹›«»←→↑↓▲▼◀▶❮❯]\s*$/i;

/** Returns the bits of a click on `element`, which is what a person would say was pressed. */
export function traitsOf(element: Element, event: MouseEvent): number {
  const innermost = event.composedPath()[0] as Element;
  const isPressable = element.matches(INTERACTIVE) || getComputedStyle(element).cursor === 'pointer';
  const names = ['class', 'id', 'name', 'aria-label', 'title'].map((name) => element.getAttribute(name));
  const words = `${names},${innermost.getAttribute('class')},${innermost.firstChild?.nodeValue ?? ''}`;
  const isTurning = isPressable && (STEPS.test(words) || element.closest('[aria-roledescription=carousel]'));
  // The second of two quick clicks selects a word of whatever is written there.
  // What was selected elsewhere, long before, has nothing to do with this click.
  const selection = getSelection();
  const isSelected = selection?.type === 'Range' && selection.containsNode(innermost, true);
  const isSelecting = isSelected && !(isPressable && event.detail > 1);
  const isModified = event.ctrlKey || event.metaKey || event.shiftKey || event.altKey;
  return (
    (isTurning || element.closest(MADE_FOR_MANY) ? REPEATED : 0) +
    (isSelecting ? SELECTING : 0) +
    (isModified ? MODIFIED : 0)
  );
}
