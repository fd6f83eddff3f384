/** Words of the page as they may leave it: on one line, bounded, without what could name or reach a person. */
import { impersonal } from './signals/personal';
import { plainText } from './wire';

/** Text read of one element, characters, and pieces of it at most, so that a huge one costs nothing. */
const MAX_CHARS = 400;
const MAX_PARTS = 400;
/** Elements that stand within a line; the borders of all others part words, as `<br>` does. */
const INLINE =
  /^(a|abbr|b|bdi|bdo|cite|code|data|del|dfn|em|font|i|ins|kbd|label|mark|q|s|samp|slot|small|span|strong|sub|sup|time|tspan|u|var|wbr)$/;
/** Elements whose text nobody reads, or that somebody typed. */
const SILENT = /^(script|style|noscript|template|textarea|select)$/;
const LEFT_ALONE =
  '[data-jalki-mask],[data-jalki-ignore],[contenteditable=""],[contenteditable=true],[contenteditable=plaintext-only],[role=textbox]';

/** Returns the text inside `element` with a space at each line break and block border. Not innerText: that forces layout. */
export function textOf(element: Element): string {
  const parts: string[] = [];
  collect(element, parts);
  return plainText(parts.join('').slice(0, MAX_CHARS));
}

function collect(parent: Node, parts: string[]): void {
  for (let node = parent.firstChild; node && parts.length < MAX_PARTS; node = node.nextSibling) {
    // Not instanceof: a node may be of a frame's realm.
    if (node.nodeType === Node.TEXT_NODE) parts.push((node as Text).data.slice(0, MAX_CHARS));
    if (node.nodeType !== Node.ELEMENT_NODE || isSilent(node as Element)) continue;
    const border = INLINE.test((node as Element).localName) ? '' : ' ';
    parts.push(border);
    collect(node, parts);
    parts.push(border);
  }
}

/** Returns whether the words of an element are somebody's, or the site wants them left alone. */
function isSilent(element: Element): boolean {
  return SILENT.test(element.localName) || element.matches(LEFT_ALONE);
}

/** Returns `text` on one line without what looks like it names or reaches a person, and without long numbers, cut to `chars`. */
export function masked(text: string, chars: number): string {
  return impersonal(plainText(text))
    .replace(/\d[\d .-]{3,}\d/g, '…')
    .slice(0, chars);
}
