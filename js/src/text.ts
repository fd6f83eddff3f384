/** Words of the page as they may leave it: on one line, bounded, without what could name or reach a person. */
import { plainText } from './wire';

/** Text read of one element, characters, and pieces of it at most, so that a huge one costs nothing. */
const MAX_CHARS = 400;
const MAX_PARTS = 400;
/** Elements that stand within a line; the borders of all others part words, as `<br>` does. */
const INLINE =
  /^(a|abbr|b|bdi|bdo|cite|code|data|del|dfn|em|font|i|ins|kbd|label|mark|q|s|samp|slot|small|span|strong|sub|sup|time|tspan|u|var|wbr)$/;
/** Elements whose text nobody reads, or that somebody typed. */
const SILENT = /^(script|style|noscript|template|textarea|select)$/;

/** Returns the text inside `element` with a space at each line break and block border. Not innerText: that forces layout. */
export function textOf(element: Element): string {
  const parts: string[] = [];
  collect(element, parts);
  return plainText(parts.join('').slice(0, MAX_CHARS));
}

function collect(parent: Node, parts: string[]): void {
  for (let node = parent.firstChild; node && parts.length < MAX_PARTS; node = node.nextSibling) {
    if (node instanceof Text) parts.push(node.data.slice(0, MAX_CHARS));
    if (!(node instanceof Element) || SILENT.test(node.localName)) continue;
    const border = INLINE.test(node.localName) ? '' : ' ';
    parts.push(border);
    collect(node, parts);
    parts.push(border);
  }
}

/** Returns `text` on one line without e-mail addresses and long runs of digits, cut to `chars`. */
export function masked(text: string, chars: number): string {
  return plainText(text)
    .replace(/[^\s@<>]+@[^\s@<>]+/g, '…@…')
    .replace(/\d[\d .-]{3,}\d/g, '…')
    .slice(0, chars);
}
