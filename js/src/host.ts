/**
 * What the core offers to the modules that it loads later. The core hands over a plain tuple, as each name would cost it bytes;
 * the build wraps every module so that it gets a `Host` made of that.
 */
import { pressedElement } from './element';
import { isIgnored, type Place, readGeometry } from './screen';
import type { Section as Measured } from './sections';
import { type Batch, type Dictionary, indexOf, type Key, type LayoutPart } from './wire';

/** A part of the page: the siblings from `first` to `last`, and what heads it, or itself. */
export interface Part {
  readonly first: Element;
  readonly last: Element;
  readonly head: Element;
  readonly key: Key;
}

/** A section of the present view, as modules see it. */
export interface Section {
  readonly part: Part;
  readonly timeMs: number;
  readonly flags: number;
}

/** What a module hears: its name, and what belongs to it. */
export type News =
  /** A new view began. */
  | ['view']
  /** The view is about to be reported for the last time, as far as anyone knows: say what is left. */
  | ['end']
  /** A click was taken: its kind, and when, ms since the view began. */
  | ['click', element: Element, kind: number, sinceMs: number]
  /** `jalki(name, …)` was called, and it is not a command of the core. */
  | ['call', ...unknown[]]
  /** A batch was sent, and this is the status of its answer; 0: none. */
  | ['sent', Batch, number]
  /** Nothing is recorded any more. */
  | ['stop'];

/** What is known of the site, and may change. */
export interface Site {
  siteKey: string;
  /** Settings of the site: 1 signals, 2 consent first, 4 hash routes, 8 record in spite of GPC and DNT. */
  flags: number;
  /** Where batches are posted. */
  endpoint: string;
  /** Kept visitor id, 32 hexadecimal digits; empty in the counting mode. */
  user: string;
}

type AddSignal = (
  kind: number,
  element: Element | null,
  value?: number,
  extra?: number,
  text?: string,
  atMs?: number,
) => void;
type AddPlace = (element: Element, place: Place, kind: number) => void;

/** What the core hands to a module: in this order, what `Host` says. `look` reads what is replaced from view to view. */
export type Offer = readonly [
  site: Site,
  calls: readonly unknown[][],
  hearers: ((...news: News) => void)[],
  waiting: readonly Batch[],
  look: () => readonly [(element: Element) => Key, ReadonlyMap<Key, Measured>, readonly Element[]],
  addSignal: AddSignal,
  takeClick: AddPlace,
  addMove: (element: Element, place: Place, atMs: number) => void,
  act: (atMs: number) => void,
  openBatch: () => Batch,
  push: (batch: Batch) => void,
  stop: () => void,
  mark: (bits: number) => void,
];

/** The core, as modules see it. */
export interface Host extends Site {
  /** Calls that came before a module could hear them: [clockMs, name, …]. */
  readonly calls: readonly unknown[][];
  /** Batches without an answer. */
  readonly waiting: readonly Batch[];
  /** Returns the key of an element in the present view. */
  identify(element: Element): Key;
  /** Returns what a person would say was pressed. */
  pressed(innermost: Element): Element;
  /** Returns whether nothing is to be recorded there. */
  isIgnored(element: Element): boolean;
  /** Records a signal of the present view; `atMs` is on `clockMs`, now unless given. */
  readonly signal: AddSignal;
  /** Records a click, a place of the pointer or an act that the core cannot see: in a frame, of a video. */
  readonly click: AddPlace;
  move(element: Element, place: Place, atMs: number): void;
  act(atMs: number): void;
  /** The sections of the present view, as last measured. */
  sections(): readonly Section[];
  /** Elements clicked in the present view, at most 100. */
  acted(): readonly Element[];
  /** Sends a layout, with the keys that it names, and what is known of the present view. */
  push(part: { l: LayoutPart }, dictionary: Dictionary): void;
  /** Sends a batch of another page. */
  send(batch: Batch): void;
  /** Calls `hear` with all news from now on. */
  watch(hear: (...news: News) => void): void;
  /** Ends all recording on this page. */
  stop(): void;
  /** Adds marks of automation. */
  mark(bits: number): void;
  /** Set by a module: more of what a click's kind says. */
  traitsOf?: (element: Element, event: MouseEvent) => number;
  /** Set by a module: a body made smaller, without a type; undefined where it would not be. */
  pack?: (body: string) => Promise<Blob | undefined>;
}

/** Returns the host that `offer` makes. */
export function asHost(offer: Offer): Host {
  const [site, calls, hearers, waiting, look, signal, click, move, act, openBatch, send, stop, mark] = offer;
  const own = {
    calls,
    waiting,
    signal,
    click,
    move,
    act,
    send,
    stop,
    mark,
    isIgnored,
    pressed: pressedElement,
    identify: (element: Element) => look()[0](element),
    sections: () => [...look()[1]].filter(([, { bottom }]) => bottom).map(asSection),
    acted: () => look()[2],
    push(part: { l: LayoutPart }, dictionary: Dictionary) {
      const { w, ...batch } = openBatch();
      const [exit] = [...look()[1]].sort(([, one], [, other]) => other.px - one.px);
      const x = exit?.[1].px ? indexOf(exit[0], dictionary) : undefined;
      send({ ...batch, ...part, w: { ...w, x }, g: [readGeometry()], d: dictionary.entries });
    },
    watch(hear: (...news: News) => void) {
      hearers.push(hear);
    },
  };
  // The site stays the core's own object: what a module changes there, the core sees.
  return Object.assign(site, own);
}

function asSection([key, { part, ms, flags }]: readonly [Key, Measured]): Section {
  const [head, first, last] = part;
  return { part: { key, head, first, last }, timeMs: ms, flags };
}

/** A module that is loaded later, as the core sees it. */
export interface Module {
  start(offer: Offer): void;
}

/** What differs from one way of installing to another. */
export interface Config {
  readonly endpoint: string;
  readonly siteKey: string;
  /** `FLAGS,param,param…` */
  readonly site: string;
  load(name: string): Promise<Module>;
}
