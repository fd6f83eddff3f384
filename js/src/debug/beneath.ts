/** What is known of the element under the pointer, and what of it is recorded. */

import { createIdentify, pressedElement } from '../element';
import type { Host, Section } from '../host';
import { isMasked, labelOf, roleOf, sectionTitle } from '../layout/labels';
import { isIgnored } from '../screen';
import type { Key } from '../wire';

/** How much of an element is recorded. */
export type Extent = 'recorded' | 'field' | 'masked' | 'ignored' | 'foreign';

/** One element as the recording sees it. */
export interface Beneath {
  readonly element: Element;
  readonly key: string;
  readonly extent: Extent;
  /** Its words as they may leave the page; empty: none do. */
  readonly words: string;
  readonly section: string;
}

/** What each extent means to the owner of the page. */
export const EXTENTS: Record<Extent, readonly [string, string]> = {
  recorded: ['recorded', ''],
  field: ['field', 'Clicks, focus and times are recorded; what stands or is typed in it never is.'],
  masked: ['words masked', 'Clicks and moves are recorded; words in data-jalki-mask are never read.'],
  ignored: [
    'ignored',
    'Nothing inside data-jalki-ignore is recorded. A click there only shows that somebody is there.',
  ],
  foreign: ['not seen', 'A frame of another origin: the browser tells this page nothing of what happens in it.'],
};

const FIELD = 'input:not([type=button],[type=submit],[type=reset],[type=image]),select,textarea,[role=textbox]';

/** Returns what is known of the innermost element under the pointer. */
export function inspect(innermost: Element, host: Host): Beneath {
  const element = pressedElement(innermost);
  const extent = extentOf(element, innermost);
  const isSilent = extent === 'ignored' || extent === 'foreign';
  return {
    element,
    extent,
    key: extent === 'ignored' ? '' : keyOf(element, host),
    words: isSilent || extent === 'field' ? '' : labelOf(element, roleOf(element)),
    section: isSilent ? '' : sectionOf(element, host),
  };
}

/** Returns the key of an element; where no view was begun it is the one that it would have. */
export function keyOf(element: Element, host: Host): Key {
  try {
    return host.identify(element) || createIdentify()(element);
  } catch {
    return createIdentify()(element);
  }
}

/** Returns whether the page may not look into a frame. */
export function isForeign(element: Element): boolean {
  return /^i?frame$/.test(element.localName) && !(element as HTMLIFrameElement).contentDocument;
}

function extentOf(element: Element, innermost: Element): Extent {
  if (isIgnored(innermost)) return 'ignored';
  if (isForeign(element)) return 'foreign';
  if (element.matches(FIELD) || (element as HTMLElement).isContentEditable) return 'field';
  return isMasked(element) ? 'masked' : 'recorded';
}

function sectionOf(element: Element, host: Host): string {
  const found = host.sections().find(({ part }) => {
    for (let member: Element | null = part.first; member; member = member.nextElementSibling) {
      if (member.contains(element)) return true;
      if (member === part.last) return false;
    }
    return false;
  });
  return found ? sectionName(found) : '';
}

/** Returns what a person calls a section: its heading, else the last step of its key. */
export function sectionName({ part }: Section): string {
  return sectionTitle(part.head) || (part.key.split('>').pop() ?? '');
}
