/** What the site's own code says: variants of its tests, and events. Bounded, and masked where it looks personal. */
import { EVENT, VARIANT } from '../kinds';
import { clockMs } from '../screen';
import { encode, plainText } from '../wire';
import { hear, host, say } from './desk';
import { impersonal } from './personal';

/** Characters of a name, of a text, and of all properties of an event as JSON. */
const MAX_NAME_CHARS = 60;
const MAX_TEXT_CHARS = 200;
const MAX_JSON_CHARS = 400;
/** Tests that a page takes part in at once. */
const MAX_VARIANTS = 10;

type Flat = string | number | boolean | null;

/** Says each call of `jalki('variant', name, value)` and `jalki('event', name, props)`; a variant holds for all views that follow. */
export function observeCalls(): void {
  const variants = new Map<string, string>();
  const sayVariant = (name: string, value: string) => say(VARIANT, null, 0, 0, `${name}=${value}`);
  const take = (atMs: number, [command, what, detail]: readonly unknown[]) => {
    const name = shortText(what, MAX_NAME_CHARS).replace(/[={]/g, ' ').trim();
    if (!name) return;
    if (command === 'event') say(EVENT, null, 0, 0, name + propsText(detail), atMs);
    const value = shortText(detail, MAX_TEXT_CHARS);
    const isNew = variants.has(name) || variants.size < MAX_VARIANTS;
    if (command !== 'variant' || !value || !isNew || variants.get(name) === value) return;
    variants.set(name, value);
    sayVariant(name, value);
  };
  for (const [atMs, ...call] of host.calls) take(Number(atMs), call);
  hear('call', (...call) => take(clockMs(), call));
  hear('view', () => {
    for (const variant of variants) sayVariant(...variant);
  });
}

/** A text, number or truth as it may leave the page; empty for all else. */
function shortText(value: unknown, chars: number): string {
  return /^(string|number|boolean)$/.test(typeof value) ? impersonal(plainText(`${value}`)).slice(0, chars) : '';
}

/** A space and the flat properties as JSON, as many as fit; empty where there are none. */
function propsText(props: unknown): string {
  if (typeof props !== 'object' || !props) return '';
  const kept: Record<string, Flat> = {};
  let text = '';
  for (const [name, value] of Object.entries(props)) {
    const shown = flat(value);
    if (shown === undefined) continue;
    kept[shortText(name, MAX_NAME_CHARS)] = shown;
    const json = encode(kept);
    if (json.length > MAX_JSON_CHARS) break;
    text = ` ${json}`;
  }
  return text;
}

/** A property as it may leave the page: a number that looks like somebody's becomes a masked text. Undefined: not at all. */
function flat(value: unknown): Flat | undefined {
  if (value === null || typeof value === 'boolean') return value;
  if (typeof value !== 'string' && !(typeof value === 'number' && Number.isFinite(value))) return undefined;
  const text = shortText(value, MAX_TEXT_CHARS);
  return text === `${value}` ? value : text;
}
