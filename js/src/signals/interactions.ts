/** Interaction to next paint: the slowest click, tap or key of a view, but for one in fifty (https://web.dev/articles/inp). */

/** Of so many interactions the slowest is left out. */
const INTERACTIONS_AN_OUTLIER = 50;
/** Slowest interactions kept. */
const MAX_SLOWEST = 10;
/** How long an interaction takes of which the browser told nothing, ms. */
const UNTOLD_MS = 8;

/** What the browser tells of an event. */
export type Interaction = PerformanceEntry & { readonly interactionId?: number };

/** [id, ms], the slowest first. */
let slowest: [number, number][] = [];
let countBefore = 0;

/** Adds an event of an interaction. */
export function takeInteraction({ interactionId: id, duration }: Interaction): void {
  if (!id) return;
  const known = slowest.find((interaction) => interaction[0] === id);
  if (known) known[1] = Math.max(known[1], duration);
  else slowest.push([id, duration]);
  slowest = slowest.sort((a, b) => b[1] - a[1]).slice(0, MAX_SLOWEST);
}

/** Returns how long the slowest took that counts, ms; undefined: there was none. */
export function worstInteraction(): number | undefined {
  const count = countAll() - countBefore;
  const outliers = Math.min(slowest.length - 1, Math.floor(count / INTERACTIONS_AN_OUTLIER));
  return slowest[outliers]?.[1] ?? (count ? UNTOLD_MS : undefined);
}

/** Begins anew, for another view. */
export function resetInteractions(): void {
  countBefore = countAll();
  slowest = [];
}

/** 0 in a browser that does not count them: there the slowest of all counts. */
function countAll(): number {
  return (performance as Performance & { interactionCount?: number }).interactionCount ?? 0;
}
