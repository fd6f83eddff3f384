/** The wire format, version 1, as tests/contract/wire-v1.schema.json states it. Encodes; reads nothing from the page. */

/** An element's or section's key: its steps from the root down, joined by `>`. */
export type Key = string;

/** The collector takes steps of 200 characters and keys of 64 steps, which have 191 characters at least. */
const MAX_KEY = 191;

/** Returns the key of `step` below `parent`; of a long one its end, which tells it apart. */
export function makeKey(parent: Key | null, step: string): Key {
  const key = (parent ? `${parent}>` : '') + step.replace(/[\s\p{Cc}>]+/gu, ' ');
  // No key begins with a step that has no name.
  return key.slice(-MAX_KEY).replace(/^>/, '');
}

/** Returns `text` on one line without control characters. */
export function plainText(text: string): string {
  return text.replace(/[\s\p{Cc}]+/gu, ' ').trim();
}

/** [viewport width, viewport height, document width, document height], px. */
export type Geometry = readonly [number, number, number, number];

/** How a view began, as on the wire. */
export const LOAD = 0;
export const RESTORE = 1;
export const ROUTE = 2;
export const PRERENDER = 3;

/** What made a click, as on the wire; see `traits.ts` for what is added to it. */
export const MOUSE = 0;
export const TOUCH = 1;
export const PEN = 2;
export const KEYBOARD = 3;
/** Added to it where it was not the primary button. */
export const MIDDLE = 4;
export const SECONDARY = 8;

/** The view part of a batch. */
export interface ViewPart {
  readonly i: string;
  readonly s: number;
  readonly q: number;
  readonly n: number;
  readonly p: string;
  readonly r?: string | undefined;
  readonly c: number;
  readonly a: number;
  readonly e: number;
  readonly h: readonly [number, number];
  readonly x?: number | undefined;
  readonly m?: number | undefined;
  readonly u?: string | undefined;
}

export type SectionPart = [number, number, number];
export type SectionBox = [number, number, number, number, number, number, number, string];

/** Columns of one length, by their names on the wire. */
export type Columns = Partial<
  Record<'t' | 'k' | 'e' | 'g' | 'v' | 'w' | 'h' | 's' | 'x' | 'y' | 'fx' | 'fy' | 'n', (number | string)[]>
>;

/** The layout part of a batch. */
export interface LayoutPart {
  u: string;
  i: number[];
  x: number[];
  y: number[];
  w: number[];
  h: number[];
  r: number[];
  t: string[];
  s: SectionBox[];
  v?: number;
}

/** One batch; `t` is set anew at each sending, all else stays as it was first sent. */
export interface Batch {
  v: 1;
  b: string;
  k: string;
  t: number;
  w: ViewPart;
  g: Geometry[];
  /** Whole keys, or pairs of an earlier entry and one step more. */
  d: (Key | [number, string])[];
  c?: Columns | undefined;
  s?: SectionPart[] | undefined;
  m?: Columns | undefined;
  f?: Columns | undefined;
  l?: LayoutPart | undefined;
}

/** The dictionary of one batch: each key once. */
export interface Dictionary {
  readonly entries: Key[];
  readonly indices: Map<Key, number>;
}

/** Returns an empty dictionary. */
export function openDictionary(): Dictionary {
  return { entries: [], indices: new Map() };
}

/** Returns the index of `key` in `dictionary`, which gains it where it lacks it. */
export function indexOf(key: Key, { entries, indices }: Dictionary): number {
  const index = indices.get(key) ?? entries.push(key) - 1;
  indices.set(key, index);
  return index;
}

/** Returns `bytes` random bytes in hexadecimal. */
export function randomHex(bytes: number): string {
  // Half of each is enough for one digit, and needs no padding.
  return crypto.getRandomValues(new Uint8Array(bytes * 2)).reduce((text, byte) => text + (byte & 15).toString(16), '');
}

/**
 * Returns `value` as JSON, without what is undefined. Old libraries define toJSON on arrays and strings (Prototype 1.6): what that
 * returns gives way to the value itself.
 */
export function encode(value: unknown): string {
  return JSON.stringify(value, function (this: Record<string, unknown>, name) {
    return this[name];
  });
}
