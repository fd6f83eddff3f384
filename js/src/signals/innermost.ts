/** Where an event happened. */

/** Returns the innermost element of an event, in open shadow roots as well; undefined where it is the document's own. */
export function innermostOf(event: Event): Element | undefined {
  const [node] = event.composedPath();
  // Not instanceof: an element of a frame is of another realm.
  return (node as Node).nodeType === 1 ? (node as Element) : undefined;
}
