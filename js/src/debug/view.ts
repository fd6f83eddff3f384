/** Figures of the present view, as they grow. */
import type { Host, News } from '../host';
import { isIgnored } from '../screen';
import { signalEntries } from './journal';
import type { Figures } from './panel';
import type { Said } from './why';

/** Pause between two places of the pointer, ms. */
const MOVE_MS = 100;

/** Counts what happens in the present view. */
export interface View {
  hear(news: News): void;
  said(): Said;
  figures(): Figures;
}

/** Returns counts that begin anew with each view. */
export function openView(host: Host): View {
  let [reportedMs, clicks, signals, deepest] = [0, 0, 0, 0];
  const said: Said = { consent: '', isStopped: false };
  const moves = countMoves();
  return {
    hear(news: News) {
      if (news[0] === 'view') {
        [reportedMs, clicks, signals, deepest] = [0, 0, 0, 0];
        moves.count = 0;
      }
      if (news[0] === 'stop') said.isStopped = true;
      if (news[0] === 'click') clicks++;
      if (news[0] !== 'sent' || !news[2]) return;
      reportedMs = Math.max(reportedMs, news[1].w.e);
      signals += signalEntries(news[1]).length;
    },
    said(): Said {
      for (const [, name, word] of host.calls) {
        if (name === 'consent') said.consent = `${word}`;
        if (name === 'stop') said.isStopped = true;
      }
      return said;
    },
    figures() {
      const heightPx = document.documentElement.scrollHeight;
      deepest = Math.max(deepest, heightPx ? Math.min(1, (scrollY + innerHeight) / heightPx) : 0);
      const sections = host.sections();
      // What the sections in view share is the engaged time, between the reports as well.
      const sharedMs = sections.reduce((sum, { timeMs }) => sum + timeMs, 0);
      const seen = sections.filter(({ flags }) => flags & 1).length;
      return {
        engagedMs: Math.max(reportedMs, sharedMs),
        clicks,
        moves: moves.count,
        signals,
        depthShare: deepest,
        sections: `${seen} / ${sections.length}`,
      };
    },
  };
}

/** Counts places of the pointer as the recording takes them: ten a second at most, none of fingers, none where it is ignored. */
function countMoves(): { count: number } {
  const moves = { count: 0 };
  let takenAt = 0;
  const onMove = (event: PointerEvent) => {
    const innermost = event.composedPath()[0] as Element;
    const isTooSoon = event.timeStamp - takenAt < MOVE_MS;
    if (!event.isTrusted || event.pointerType === 'touch' || isTooSoon || isIgnored(innermost)) return;
    takenAt = event.timeStamp;
    moves.count++;
  };
  addEventListener('pointermove', onMove, { capture: true, passive: true });
  return moves;
}
