/** The desk where all observers of this module meet the core: they hear its news there, and say their signals, bounded. */
import { guarded } from '../guard';
import type { Host, News } from '../host';
import { isIgnored } from '../screen';

/** Signals of one kind in a view at most; a page that opens and closes something for ever says no more after that. */
const MAX_OF_A_KIND = 100;

/** What is heard with each kind of news. */
type Told<Name> = Extract<News, readonly [Name, ...unknown[]]> extends readonly [unknown, ...infer Rest] ? Rest : never;
interface Hearer {
  readonly name: string;
  readonly heard: (...told: never[]) => void;
  readonly root: Document;
}

/** The core. */
export let host: Host;
let hearers: Hearer[] = [];
let counts: Record<number, number> = {};

/** Opens the desk; before that nothing else of this module may be called. */
export function openDesk(core: Host): void {
  host = core;
  host.watch((name, ...told) => {
    if (name === 'view') {
      counts = {};
      // Documents of frames go, and those with them who watched them.
      hearers = hearers.filter(({ root }) => root.defaultView);
    }
    for (const hearer of hearers) if (hearer.name === name) guarded(hearer.heard)(...(told as never[]));
  });
}

/** Calls `heard` with the core's news of one name, for as long as `root` is shown. */
export function hear<Name extends News[0]>(
  name: Name,
  heard: (...told: Told<Name>) => void,
  root: Document = document,
): void {
  hearers.push({ name, heard: heard as unknown as Hearer['heard'], root });
}

/**
 * Says a signal, unless the site wants its element ignored: `value`, `extra` and `text` are what its kind takes them for; `atMs` is
 * on the page's clock, now unless given.
 */
export function say(kind: number, element: Element | null, value = 0, extra = 0, text = '', atMs?: number): void {
  const count = (counts[kind] ?? 0) + 1;
  if (count > MAX_OF_A_KIND || (element && isIgnored(element))) return;
  counts[kind] = count;
  host.signal(kind, element, Math.round(value), Math.round(extra), text, atMs);
}
