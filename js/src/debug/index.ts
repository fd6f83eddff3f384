/**
 * What an owner sees on their own page when its address has `jalki_debug` in its query: what is recorded as it is recorded, what
 * the collector answers, and why something is not recorded. A module of its own; while it runs nothing is stored.
 */
import type { Host } from '../host';
import type { Batch } from '../wire';
import { contents, explain, tried } from './answers';
import { inspect } from './beneath';
import { clickEntry, signalEntries } from './journal';
import { openOutlines } from './outlines';
import { openPanel } from './panel';
import { dress } from './style';
import { openView } from './view';
import { whatIsLeftOut, whyOff } from './why';

/** The figures are read this often, ms, and the boxes on the page measured this often. */
const FIGURES_MS = 250;
const BOXES_MS = 1000;

/** Opens the overlay. */
export function start(host: Host): void {
  host.endpoint = tried(host.endpoint);
  const overlay = document.createElement('jalki-debug');
  // It is not part of the page that is recorded.
  overlay.setAttribute('data-jalki-ignore', '');
  const root = overlay.attachShadow({ mode: 'closed' });
  const life = new AbortController();
  const close = () => {
    life.abort();
    overlay.remove();
  };
  const outlines = openOutlines(host);
  const panel = openPanel({
    outline(isOn) {
      outlines.element.hidden = !isOn;
    },
    close,
  });
  dress(root);
  root.append(outlines.element, panel.element);
  document.documentElement.append(overlay);

  const view = openView(host);
  const blocked = watchPolicy(life.signal);
  host.watch((...news) => {
    if (life.signal.aborted) return;
    view.hear(news);
    if (news[0] === 'click') panel.addEntry(clickEntry(news[2], news[3], host.identify(news[1])));
    if (news[0] === 'sent') showSent(news[1], news[2]);
  });
  const seen = new Set<string>();
  const showSent = (batch: Batch, status: number) => {
    if (!seen.has(batch.b)) for (const entry of signalEntries(batch)) panel.addEntry(entry);
    seen.add(batch.b);
    explain(batch, status, host).then((answer) => panel.addBatch(`№ ${batch.w.q + 1}: ${contents(batch)}`, answer));
  };
  const showFigures = () => {
    panel.showState(whyOff(host, view.said()));
    panel.showFigures(view.figures());
  };
  const showBoxes = () => {
    outlines.draw();
    panel.showLeftOut(whatIsLeftOut(host, blocked));
  };
  observePointer(overlay, life.signal, (innermost) => {
    const beneath = inspect(innermost, host);
    outlines.point(beneath.element);
    panel.showBeneath(beneath);
  });
  addEventListener('scroll', () => outlines.scroll(), { capture: true, passive: true, signal: life.signal });
  for (const [work, everyMs] of [
    [showFigures, FIGURES_MS],
    [showBoxes, BOXES_MS],
  ] as const) {
    work();
    const timer = setInterval(work, everyMs);
    life.signal.addEventListener('abort', () => clearInterval(timer));
  }
}

/** Calls `show` with the innermost element under the pointer, once a frame, but for the overlay's own. */
function observePointer(overlay: Element, signal: AbortSignal, show: (innermost: Element) => void): void {
  let latest: Element | null = null;
  const draw = () => {
    if (latest?.isConnected && !signal.aborted) show(latest);
    latest = null;
  };
  const onPointer = (event: Event) => {
    const innermost = event.composedPath()[0] as Element;
    if (innermost === overlay || innermost.nodeType !== Node.ELEMENT_NODE) return;
    if (!latest) requestAnimationFrame(draw);
    latest = innermost;
  };
  for (const type of ['pointermove', 'pointerdown', 'focusin']) {
    addEventListener(type, onPointer, { capture: true, passive: true, signal });
  }
}

/** Returns the addresses that the page's policy refuses from now on, and the directives that do. */
function watchPolicy(signal: AbortSignal): ReadonlyMap<string, string> {
  const blocked = new Map<string, string>();
  const onViolation = ({ blockedURI, effectiveDirective }: SecurityPolicyViolationEvent) => {
    if (/\/s\/|\/v1\/events/.test(blockedURI)) blocked.set(blockedURI, effectiveDirective);
  };
  document.addEventListener('securitypolicyviolation', onViolation, { signal });
  return blocked;
}
