/** Boxes over the page: its sections, what is left out of the recording, and the element under the pointer. */
import type { Host } from '../host';
import { boxOf } from '../layout';
import { isForeign, sectionName } from './beneath';
import { seconds } from './journal';
import { make, say } from './nodes';

/** Boxes of each kind. */
const MAX_BOXES = 100;
const END_SEEN = 2;
const SEEN = 1;

interface Box {
  readonly kind: string;
  readonly label: string;
  /** In the document, px. */
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** The boxes over a page. */
export interface Outlines {
  readonly element: HTMLElement;
  /** Draws all boxes where their elements are now. */
  draw(): void;
  /** Moves the boxes with the page. */
  scroll(): void;
  /** Marks one element, or none. */
  point(element: Element | null): void;
}

/** Returns boxes that are not drawn yet. */
export function openOutlines(host: Host): Outlines {
  const moving = make('div', '');
  const pointed = make('div', 'box beneath-pointer');
  pointed.hidden = true;
  const nodes: HTMLElement[] = [];
  const place = (node: HTMLElement, { left, top, width, height }: Omit<Box, 'kind' | 'label'>) => {
    node.style.transform = `translate(${Math.round(left)}px,${Math.round(top)}px)`;
    node.style.width = `${Math.round(width)}px`;
    node.style.height = `${Math.round(height)}px`;
  };
  const outlines: Outlines = {
    element: make('div', 'outlines', moving, pointed),
    draw() {
      const boxes = [...sectionBoxes(host), ...leftOut()];
      while (nodes.length < boxes.length) {
        const node = make('div', 'box', make('span', ''));
        nodes.push(node);
        moving.append(node);
      }
      for (const [index, node] of nodes.entries()) {
        const box = boxes[index];
        node.hidden = !box;
        if (!box) continue;
        node.className = `box ${box.kind}`;
        if (node.firstElementChild) say(node.firstElementChild, box.label);
        place(node, box);
      }
      outlines.scroll();
    },
    scroll() {
      moving.style.transform = `translate(${-scrollX}px,${-scrollY}px)`;
    },
    point(element) {
      pointed.hidden = !element;
      if (element) place(pointed, element.getBoundingClientRect());
    },
  };
  outlines.element.setAttribute('aria-hidden', 'true');
  return outlines;
}

function sectionBoxes(host: Host): Box[] {
  return host.sections().map((section) => {
    const { part, timeMs, flags } = section;
    const [left, top, width, height] = boxOf(part);
    const seen = flags & END_SEEN ? ', seen to its end' : flags & SEEN ? ', seen' : '';
    return { kind: 'section', label: `${sectionName(section)} · ${seconds(timeMs)}${seen}`, left, top, width, height };
  });
}

function leftOut(): Box[] {
  const found = (selector: string) => [...document.querySelectorAll(selector)].slice(0, MAX_BOXES);
  // The overlay is ignored itself.
  const ignored = found('[data-jalki-ignore]').filter((element) => element.localName !== 'jalki-debug');
  return [
    ...ignored.map((element) => partBox(element, 'ignored', 'ignored')),
    ...found('[data-jalki-mask]').map((element) => partBox(element, 'masked', 'words masked')),
    ...found('iframe,frame')
      .filter(isForeign)
      .map((element) => partBox(element, 'foreign', 'frame of another origin')),
  ];
}

function partBox(element: Element, kind: string, label: string): Box {
  const { left, top, width, height } = element.getBoundingClientRect();
  return { kind, label, left: left + scrollX, top: top + scrollY, width, height };
}
