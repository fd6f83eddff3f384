/** What an element of a layout is, and what may be said of it: its accessible name, never what somebody typed. */
import { INTERACTIVE } from '../element';
import { masked, textOf } from '../text';
import { frameOf } from './frames';

export const TEXT = 0;
export const LINK = 1;
export const BUTTON = 2;
export const FIELD = 3;
export const IMAGE = 4;
export const HEADING = 5;
export const LANDMARK = 6;
export const MEDIA = 7;

const HEADING_CHARS = 80;
const LABEL_CHARS = 32;

const HEADINGS = 'h1,h2,h3,h4,h5,h6,[role=heading]';
const LANDMARKS =
  'main,header,footer,nav,aside,section,article,form,dialog,[role=main],[role=banner],[role=navigation],[data-jalki-section]';
export const IMAGES = 'img,svg';
const MEDIAS = 'video,audio,canvas,iframe,embed,object';
const BLOCKS = 'p,li,td,th,pre,blockquote,dt,dd,figcaption,label';
const FIELDS =
  'input,select,textarea,[contenteditable=""],[contenteditable=true],[role=textbox],[role=combobox],[role=checkbox],[role=radio],[role=switch],[role=slider]';
const BUTTONS = 'button,summary,input[type=button],input[type=submit],input[type=reset],input[type=image]';

/** What a layout shows, the most useful first. */
const RANKS = [INTERACTIVE, HEADINGS, LANDMARKS, `${IMAGES},${MEDIAS}`, BLOCKS];
const ANY = RANKS.join();

/** Ranks of elements in a layout. */
export const RANK_COUNT = RANKS.length;

/** Returns the place of an element among what a layout shows, 0: the first; −1: it shows nothing of it. */
export function rankOf(element: Element): number {
  return element.matches(ANY) ? RANKS.findIndex((rank) => element.matches(rank)) : -1;
}

/** Returns the role of an element, as on the wire. */
export function roleOf(element: Element): number {
  if (element.matches(BUTTONS)) return BUTTON;
  if (element.matches(FIELDS)) return FIELD;
  if (element.matches('a[href],[role=link]')) return LINK;
  if (element.matches(HEADINGS)) return HEADING;
  if (element.matches(IMAGES)) return IMAGE;
  if (element.matches(MEDIAS)) return MEDIA;
  if (element.matches(LANDMARKS)) return LANDMARK;
  return element.matches(INTERACTIVE) && element.localName !== 'label' ? BUTTON : TEXT;
}

/** Returns the words of a heading, a link, a button or a picture; nothing of a field, and nothing where words are masked. */
export function labelOf(element: Element, role: number): string {
  if (isMasked(element)) return '';
  if (role === HEADING) return masked(textOf(element), HEADING_CHARS);
  if (role === IMAGE || role === MEDIA) return masked(altOf(element), LABEL_CHARS);
  if ((role !== LINK && role !== BUTTON) || element.localName === 'input') return '';
  const own = element.getAttribute('aria-label') ?? textOf(element);
  const image = own.trim() ? null : element.querySelector(IMAGES);
  return masked(image ? altOf(image) : own, LABEL_CHARS);
}

/** Returns what a section is headed by, given its heading, or itself where it has none. */
export function sectionTitle(head: Element): string {
  if (isMasked(head)) return '';
  const own = head.matches(HEADINGS) ? textOf(head) : head.getAttribute('aria-label');
  return masked(head.getAttribute('data-jalki-section') ?? own ?? '', HEADING_CHARS);
}

/** Returns whether an element stands in a part of the page whose words are not to be read. */
export function isMasked(element: Element): boolean {
  for (let next: Element | null = element; next; next = ownerOf(next)) {
    if (next.closest('[data-jalki-mask]')) return true;
  }
  return false;
}

/** The host of the shadow root, or the frame, that an element stands in. */
function ownerOf(element: Element): Element | null {
  return (element.getRootNode() as ShadowRoot).host ?? frameOf(element);
}

/** What the page says instead of a picture; nothing where it is decoration. */
function altOf(image: Element): string {
  const said = (name: string) => image.getAttribute(name);
  return said('aria-label') || said('alt') || image.querySelector(':scope>title')?.textContent || said('title') || '';
}
