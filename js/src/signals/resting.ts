/** Work for when something has come to rest. */
import { after, whenIdle } from '../guard';

/** Returns a function that has `work` done in idle time once nobody has called it for `ms`. */
export function whenResting(ms: number, work: () => void): () => void {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = after(ms, () => whenIdle(work));
  };
}
