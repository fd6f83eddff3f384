/**
 * What became of a click: how soon the page responded, and whether its code failed. Facts alone: which clicks are dead or errors
 * is decided where they are stored.
 *
 * Watched from the press, because menus open on `mousedown`. After the time in which a response counts comes a control window:
 * what changes again there, though nobody pressed anything, is a clock, a carousel or an advertisement, and no response.
 */
import { after, guarded, listen } from './guard';
import { ERROR, RESPONSE } from './kinds';
import { clockMs } from './screen';

/** A response counts for so long after the click, ms (the window of PostHog); each half of the control window is as long. */
const WATCH_MS = 2500;
const CONTROLLED_MS = 3 * WATCH_MS;
/** What changes so soon after the click is due to it, ms, unless it changes in both halves of the control window as well. */
const PROMPT_MS = 500;
/** An animation that a click starts is running by then, ms. */
const FRAMES_MS = 50;
/** A fault so soon after a click is put down to it, ms. */
const FAULT_MS = 1000;

/** What may respond in ways that no page can see: a click on a stack with one of these is not judged. */
const OPAQUE = 'canvas,video,iframe,input,select,textarea,[contenteditable=true]';

/** Returns how much is animated and selected now; the sum, because it is only asked whether that grew. */
function countStates(): number {
  return document.getAnimations().length + `${getSelection()}`.length;
}

/** What became of clicks. */
export interface Responses {
  /** Watches what becomes of a click; `atMs` is on `clockMs`. */
  onClick(element: Element, atMs: number): void;
}

/**
 * Calls `emit` with RESPONSE for each click that can be judged: `ms` from the press to the first response, -1 for none; and
 * with ERROR for the first fault after a click: `ms` from the click, the name of the error's class as text. `atMs` is the click's own.
 */
export function observeResponses(
  emit: (kind: number, element: Element, ms: number, atMs: number, text?: string) => void,
): Responses {
  const clicks: [element: Element, fromMs: number, atMs: number][] = [];
  /** When what changed; nothing in particular for what never happens by itself. */
  let bursts: [atMs: number, changed: unknown[]][] = [];
  let timer = 0;
  /** What lay below the last press. */
  let stack: Element[] = [];
  /** When that was, until its click has come. */
  let pressedAt = 0;
  /** When the visitor last pressed or clicked. */
  let actedAt = 0;
  let clicked: Element;
  let clickedAt = -FAULT_MS;

  const note = (changed: unknown[]) => {
    bursts.push([clockMs(), changed]);
  };
  const finish = () => {
    mutations.disconnect();
    for (const [element, fromMs, atMs] of clicks.splice(0)) {
      const first = bursts.find(
        ([at, changed]) =>
          at >= fromMs &&
          at < atMs + WATCH_MS &&
          // One thing that moves by itself is enough: what changes with it belongs to it.
          changed.every((one) => {
            const moves = [1, 2].filter((half) =>
              bursts.some(([later, again]) => Math.floor((later - actedAt) / WATCH_MS) === half && again.includes(one)),
            );
            return moves.length <= Number(at < atMs + PROMPT_MS);
          }),
      );
      emit(RESPONSE, element, first ? Math.round(first[0] - fromMs) : -1, atMs);
    }
    bursts = [];
  };
  const mutations = new MutationObserver(guarded((records) => note(records.map(({ target }) => target))));
  /** Watches the document, and the open shadow roots around an element. */
  const begin = (innermost: Element, ms: number) => {
    actedAt = clockMs();
    for (let node = innermost; node; ) {
      const root = node.getRootNode() as ShadowRoot;
      mutations.observe(root, { subtree: true, childList: true, attributes: true, characterData: true });
      node = root.host;
    }
    clearTimeout(timer);
    timer = after(ms, finish);
  };
  /** A response, or the visitor who goes on: in either case there is nothing to wait for. */
  const onSure = guarded(() => {
    if (!clicks[0]) return;
    note([]);
    finish();
  });

  // What is pressed gets the focus before its click is heard of, so that this is none of them.
  listen('scroll input toggle play pause focus blur resize visibilitychange pagehide', onSure);
  listen('pointerdown', (event: PointerEvent) => {
    if (clockMs() > actedAt + WATCH_MS) finish();
    stack = document.elementsFromPoint(event.clientX, event.clientY);
    begin(event.composedPath()[0] as Element, WATCH_MS);
    pressedAt = actedAt;
  });
  listen('error unhandledrejection', ({ target, error, reason }: ErrorEvent & PromiseRejectionEvent) => {
    const ms = Math.round(clockMs() - clickedAt);
    // A picture that fails to load is no fault of the page's code.
    if (target !== window || ms > FAULT_MS) return;
    emit(ERROR, clicked, ms, clickedAt, (error ?? reason)?.constructor.name);
    clickedAt = -FAULT_MS;
  });
  // Elements with that id would also be `window.navigation`, and no target of events.
  guarded(() => {
    listen(
      'navigate',
      ({ destination }: NavigateEvent) => {
        // Such links lead nowhere.
        if (!destination.url.endsWith('#')) onSure();
      },
      window.navigation,
    );
  })();
  return {
    onClick(element, atMs) {
      const fromMs = pressedAt || atMs;
      pressedAt = 0;
      clicked = element;
      clickedAt = atMs;
      if (element.ownerDocument !== document || [element, ...stack].some((one) => one.matches(OPAQUE))) return;
      clicks.push([element, fromMs, atMs]);
      begin(element, CONTROLLED_MS);
      // The page has not heard of the click yet; the word that a double click selects is selected already.
      const before = countStates();
      after(FRAMES_MS, () => {
        if (countStates() > before) note([]);
      });
    },
  };
}
