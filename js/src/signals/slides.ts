/** Which slide of a carousel is shown, from what is written for assistive technology. */

/** Carousels: those that say so, and those of the libraries that do not. */
export const CAROUSEL =
  '[aria-roledescription=carousel],.carousel,.swiper,.splide,.glide,.slick-slider,.flickity-enabled';
const SLIDES = '[aria-roledescription=slide]';
/** What marks the present slide among its buttons, or the slide itself. */
const CURRENT = '[aria-current=true],[role=tab][aria-selected=true]';
/** Slides looked at, at most. */
const MAX_SLIDES = 50;

/** Returns the index of the slide that `carousel` shows, from 0; -1: it does not tell. May read the layout. */
export function slideOf(carousel: Element): number {
  const current = carousel.querySelector(CURRENT);
  if (current) return indexInRow(current);
  const slides = [...carousel.querySelectorAll(SLIDES)].slice(0, MAX_SLIDES);
  return slides.findIndex((slide) => slide.getAttribute('aria-hidden') !== 'true' && slide.getClientRects().length > 0);
}

/** The place of a button, or of the list item that holds nothing else, in its row. */
function indexInRow(button: Element): number {
  const around = button.parentElement;
  if (around?.childElementCount === 1) return indexInRow(around);
  const row = [...(around?.children ?? [])].slice(0, MAX_SLIDES);
  return row.filter(({ localName }) => localName === button.localName).indexOf(button);
}
