/**
 * What is open or chosen on the page: dialogs, details, menus, tabs, slides; so that each click can be told with it. A change
 * that follows a click is said at once, any other with the next click or at the end: a carousel that turns by itself says
 * nothing but where it stood when somebody clicked.
 */
import { guarded, listen } from '../guard';
import { STATE } from '../kinds';
import { clockMs } from '../screen';
import { hear, host, say } from './desk';
import { whenResting } from './resting';
import { CAROUSEL, slideOf } from './slides';

/** What opens over a page. */
const DIALOG = 'dialog,[role=dialog],[role=alertdialog],[aria-modal=true]';
/** What may be open or chosen from the start; all else begins closed. */
const OPEN = `${DIALOG},details[open],[aria-expanded=true],[role=tab][aria-selected=true]`;
const ATTRIBUTES = ['open', 'aria-expanded', 'aria-selected', 'aria-modal', 'aria-hidden', 'hidden', 'role'];
/** Looked at in one go at most. */
const MAX_RECORDS = 200;
const MAX_FOUND = 30;
/** After a click the page has changed by then, ms, with its animations. */
const REST_MS = 500;
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
  let carousel: Element | null = null;

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
  const noteSlide = (atMs?: number) => {
    const slide = carousel ? slideOf(carousel) : -1;
    if (carousel && slide >= 0) note(carousel, slide, 1, atMs);
  };
  const rest = whenResting(REST_MS, () => {
    for (const element of states.keys()) if (!element.isConnected) note(element, 0);
    for (const element of [...root.querySelectorAll(OPEN)].slice(0, MAX_FOUND)) note(element, openness(element));
    noteSlide();
  });
  const take = (records: MutationRecord[]) => {
    for (const { target, type } of records.slice(0, MAX_RECORDS)) {
      const element = target as Element;
      if (type === 'childList' || element.matches(DIALOG)) rest();
      else if (element.matches('details,[aria-expanded],[role=tab]')) note(element, openness(element));
    }
  };
  const observer = new MutationObserver(guarded(take));
  observer.observe(root, { subtree: true, attributeFilter: ATTRIBUTES });
  // What opens over a page is mostly put at its end.
  observer.observe(root.body, { childList: true });
  rest();
  listen(
    'toggle',
    ({ target, newState }: Event & { newState?: string }) => {
      // A popover has no attribute that says it; older browsers have no popovers.
      if (newState) note(target as Element, Number(newState === 'open'));
    },
    root,
  );
  const onClick = (element: Element) => {
    if (element.ownerDocument !== root) return;
    const atMs = clockMs() - SLACK_MS;
    take(observer.takeRecords());
    const dialog = element.closest(DIALOG);
    if (dialog) note(dialog, 1, 0, atMs);
    carousel = element.closest(CAROUSEL);
    noteSlide(atMs);
    flush();
    clickedMs = clockMs();
    rest();
  };
  const onView = () => {
    states = new Map();
    rest();
  };
  hear('click', onClick, root);
  hear('end', flush, root);
  hear('view', onView, root);
  return note;
}

/** Whether something is open or chosen, as a number; of a dialog a layout read. */
function openness(element: Element): number {
  if (element.localName === 'details') return Number((element as HTMLDetailsElement).open);
  if (!element.matches(DIALOG)) {
    const name = element.getAttribute('role') === 'tab' ? 'aria-selected' : 'aria-expanded';
    return Number(element.getAttribute(name) === 'true');
  }
  return Number(element.getAttribute('aria-hidden') !== 'true' && isShown(element));
}

function isShown(element: Element): boolean {
  // Safari has it from 17.4 on.
  const isSeen = element.checkVisibility?.({ checkVisibilityCSS: true, checkOpacity: true });
  return isSeen ?? element.getClientRects().length > 0;
}
