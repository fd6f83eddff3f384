/** The core: whether this page is recorded at all, what `jalki(…)` does, and which modules are loaded. */
import { guarded, stopAll, watchFaults, whenIdle } from './guard';
import type { Config, News, Offer } from './host';
import { FAULT } from './kinds';
import { onAnswers, push, waiting } from './queue';
import { clockMs } from './screen';
import { sections } from './sections';
import { CONSENT_FIRST, IN_SPITE, SIGNALS, site } from './site';
import { acted, addMarks, addMove, addSignal, flush, identify, openBatch, viewId } from './view';
import { act, observeVisit, takeClick } from './visit';

/** A page opened with this in its fragment, or in a window or frame of this name, is an owner's preview and never a view. */
const PREVIEW = 'jalki-preview';
/** A page opened with this in its query shows its owner what is recorded, and is never a view either. */
const DEBUG = 'jalki_debug';

type Jalki = ((...call: unknown[]) => void) & { q?: Iterable<unknown>[]; v?: 1 };

declare global {
  interface Window {
    jalki?: Jalki;
  }
}

/** Begins to record this page, unless that was done already. */
export function begin({ siteKey, endpoint, site: settings, load }: Config): void {
  const stub = window.jalki;
  // An element with the id `jalki` is also a member of window.
  if (stub?.v) return;
  const [flags, ...params] = settings.split(',');
  const isDebugged = location.search.includes(DEBUG);
  site.siteKey = siteKey;
  site.flags = Number(flags);
  site.endpoint = endpoint + (isDebugged ? '?d=1' : '');
  const calls: unknown[][] = [];
  const hearers: ((...news: News) => void)[] = [];
  let isBegun = isRefused();

  const tell = (...news: News) => {
    for (const hear of hearers) guarded(hear)(...news);
  };
  const stop = () => {
    tell('end');
    flush(true);
    tell('stop');
    stopAll();
  };
  const offer: Offer = [
    site,
    calls,
    hearers,
    waiting,
    () => [identify, sections, acted],
    addSignal,
    takeClick,
    addMove,
    act,
    openBatch,
    push,
    stop,
    addMarks,
  ];
  // A policy of the page may forbid it, or the network: then the page goes without.
  const open = (name: string) => {
    load(name)
      .then(({ start }) => start(offer))
      .catch(() => {});
  };
  const start = () => {
    if (isBegun) return;
    isBegun = true;
    observeVisit(params, tell);
    if (site.flags & SIGNALS) whenIdle(() => open('signals'));
  };
  const call: Jalki = guarded((...args: unknown[]) => {
    const [name, word] = args;
    calls.push([clockMs(), ...args]);
    tell('call', ...args);
    if (name === 'stop') stop();
    if (name !== 'consent') return;
    open('consent');
    if (word === 'denied') stopAll();
    else start();
  });

  call.v = 1;
  window.jalki = call;
  onAnswers((batch, response) => {
    tell('sent', batch, response?.status ?? 0);
    if (response?.headers.get('x-jalki-want') && batch.w.i === viewId) open('layout');
  });
  watchFaults((name) => {
    addSignal(FAULT, null, 0, 0, name);
    stop();
  });
  if (isDebugged) open('debug');
  guarded(() => {
    site.user = /^[\da-f]{32}$/.exec(`${localStorage.getItem('jalki')}`)?.[0] ?? '';
  })();
  if (site.user) call('consent', 'granted');
  else if (!(site.flags & CONSENT_FIRST)) start();
  for (const args of stub?.q ?? []) call(...args);
}

/** Returns whether the page or the visitor does not want to be recorded. */
function isRefused(): boolean {
  const { doNotTrack, globalPrivacyControl } = navigator as Navigator & { globalPrivacyControl?: boolean };
  return (
    !location.protocol.startsWith('http') ||
    ((globalPrivacyControl || doNotTrack === '1') && !(site.flags & IN_SPITE)) ||
    (location.hash + window.name).includes(PREVIEW)
  );
}
