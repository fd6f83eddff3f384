/** The wire format, version 1, as tests/contract/wire-v1.schema.json states it. Encodes; reads nothing from the page. */

/** An element's or section's key: steps from the root down. `parent` is null where the step is an anchor of its own. */
export interface Key {
  readonly parent: Key | null;
  readonly step: string;
  /** Steps, and characters of the whole key: the collector takes 64 and 2,000. */
  readonly depth: number;
  readonly chars: number;
}

const MAX_DEPTH = 60;
const MAX_KEY_CHARS = 1800;

/** Returns the key of `step` below `parent`; where it would grow too long it begins anew here. */
export function makeKey(parent: Key | null, text: string): Key {
  const step = stepText(text) || '?';
  const isTooLong = parent && (parent.depth >= MAX_DEPTH || parent.chars + step.length >= MAX_KEY_CHARS);
  const above = isTooLong ? null : parent;
  return { parent: above, step, depth: 1 + (above?.depth ?? 0), chars: 1 + step.length + (above?.chars ?? 0) };
}

/** [viewport width, viewport height, document width, document height], px. */
export type Geometry = readonly [number, number, number, number];

/** How a view began, as on the wire. */
export const LOAD = 0;
export const RESTORE = 1;
export const ROUTE = 2;
export const PRERENDER = 3;

/** What made a click, as on the wire. */
export const MOUSE = 0;
export const TOUCH = 1;
export const PEN = 2;
export const KEYBOARD = 3;

/** One click, before it is put into columns. */
export interface Click {
  /** ms since the view began. */
  readonly atMs: number;
  readonly key: Key;
  readonly geometry: Geometry;
  /** 1 for the view's first click on this element, 2 for its second … */
  readonly nth: number;
  readonly kind: number;
  /** Position in the document, px. */
  readonly x: number;
  readonly y: number;
  /** Position inside the element, 255ths of its box. */
  readonly fx: number;
  readonly fy: number;
  /** The element's box, px. */
  readonly w: number;
  readonly h: number;
}

/** The view part of a batch. */
export interface ViewPart {
  readonly i: string;
  readonly s: number;
  readonly q: number;
  readonly n: number;
  readonly p: string;
  readonly r?: string;
  readonly c: number;
  readonly a: number;
  readonly e: number;
  readonly h: readonly [number, number];
  readonly x?: number;
  readonly m?: number;
}

export type SectionPart = [number, number, number];
export type SectionBox = [number, number, number, number, number, number, number, string];

/** The columns of the clicks of one batch; `t` is delta-coded. */
export interface ClickColumns {
  t: number[];
  e: number[];
  x: number[];
  y: number[];
  fx: number[];
  fy: number[];
  w: number[];
  h: number[];
  g: number[];
  k: number[];
  n: number[];
}

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
}

/** One batch; `t` is set anew at each sending, all else stays as it was first sent. */
export interface Batch {
  v: 1;
  b: string;
  k: string;
  t: number;
  w: ViewPart;
  g: Geometry[];
  d: [number, string][];
  c?: ClickColumns;
  s?: SectionPart[];
  l?: LayoutPart;
}

/** Most clicks of one batch; the schema allows 500, half of it keeps the body far below 64 KiB. */
export const MAX_CLICKS = 250;
/** Most characters of the dictionary of one batch, for the same reason (up to three bytes each). */
const MAX_DICTIONARY_CHARS = 12000;
const MAX_GEOMETRIES = 60;

/** The dictionary of one batch: each key's steps once, parents before children. */
export interface Dictionary {
  readonly entries: [number, string][];
  /** Characters of all steps so far. */
  chars: number;
  readonly indices: Map<string, number>;
}

/** Returns an empty dictionary. */
export function openDictionary(): Dictionary {
  return { entries: [], chars: 0, indices: new Map() };
}

/** Returns the index of `key` in `dictionary`, which gains the steps that it lacks. */
export function indexOf(key: Key, dictionary: Dictionary): number {
  const parent = key.parent ? indexOf(key.parent, dictionary) : -1;
  const name = `${parent} ${key.step}`;
  const known = dictionary.indices.get(name);
  if (known !== undefined) return known;
  const index = dictionary.entries.push([parent, key.step]) - 1;
  dictionary.indices.set(name, index);
  dictionary.chars += key.step.length;
  return index;
}

/** Returns the text of a key: its steps joined by `>`. */
export function keyText(key: Key): string {
  return (key.parent ? `${keyText(key.parent)}>` : '') + key.step;
}

/** Returns `text` without what would end a step or cannot be stored: `>`, control characters, more than 200 characters. */
function stepText(text: string): string {
  return plainText(text).replace(/>/g, '%3E').slice(0, 200);
}

/** Returns `text` on one line without control characters. */
export function plainText(text: string): string {
  return text.replace(/[\s\p{Cc}]+/gu, ' ').trim();
}

/** Moves as many of `clicks` into columns as fit one batch; they leave the list. Geometries are added to `geometries`. */
export function takeClicks(clicks: Click[], dictionary: Dictionary, geometries: Geometry[]): ClickColumns {
  const columns: ClickColumns = { t: [], e: [], x: [], y: [], fx: [], fy: [], w: [], h: [], g: [], k: [], n: [] };
  let atMs = 0;
  for (;;) {
    const click = clicks[0];
    const isFull = columns.t.length >= MAX_CLICKS || dictionary.chars > MAX_DICTIONARY_CHARS;
    if (!click || isFull || geometries.length > MAX_GEOMETRIES) return columns;
    clicks.shift();
    columns.t.push(click.atMs - atMs);
    columns.e.push(indexOf(click.key, dictionary));
    columns.g.push(geometryIndex(click.geometry, geometries));
    columns.k.push(click.kind);
    columns.n.push(click.nth);
    for (const name of ['x', 'y', 'fx', 'fy', 'w', 'h'] as const) columns[name].push(click[name]);
    atMs = click.atMs;
  }
}

function geometryIndex(geometry: Geometry, geometries: Geometry[]): number {
  const index = geometries.findIndex((other) => `${other}` === `${geometry}`);
  return index < 0 ? geometries.push(geometry) - 1 : index;
}

/** Puts the present geometry last, where the collector looks for it. A repeated row is allowed and cheap. */
export function closeGeometries(geometries: Geometry[], present: Geometry): void {
  const last = geometries[geometries.length - 1];
  if (`${last}` !== `${present}`) geometries.push(present);
}

/** Returns `bytes` random bytes in hexadecimal. */
export function randomHex(bytes: number): string {
  let text = '';
  for (const byte of crypto.getRandomValues(new Uint8Array(bytes))) text += (byte + 256).toString(16).slice(1);
  return text;
}

/**
 * Returns `value` as JSON. Not JSON.stringify: old libraries define toJSON on arrays and strings (Prototype 1.6), and pages
 * patch it. Numbers here are always finite integers; undefined members are left out.
 */
export function encode(value: unknown): string {
  if (Array.isArray(value)) {
    let text = '';
    for (let i = 0; i < value.length; i++) text += (i ? ',' : '') + encode(value[i]);
    return `[${text}]`;
  }
  if (typeof value === 'string') return `"${value.replace(/["\\\p{Cc}]/gu, escapeChar)}"`;
  if (typeof value !== 'object' || !value) return `${value}`;
  let text = '';
  for (const [name, member] of Object.entries(value)) {
    if (member !== undefined) text += `${text && ','}"${name}":${encode(member)}`;
  }
  return `{${text}}`;
}

function escapeChar(char: string): string {
  return `\\u${(char.charCodeAt(0) + 0x10000).toString(16).slice(1)}`;
}
