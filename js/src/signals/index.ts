/** The module of signals: loaded when the page is idle, it watches for all that is not the core's, in the page and its frames. */
import { guarded, stopAll, watchFaults } from '../guard';
import type { Host } from '../host';
import { FAULT } from '../kinds';
import { traitsOf } from '../traits';
import { observeAutomation } from './automation';
import { observeButtons } from './buttons';
import { observeCalls } from './calls';
import { hear, openDesk, say } from './desk';
import { observeFields } from './fields';
import { observeFirsts } from './firsts';
import { observeFrames } from './frames';
import { observeHesitation } from './hesitation';
import { observeLinks } from './links';
import { observeOrientation } from './orientation';
import { pack } from './packing';
import { observePrint } from './print';
import { observeScrollers } from './scrollers';
import { observeSelection } from './selection';
import { observeStates } from './states';
import { observeSwipes } from './swipes';
import { observeVideos } from './videos';
import { observeVitals } from './vitals';
import { observeZoom } from './zoom';

const OF_THE_PAGE = [
  observeAutomation,
  observeCalls,
  observeLinks,
  observePrint,
  observeOrientation,
  observeZoom,
  observeVitals,
];
const OF_A_DOCUMENT = [
  observeHesitation,
  observeSwipes,
  observeSelection,
  observeFields,
  observeFirsts,
  observeVideos,
  (root: Document) => observeScrollers(root, observeStates(root)),
  (root: Document) => observeFrames(root, enter),
];

/** Begins to watch; ends when the core does, or after too many faults of its own. */
export function start(host: Host): void {
  openDesk(host);
  host.traitsOf = traitsOf;
  host.pack = pack;
  watchFaults((name) => {
    say(FAULT, null, 0, 0, name);
    stopAll();
  });
  // An observer that cannot begin here must not keep the others from it.
  for (const observe of OF_THE_PAGE) guarded(observe)();
  observeButtons(document);
  enter(document);
  // The last to hear it.
  hear('stop', stopAll);
}

function enter(root: Document): void {
  for (const observe of OF_A_DOCUMENT) guarded(observe)(root);
}
