/** Batches in localStorage, for the next page to send: a bounded list, the newest of which are kept. Storage may throw at any time. */
import { type Batch, encode } from './wire';

/** Where they are; the visitor's id is in `jalki`. */
export const KEPT = 'jalki.q';
const MAX_BATCHES = 20;
/** Characters of the list: 200 KB where a browser takes two bytes for each. */
const MAX_CHARS = 100000;
/** The collector refuses views that began longer ago, ms. */
const MAX_AGE_MS = 86400000;

/** Returns what is kept under `name`; null where there is nothing, or no storage. */
export function read(name: string): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

/** Keeps `text`, or nothing where it is null; returns whether that worked. */
export function write(name: string, text: string | null): boolean {
  try {
    if (text === null) localStorage.removeItem(name);
    else localStorage.setItem(name, text);
    return read(name) === text;
  } catch {
    return false;
  }
}

/** Returns the batches that are kept, the oldest first, of all sites of this origin. */
export function readBatches(): Batch[] {
  try {
    const found = JSON.parse(read(KEPT) ?? '[]') as Batch[];
    return found.filter(({ v, b, k, w }) => v === 1 && b && k && Date.now() - w.s < MAX_AGE_MS);
  } catch {
    // Whatever that is, it is not ours.
    return [];
  }
}

/** Adds batches to what is kept. Layouts are not worth their size; a batch that is there already takes its newer form. */
export function keepBatches(batches: readonly Batch[]): void {
  const added = batches.filter(({ l }) => !l);
  if (!added.length) return;
  const newest = new Map<string, Batch>();
  for (const batch of [...readBatches(), ...added]) newest.set(batch.b, batch);
  writeBatches([...newest.values()]);
}

/** Forgets a batch: it was answered. */
export function dropBatch(id: string): void {
  const batches = readBatches();
  const others = batches.filter(({ b }) => b !== id);
  if (others.length < batches.length) writeBatches(others);
}

/** The oldest give way where there is not room for all. */
function writeBatches(batches: readonly Batch[]): void {
  let texts = batches.slice(-MAX_BATCHES).map(encode);
  for (;;) {
    while (texts.join().length > MAX_CHARS) texts.shift();
    if (write(KEPT, texts.length ? `[${texts}]` : null) || !texts.length) return;
    texts = texts.slice(Math.ceil(texts.length / 2));
  }
}
