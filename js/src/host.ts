/** What the core offers to the modules that it loads later. Types only: the core builds one, in snippet.ts. */
import type { Stop } from './guard';
import type { Section } from './sections';
import type { Batch, Click, Dictionary, Key, LayoutPart } from './wire';

/** What a module hears: its name, and what belongs to it. */
export type News =
  /** A new view began. */
  | ['view']
  /** The view is about to be reported for the last time, as far as anyone knows: say what is left. */
  | ['end']
  /** A click was taken. */
  | ['click', Element, Click]
  /** `jalki(name, …)` was called, and it is not a command of the core. */
  | ['call', ...unknown[]]
  /** A batch was sent, and this is the status of its answer; 0: none. */
  | ['sent', Batch, number];

/** The core, as modules see it. */
export interface Host {
  readonly siteKey: string;
  /** Settings of the site: 1 signals, 2 consent first, 4 hash routes, 8 record in spite of GPC and DNT. */
  readonly flags: number;
  /** Where batches are posted. */
  endpoint: string;
  /** Kept visitor id, 32 hexadecimal digits; empty in the counting mode. */
  user: string;
  /** Calls that came before a module could hear them: [clockMs, name, …]. */
  readonly calls: unknown[][];
  /** Batches without an answer. */
  readonly waiting: () => Batch[];
  /** Returns the key of an element in the present view. */
  identify(element: Element): Key;
  /** Returns what a person would say was pressed. */
  pressed(innermost: Element): Element;
  /** Returns whether nothing is to be recorded there. */
  isIgnored(element: Element): boolean;
  /** Records a signal of the present view; `atMs` is on `clockMs`, now unless given. */
  signal(kind: number, element: Element | null, value?: number, extra?: number, text?: string, atMs?: number): void;
  /** The sections of the present view, as last measured. */
  sections(): readonly Section[];
  /** Elements clicked in the present view, at most 100. */
  acted(): readonly Element[];
  /** Sends a layout with what is known of the present view. */
  push(part: { l: LayoutPart }, dictionary: Dictionary): void;
  /** Sends a batch of another page. */
  send(batch: Batch): void;
  /** Records clicks, moves and acts in the document of a same-origin frame as well. */
  follow(frame: Document): Stop;
  /** Calls `hear` with all news from now on. */
  watch(hear: (...news: News) => void): Stop;
  /** Ends all recording on this page. */
  stop(): void;
}

/** A module that is loaded later. */
export interface Module {
  start(host: Host): void;
}

/** What differs from page to page, and from one way of installing to another. */
export interface Config {
  readonly endpoint: string;
  readonly siteKey: string;
  /** `FLAGS,param,param…` */
  readonly site: string;
  load(name: string): Promise<Module>;
}
