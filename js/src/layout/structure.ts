/**
 * The page's structure as one number, which changes with a redesign and not with another list item, price or visitor. The rule:
 *
 * 1. Landmarks (`main` `header` `footer` `nav` `aside` `section` `article` `form`, or an element with such a role) and h1–h3 count,
 *    each as the path of the landmarks around it: `main>section#faq>h2`.
 * 2. A landmark has its id, mark or test id in its step where that was given by a person and holds no digit. Words never count.
 * 3. A path counts once, in the order of the page. So a second `section` like the first changes nothing.
 * 4. Inside an item of a list (`article`, `li`, `tr`, or such a role) steps have no names and paths have no order.
 * 5. What comes and goes does not count: dialogs, popovers, live regions, fixed boxes that are not header, nav, main or footer,
 *    what is ignored, and what stands in frames.
 */
import { isGenerated } from '../element';

const MAX_PATHS = 500;
/** Steps of a path, with the root. */
const MAX_STEPS = 9;
const TAGS = 'main|header|footer|nav|aside|section|article|form';
const LANDMARK = new RegExp(`^(${TAGS})$`);
const HEADING = /^h[1-3]$/;
const ITEM = /^(article|li|tr|listitem|row|option)$/;
const TRANSIENT =
  'dialog,[role=dialog],[role=alertdialog],[role=alert],[role=status],[aria-live],[aria-modal],[popover]';
const ROLES: Record<string, string> = {
  banner: 'header',
  contentinfo: 'footer',
  navigation: 'nav',
  complementary: 'aside',
  region: 'section',
};
/** Fixed boxes of these kinds belong to the page; others are notices. */
const LASTING = /^(header|nav|main|footer)$/;
const NAMES = ['id', 'data-jalki-section', 'data-jalki-name', 'data-testid', 'data-test', 'data-cy', 'data-qa'];

/** Where an element stands in the structure. */
export interface Site {
  readonly path: string;
  readonly isItem: boolean;
  readonly isOut: boolean;
}

/** The structure of a page, while it is being walked. */
export interface Structure {
  /** Notes an element and returns where what is in it stands. */
  enter(element: Element, above: Site): Site;
  /** Returns the hash of what was noted, 0 … 2^32−1. */
  hash(): number;
}

/** Where the root of a page stands. */
export const TOP: Site = { path: '', isItem: false, isOut: false };

/** Returns a structure in which nothing was noted yet. */
export function openStructure(): Structure {
  const ordered = new Set<string>();
  const unordered = new Set<string>();
  const note = (path: string, isItem: boolean) => {
    const paths = isItem ? unordered : ordered;
    if (paths.size < MAX_PATHS && path.split('>').length <= MAX_STEPS) paths.add(path);
  };
  return {
    enter(element, above) {
      if (above.isOut) return above;
      const kind = kindOf(element);
      const isItem = above.isItem || ITEM.test(kind);
      const step = stepOf(element, kind, isItem);
      if (isPassing(element, step && kind)) return { ...above, isOut: true };
      const path = step ? `${above.path}>${step}` : above.path;
      if (step) note(path, isItem);
      return { path: HEADING.test(kind) ? above.path : path, isItem, isOut: false };
    },
    hash: () => hashOf([...ordered, '', ...[...unordered].sort()].join('\n')),
  };
}

function kindOf(element: Element): string {
  const role = element.getAttribute('role');
  if (!role) return element.localName;
  return role === 'heading' ? `h${element.getAttribute('aria-level') ?? 2}` : (ROLES[role] ?? role);
}

/** The step of what counts; nothing for all else. */
function stepOf(element: Element, kind: string, isItem: boolean): string {
  if (HEADING.test(kind)) return kind;
  if (!LANDMARK.test(kind)) return '';
  return isItem ? kind : kind + nameOf(element);
}

function nameOf(element: Element): string {
  for (const attribute of NAMES) {
    const name = element.getAttribute(attribute);
    if (name && name.length <= 60 && !/\d/.test(name) && !isGenerated(name)) return `#${name}`;
  }
  return '';
}

/** Returns whether an element comes and goes; `kind`: of one that would count, for which the boxes around it are looked at. */
function isPassing(element: Element, kind: string): boolean {
  if (element.ownerDocument !== document || element.matches(TRANSIENT)) return true;
  let next: Element | null = element;
  for (let step = kind; step && next && !LASTING.test(step); step = next ? kindOf(next) : '') {
    if (getComputedStyle(next).position === 'fixed') return true;
    next = next.parentElement;
  }
  return false;
}

/** FNV-1a with 32 bits over UTF-16 code units (http://www.isthe.com/chongo/tech/comp/fnv/). */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
