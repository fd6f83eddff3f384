/** Turning the device. */
import { listen } from '../guard';
import { ORIENTATION } from '../kinds';
import { say } from './desk';

/** Says the angle of the screen after each turn, degrees from how the device stands by itself. */
export function observeOrientation(): void {
  // Safari has it from 16.4 on.
  const { orientation } = screen as Partial<Screen>;
  const angleNow = () =>
    orientation?.angle ?? (((window as Window & { orientation?: number }).orientation ?? 0) + 360) % 360;
  let angle = angleNow();
  const look = () => {
    const now = angleNow();
    // A window that grows wide is no turn.
    if (now !== angle) say(ORIENTATION, null, now);
    angle = now;
  };
  if (orientation) listen('change', look, orientation);
  else listen('orientationchange', look);
}
