/** The wire format, version 1, as tests/contract/wire-v1.schema.json states it. Encodes; reads nothing from the page. */

/** An element's or section's key: its steps from the root down, joined by `>`. */
export type Key = string;

/** The collector takes steps of 200 characters, and keys of 64 steps and 2,000 characters: a shorter one stands for its end. */
const MAX_STEP = 200;
const MAX_ABOVE = 1700;
const MAX_STEPS = 60;

/** Returns the key of `step` below `parent`; where it would grow too long it begins anew here. */
export function makeKey(parent: Key | null, step: string): Key {
  const own = plainText(step).replace(/>/g, '%3E').slice(0, MAX_STEP) || '?';
  const isShort = parent && parent.length < MAX_ABOVE && parent.split('>').length < MAX_STEPS;
  return isShort ? `${parent}>${own}` : own;
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

/** A click as it goes into its columns. */
export type Click = Record<'t' | 'e' | 'g' | 'x' | 'y' | 'fx' | 'fy' | 'w' | 'h' | 'k' | 'n', number>;

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
  let text = '';
  for (const byte of crypto.getRandomValues(new Uint8Array(bytes))) text += (byte + 256).toString(16).slice(1);
  return text;
}

/**
 * Returns `value` as JSON. Not JSON.stringify: old libraries define toJSON on arrays and strings (Prototype 1.6), and pages
 * patch it. Numbers here are always finite integers; what is undefined is left out.
 */
export function encode(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(encode)}]`;
  if (typeof value === 'string') return `"${value.replace(/["\\\p{Cc}]/gu, escapeChar)}"`;
  if (typeof value !== 'object' || !value) return `${value}`;
  const members = Object.entries(value).filter((member) => member[1] !== undefined);
  return `{${members.map(([name, member]) => `"${name}":${encode(member)}`)}}`;
}

function escapeChar(char: string): string {
  return `\\u${(char.charCodeAt(0) + 0x10000).toString(16).slice(1)}`;
}
