/** Clicks and signals as lines that a person reads. */
import * as kinds from '../kinds';
import type { Batch, Columns, Key } from '../wire';

/** One line. */
export interface Entry {
  /** ms since the view began. */
  readonly atMs: number;
  readonly what: string;
  readonly where: string;
}

const POINTERS = ['', 'touch', 'pen', 'keyboard'];
const BUTTONS = ['click', 'middle click', 'secondary click'];
const FLAGS: readonly [number, string][] = [
  [16, 'interactive'],
  [32, 'made for repetition'],
  [64, 'while text is selected'],
  [128, 'with a modifier key'],
];
const DIRECTIONS = ['left', 'right', 'up', 'down'];

/** Returns the line of a click of kind `k` on the element of that key, so long after the view began. */
export function clickEntry(k: number, sinceMs: number, key: Key): Entry {
  const flags = FLAGS.filter(([bit]) => k & bit).map(([, name]) => name);
  const said = [BUTTONS[(k >> 2) & 3] ?? 'click', POINTERS[k & 3] ?? '', ...flags].filter(Boolean);
  return { atMs: Math.round(sinceMs), what: said.join(', '), where: key };
}

/** Returns the lines of the signals of a batch. */
export function signalEntries({ f, d }: Batch): Entry[] {
  const column = (name: keyof Columns) => f?.[name] ?? [];
  return column('t').map((at, row) => {
    const number = (name: keyof Columns) => Number(column(name)[row] ?? 0);
    const words = WORDS[number('k')] ?? (() => `signal ${number('k')}`);
    const what = words(number('v'), number('w'), `${column('s')[row] ?? ''}`);
    return { atMs: Number(at), what, where: `${d[number('e')] ?? ''}` };
  });
}

type Words = (value: number, extra: number, text: string) => string;

const WORDS: Record<number, Words> = {
  [kinds.RESPONSE]: (ms) => (ms < 0 ? 'no response to the click: a dead click' : `the page responded after ${ms} ms`),
  [kinds.ERROR]: (ms, _, name) => `error click: ${name || 'an error'} ${ms} ms after it`,
  [kinds.HESITATION]: (ms) => `hesitation: ${seconds(ms)} from hover to click`,
  [kinds.SWIPE]: (direction, px) => `swipe ${DIRECTIONS[direction] ?? ''}, ${px} px`,
  [kinds.SELECTION]: (chars) => `selected ${chars} characters`,
  [kinds.COPY]: (chars) => `copied ${chars} characters`,
  [kinds.FIELD]: (ms, refills) => `field left after ${seconds(ms)}${refills ? `, refilled ${refills} ×` : ''}`,
  [kinds.FORM]: (isSent, fields) => `form ${isSent ? 'submitted' : 'left unsent'}, ${fields} fields touched`,
  [kinds.OUTBOUND]: (_, __, host) => `outbound link to ${host}`,
  [kinds.DOWNLOAD]: (_, __, path) => `download of ${path}`,
  [kinds.PRINT]: () => 'printed',
  [kinds.ZOOM]: (percent) => `zoomed to ${percent} %`,
  [kinds.ORIENTATION]: (degrees) => `turned to ${degrees}°`,
  [kinds.VITAL]: (value, _, name) => `${name} ${name === 'CLS' ? value / 10000 : `${value} ms`}`,
  [kinds.STATE]: (value, isSlide) => (isSlide ? `slide ${value + 1}` : value ? 'opened' : 'closed'),
  [kinds.VARIANT]: (_, __, text) => `variant ${text}`,
  [kinds.EVENT]: (_, __, text) => `event ${text}`,
  [kinds.FIRST_ACTION]: () => 'first action in the section',
  [kinds.INNER_DEPTH]: (px, all) => `inner scroller: ${px} of ${all} px seen`,
  [kinds.FAULT]: (_, __, name) => `the snippet switched itself off: ${name}`,
};

/** Returns ms as seconds with one digit. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
