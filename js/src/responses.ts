/**
 * What became of a click: how soon the page responded, and whether its code failed. Facts alone: which clicks are dead or errors
 * is decided where they are stored.
 *
 * Watched from the press, because menus open on `mousedown`. After the time in which a response counts comes a control window:
 * what changes again there, though nobody pressed anything, is a clock, a carousel or an advertisement, and no response.
 */
import { isWithin } from './element';
import { after, guarded, listen } from './guard';
import { ERROR, RESPONSE } from './kinds';
import { clockMs, navigation, type Place } from './screen';

/** A response counts for so long after the click, ms (the window of PostHog), and then the control begins. */
const WATCH_MS = 2500;
/** What changes so soon after the click is due to it, ms: */
const PROMPT_MS = 500;
/** its control begins so late, ms, for a notice goes by itself and a label returns, most after 3 to 5 s. */
const LATE_MS = 6000;
/** The control ends so long after the last press or click, ms: at least one tick of a clock after the late beginning. */
const CONTROLLED_MS = 7000;
/** An animation that a click starts is running by then, ms. */
const FRAMES_MS = 50;
/** A fault so soon after a click is put down to it, ms. */
const FAULT_MS = 1000;

/** What may respond in ways that no page can see: a click on a stack with one of these is not judged; nor is one in a frame. */
const OPAQUE = 'input,select,textarea,[contenteditable],canvas,video,iframe';

/** As `addSignal`: `ms` is the value, `extra` is nothing, `atMs` is the click's own. */
type Emit = (kind: number, element: Element, ms: number, extra: number, text: string | undefined, atMs: number) => void;
/** Says one thing of one click. */
type Tell = (kind: number, ms: number, text?: string) => void;

/** Returns how much is animated and selected now; the sum, because it is only asked whether that grew. */
function countStates(): number {
  return document.getAnimations().length + `${getSelection()}`.length;
}

/**
 * Returns what watches a click on `element` at `place` and `atMs`, on `clockMs`. Calls `emit` with RESPONSE for each click that can
 * be judged: `ms` from the press to the first response, -1 for none; and with ERROR for the first fault after a click: `ms` from the
 * click, the name of the error's class as text.
 */
export function observeResponses(emit: Emit): (element: Element, place: Place, atMs: number) => void {
  let clicks: [fromMs: number, tell: Tell][] = [];
  /** When what changed together, of which nothing has changed again in its control. */
  let bursts: [atMs: number, changed: Set<Node>][] = [];
  /** When the visitor last pressed, and last pressed or clicked. */
  let pressedAt = 0;
  let actedAt = 0;
  /** The last click, until a fault was put down to it. */
  let clickedAt: number;
  let tell: Tell;

  const finish = (sureAt?: number) => {
    mutations.disconnect();
    for (const [fromMs, tell] of clicks)
      tell(RESPONSE, (bursts.find(([at]) => at >= fromMs)?.[0] ?? sureAt ?? fromMs - 1) - fromMs);
    clicks = [];
    bursts = [];
    pressedAt = 0;
  };
  const mutations = new MutationObserver(
    guarded((records) => {
      const now = clockMs();
      const changed = new Set(records.map(({ target }) => target));
      if (now < actedAt + WATCH_MS) bursts.push([now, changed]);
      else
        bursts = bursts.filter(
          ([at, before]) =>
            (at < actedAt + PROMPT_MS && now < actedAt + LATE_MS) ||
            // One thing that moves by itself is enough: what changed with it belongs to it.
            ![...before].some((one) => changed.has(one)),
        );
    }),
  );
  /** Watches the document, and the open shadow roots around an element. */
  const begin = (innermost: Element) => {
    const root = innermost.getRootNode() as ShadowRoot;
    actedAt = clockMs();
    mutations.observe(root, { subtree: true, childList: true, attributes: true, characterData: true });
    // A press and its click each set a timer, and the first may do: they are about so far apart.
    after(CONTROLLED_MS + PROMPT_MS, () => {
      if (clockMs() > actedAt + CONTROLLED_MS) finish();
    });
    if (root.host) begin(root.host);
  };
  /** A response, or the visitor who goes on: in either case there is nothing to wait for. */
  const onSure = ({ destination }: Partial<NavigateEvent>) => {
    // Such links lead nowhere.
    if (clicks[0] && !destination?.url.endsWith('#')) finish(clockMs());
  };

  // What is pressed gets the focus before its click is heard of, so that this is none of them.
  listen('scroll input toggle play pause focus blur visibilitychange pagehide', onSure);
  if (navigation) listen('navigate', onSure, navigation);
  listen('pointerdown', (event: PointerEvent) => {
    if (clockMs() > actedAt + WATCH_MS) finish();
    begin(event.composedPath()[0] as Element);
    pressedAt = actedAt;
  });
  listen('error unhandledrejection', (event: ErrorEvent & PromiseRejectionEvent) => {
    const ms = clockMs() - clickedAt;
    // A picture that fails to load is no fault of the page's code.
    if (event.target === window && ms <= FAULT_MS) {
      tell(ERROR, ms, (event.error ?? event.reason)?.constructor.name);
      clickedAt = Number.NaN;
    }
  });
  return (element, [x, y], atMs) => {
    clickedAt = atMs;
    tell = (kind, ms, text) => emit(kind, element, Math.round(ms), 0, text, atMs);
    // After the layout read of the click's place this costs next to nothing; at the press it would force one more.
    if ([element, ...document.elementsFromPoint(x - scrollX, y - scrollY)].some((one) => isWithin(one, OPAQUE))) return;
    clicks.push([pressedAt || atMs, tell]);
    begin(element);
    // The page has not heard of the click yet; the word that a double click selects is selected already.
    const before = countStates();
    const at = actedAt;
    after(FRAMES_MS, () => {
      // What a busy page selects of the next press by then is no response to this one.
      if (actedAt === at && countStates() > before) finish(clockMs());
    });
  };
}
