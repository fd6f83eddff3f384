/** Printing: that the page was printed, or saved as a document. */
import { listen } from '../guard';
import { PRINT } from '../kinds';
import { say } from './desk';

/** Says that the page is about to be printed. */
export function observePrint(): void {
  listen('beforeprint', () => say(PRINT, null));
}
