/**
 * Form fields: which, how long they were focused, how often they were written anew, and whether their form was sent. Reads
 * no value and no typed text: only that something was written, and how many characters an edit took away.
 */
import { listen } from '../guard';
import { FIELD as FIELD_LEFT, FORM } from '../kinds';
import { clockMs } from '../screen';
import { hear, say } from './desk';
import { innermostOf } from './innermost';

/** What a visitor fills. */
export const FIELD =
  'input:not([type=button],[type=submit],[type=reset],[type=image]),select,[role=textbox],:read-write';

/** Taking away fewer characters in a row than this is a slip of the finger. */
const REFILL_CHARS = 3;
/** Deletions of words and lines, of what is cut or dragged away. */
const LARGE = /Word|Line|Cut|Drag/;

/** A form that was written to and not sent. */
interface Filling {
  readonly fields: Set<Element>;
  /** The last field that was written to since the form was last said to be left. */
  last: Element | undefined;
}

/** Says each field as it is left, each form that was sent, and each that was written to and not sent. */
export function observeFields(root: Document): void {
  let focused: Element | undefined;
  let sinceMs = 0;
  let refills = 0;
  /** The field was written to since it was focused, or before that. */
  let isWritten = false;
  let written = new WeakSet<Element>();
  /** Characters taken away in a row, up to now. */
  let takenChars = 0;
  const fillings = new Map<Element, Filling>();

  const move = (next?: Element) => {
    if (focused) say(FIELD_LEFT, focused, clockMs() - sinceMs, refills);
    focused = next;
    sinceMs = clockMs();
    refills = takenChars = 0;
    isWritten = false;
  };
  const onEdit = (event: InputEvent) => {
    const { inputType, isComposing } = event;
    const element = innermostOf(event);
    if (isComposing || !element?.matches(FIELD)) return;
    // It was left when the view ended, and is written to in the next.
    if (element !== focused) move(element);
    const isDeletion = inputType.startsWith('delete');
    const selectedChars = charsSelected(element);
    takenChars += isDeletion ? (LARGE.test(inputType) ? REFILL_CHARS : selectedChars || 1) : selectedChars;
  };
  const onInput = (event: InputEvent) => {
    const element = innermostOf(event);
    if (!event.isTrusted || !element?.matches(FIELD)) return;
    touch(element);
    if (element === focused && !event.inputType?.startsWith('delete')) {
      if (takenChars >= REFILL_CHARS || (!isWritten && written.has(element))) refills++;
      isWritten = true;
      takenChars = 0;
    }
    written.add(element);
  };
  const touch = (element: Element) => {
    const form = (element as Partial<HTMLInputElement>).form ?? element.closest('form');
    // A form in a shadow root sends its `submit` to nobody outside.
    if (form?.getRootNode?.() !== root) return;
    const fields = fillings.get(form)?.fields ?? new Set();
    fillings.set(form, { fields: fields.add(element), last: element });
  };

  listen('focusin', (event) => move(innermostOf(event)?.matches(FIELD) ? innermostOf(event) : undefined), root);
  listen('focusout', () => move(), root);
  listen('beforeinput', onEdit, root);
  listen('input', onInput, root);
  listen(
    'submit',
    ({ isTrusted, target }) => {
      const form = target as Element;
      if (isTrusted) say(FORM, form, 1, fillings.get(form)?.fields.size);
      fillings.delete(form);
    },
    root,
  );
  const onEnd = () => {
    move();
    for (const filling of fillings.values()) {
      if (filling.last) say(FORM, filling.last, 0, filling.fields.size);
      filling.last = undefined;
    }
  };
  const onView = () => {
    fillings.clear();
    written = new WeakSet();
  };
  hear('end', onEnd, root);
  hear('view', onView, root);
}

/** How many characters of a field are selected: those that the next edit takes away. */
function charsSelected(element: Partial<HTMLInputElement>): number {
  return (element.selectionEnd ?? 0) - (element.selectionStart ?? 0);
}
