/** Same-origin frames: what stands in them is part of the page that shows them. */

/** Returns the frame whose document an element stands in; null: it is the page's own. */
export function frameOf(element: Element): Element | null {
  return element.ownerDocument === document ? null : (element.ownerDocument.defaultView?.frameElement ?? null);
}

/** Returns where the document that an element stands in begins in the viewport of the page, px; a layout read. */
export function originOf(element: Element): [number, number] {
  const frame = frameOf(element);
  if (!frame) return [0, 0];
  const [left, top] = originOf(frame);
  const rect = frame.getBoundingClientRect();
  return [left + rect.left + frame.clientLeft, top + rect.top + frame.clientTop];
}
