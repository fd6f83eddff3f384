/**
 * What is open or chosen on the page: dialogs, details, menus, tabs, slides; so that each click can be told with it. Looked for
 * at the start and after each click. A change that a click brought is said at once, any other with the next click or at the end:
 * a carousel that turns by itself says nothing but where it stood when somebody clicked.
 */
import { STATE } from '../kinds';
import { clockMs } from '../screen';
import { hear, host, say } from './desk';
import { whenResting } from './resting';
import { CAROUSEL, slideOf } from './slides';

/** What opens over a page, and what opens or chooses when it is pressed. */
const DIALOG = 'dialog,[role=dialog],[role=alertdialog],[aria-modal=true]';
const TOGGLE = 'details,[aria-expanded],[role=tab]';
/** … and says that it is open or chosen. */
const CHOSEN = 'details[open],[aria-expanded=true],[role=tab][aria-selected=true]';
/** Looked at in one go at most. */
const MAX_FOUND = 30;
/** After a click most things have changed by then, ms, … */
const SOON_MS = 100;
/** … and those that are animated by then. */
const LATE_MS = 700;
/** A change so soon after a click is said at once, ms. */
const PROMPT_MS = 2000;
/** The difference between the core's clock at a click and ours, ms: what stood at a click is said to have stood before it. */
const SLACK_MS = 2;

/** What is known of one thing. */
interface State {
  value: number;
  readonly isIndex: number;
  atMs: number;
  said: number;
}

/** Notes that something is open (1), closed (0), or at a slide's index (`isIndex` 1), to be said in time. */
export type Note = (element: Element, value: number, isIndex?: number, atMs?: number) => void;

/** Observes the states of one document; returns where other observers note theirs. */
export function observeStates(root: Document): Note {
  let states = new Map<Element, State>();
  let clickedMs = -PROMPT_MS;
  let clicked: Element | undefined;

  const note: Note = (element, value, isIndex = 0, atMs = clockMs()) => {
    const state = states.get(element) ?? { value: 0, isIndex, atMs, said: 0 };
    if (state.value !== value) {
      // A key of what is gone tomorrow has to be made today.
      host.identify(element);
      states.set(element, Object.assign(state, { value, atMs }));
    }
    if (clockMs() - clickedMs < PROMPT_MS) flush();
  };
  const flush = () => {
    for (const [element, state] of states) {
      if (state.value !== state.said) say(STATE, element, state.value, state.isIndex, '', state.atMs);
      state.said = state.value;
    }
  };
  /** Looks at what is known, and at what was clicked. */
  const noteKnown = (atMs?: number) => {
    const toggle = clicked?.closest(TOGGLE);
    if (toggle) note(toggle, openness(toggle), 0, atMs);
    for (const [element, { isIndex }] of states) if (!isIndex) note(element, openness(element), 0, atMs);
  };
  const noteSlide = (atMs?: number) => {
    const carousel = clicked?.closest(CAROUSEL);
    const slide = carousel ? slideOf(carousel) : -1;
    if (carousel && slide >= 0) note(carousel, slide, 1, atMs);
  };
  const look = () => {
    noteKnown();
    for (const element of [...root.querySelectorAll(`${DIALOG},${CHOSEN}`)].slice(0, MAX_FOUND))
      note(element, openness(element));
    noteSlide();
  };
  const lookSoon = whenResting(SOON_MS, look);
  const lookLate = whenResting(LATE_MS, look);
  const onClick = (element: Element) => {
    if (element.ownerDocument !== root) return;
    const atMs = clockMs() - SLACK_MS;
    // Who is quick clicks before anyone has looked.
    noteKnown(atMs);
    clicked = element;
    const dialog = element.closest(DIALOG);
    if (dialog) note(dialog, 1, 0, atMs);
    noteSlide(atMs);
    flush();
    clickedMs = clockMs();
    lookSoon();
    lookLate();
  };
  const onEnd = () => {
    // A page without frames to draw may have had no idle time since.
    if (clockMs() - clickedMs < PROMPT_MS) look();
    flush();
  };
  const onView = () => {
    states = new Map();
    lookLate();
  };
  lookSoon();
  hear('click', onClick, root);
  hear('end', onEnd, root);
  hear('view', onView, root);
  return note;
}

/** Whether something is there and open or chosen, as a number; of a dialog a layout read. */
function openness(element: Element): number {
  const isDialog = element.matches(DIALOG) && !element.matches('[aria-hidden=true]');
  return Number(isDialog ? isShown(element) : element.isConnected && element.matches(CHOSEN));
}

function isShown(element: Element): boolean {
  // Safari has it from 17.4 on.
  const isSeen = element.checkVisibility?.({ checkVisibilityCSS: true, checkOpacity: true });
  return isSeen ?? element.getClientRects().length > 0;
}
