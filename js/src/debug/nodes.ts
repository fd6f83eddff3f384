/** Builds the overlay's nodes: never from markup, which a page's Trusted Types would refuse. */

/** Returns an element with a class and with children; texts are set as texts. */
export function make<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  className: string,
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

/** Returns a button that calls `pressed`; `label` is what it is called where its text is a sign. */
export function makeButton(className: string, text: string, label: string, pressed: () => void): HTMLButtonElement {
  const button = make('button', className, text);
  button.type = 'button';
  if (label !== text) nameIt(button, label);
  button.addEventListener('click', pressed);
  return button;
}

/** Says what an element is called where its text does not. */
export function nameIt(element: HTMLElement, label: string): void {
  element.title = label;
  setAria(element, 'label', label);
}

/** Sets an ARIA attribute; Firefox before 119 knows them only as attributes. */
export function setAria(element: Element, name: string, value: string): void {
  element.setAttribute(`aria-${name}`, value);
}

/** Returns whether an ARIA attribute says true. */
export function isAria(element: Element, name: string): boolean {
  return element.getAttribute(`aria-${name}`) === 'true';
}

/** Sets a text where it differs, so that what stands still is not drawn anew. */
export function say(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
