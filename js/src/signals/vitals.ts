/**
 * Web vitals of the view, as https://web.dev/vitals defines them. LCP, FCP and TTFB are of a load, so only the view that it began
 * has them. CLS and INP begin anew with each view, which is why this is not the web-vitals library: its figures run on over all
 * routes of a page.
 */
import { guarded } from '../guard';
import { VITAL } from '../kinds';
import { hear, say } from './desk';
import { type Interaction, resetInteractions, takeInteraction, worstInteraction } from './interactions';
import { resetShifts, type Shift, takeShift, worstShift } from './shifts';

/** Parts of a whole layout shift score on the wire. */
const CLS_UNITS = 10000;
/** A later paint is one of a page that waited in a background tab, ms, in browsers that do not say so. */
const MAX_PAINT_MS = 60000;
/** Shorter events are not told of, ms: the least that may be asked for. */
const MIN_EVENT_MS = 16;

/** Says what the load took as soon as that is known, and the rest at the end of the view, again where it has grown. */
export function observeVitals(): void {
  type Navigation = PerformanceNavigationTiming & { readonly activationStart?: number };
  const [navigation] = performance.getEntriesByType('navigation') as Navigation[];
  /** When a prerendered page was first shown. */
  const shownMs = navigation?.activationStart ?? 0;
  const hiddenMs = performance
    .getEntriesByType('visibility-state')
    .find(({ name, startTime }) => name === 'hidden' && startTime >= shownMs)?.startTime;
  const said = new Map<string, number>();
  const observers: [PerformanceObserver, (entries: PerformanceEntryList) => void][] = [];
  const types = window.PerformanceObserver?.supportedEntryTypes ?? [];
  /** The view is the one that the load began, and was not hidden yet. */
  let isLoad = navigation !== undefined && new URL(navigation.name).pathname === location.pathname;
  let lcpMs: number | undefined;

  const tell = (name: string, value: number | undefined) => {
    if (value === undefined || said.get(name) === value) return;
    said.set(name, value);
    say(VITAL, null, value, 0, name);
  };
  const watch = <Entry extends PerformanceEntry>(type: string, take: (entry: Entry) => void) => {
    if (!types.includes(type)) return;
    const takeAll = (entries: PerformanceEntryList) => {
      for (const entry of entries) take(entry as Entry);
    };
    const observer = new PerformanceObserver(guarded((list) => takeAll(list.getEntries())));
    observer.observe({ type, buffered: isLoad, durationThreshold: MIN_EVENT_MS } as PerformanceObserverInit);
    observers.push([observer, takeAll]);
  };
  const sinceLoad = (atMs: number) =>
    isLoad && atMs < Math.min(hiddenMs ?? Infinity, shownMs + MAX_PAINT_MS) ? Math.max(0, atMs - shownMs) : undefined;

  watch<Shift>('layout-shift', takeShift);
  watch<Interaction>('event', takeInteraction);
  watch('largest-contentful-paint', ({ startTime }) => {
    lcpMs = sinceLoad(startTime) ?? lcpMs;
  });
  watch('paint', ({ name, startTime }) => {
    if (name === 'first-contentful-paint') tell('FCP', sinceLoad(startTime));
  });
  if (navigation?.responseStart) tell('TTFB', sinceLoad(navigation.responseStart));
  hear('end', () => {
    for (const [observer, takeAll] of observers) takeAll(observer.takeRecords());
    // What is painted after the page was hidden says nothing of how it loads.
    isLoad = false;
    tell('LCP', lcpMs);
    if (types.includes('layout-shift')) tell('CLS', worstShift * CLS_UNITS);
    if (types.includes('event')) tell('INP', worstInteraction());
  });
  hear('view', () => {
    said.clear();
    lcpMs = undefined;
    resetShifts();
    resetInteractions();
  });
}
