/** Which slide of a carousel is shown, from what is written for assistive technology. */

/** Carousels: those that say so, and those of the libraries that do not. */
export const CAROUSEL =
  '[aria-roledescription=carousel],.carousel,.swiper,.splide,.glide,.slick-slider,.flickity-enabled';
const SLIDES = '[aria-roledescription=slide]';
/** What marks the present slide among its buttons, or the slide itself. */
const CURRENT = '[aria-current=true],[role=tab][aria-selected=true]';
/** Slides looked at, and levels between a button and its row, at most. */
const MAX_SLIDES = 50;
const MAX_LEVELS = 3;

/** Returns the index of the slide that `carousel` shows, from 0; -1: it does not tell. May read the layout. */
export function slideOf(carousel: Element): number {
  const current = carousel.querySelector(CURRENT);
  if (current) return indexInRow(current);
  const slides = [...carousel.querySelectorAll(SLIDES)].slice(0, MAX_SLIDES);
  return slides.findIndex((slide) => slide.getAttribute('aria-hidden') !== 'true' && slide.getClientRects().length > 0);
}

/** The place of a button, or of the list item that holds nothing else, in its row. */
function indexInRow(button: Element): number {
  let item = button;
  for (let level = 0; level < MAX_LEVELS && item.parentElement?.childElementCount === 1; level++) {
    item = item.parentElement;
  }
  let index = 0;
  for (let before = item.previousElementSibling; before && index < MAX_SLIDES; before = before.previousElementSibling) {
    if (before.localName === item.localName) index++;
  }
  return index;
}
