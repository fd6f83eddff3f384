/** Videos that play in view keep a visitor engaged who does nothing else. */
import { listen } from '../guard';
import { clockMs } from '../screen';
import { host } from './desk';

/** A visitor counts as engaged this long after an act, ms; … */
const IDLE_MS = 5000;
/** … a watched video for this long after each `timeupdate`, which browsers send four times a second. */
const WATCHED_MS = 1000;

/** Tells the core of each video that is watched. */
export function observeVideos(root: Document): void {
  listen(
    'timeupdate',
    ({ target }) => {
      if (isWatched(target as HTMLVideoElement)) host.act(clockMs() - IDLE_MS + WATCHED_MS);
    },
    root,
  );
}

/** Returns whether a video plays in view and is more than decoration, which loops without a sound. */
function isWatched(video: HTMLVideoElement): boolean {
  if (video.localName !== 'video' || video.paused || (video.loop && video.muted)) return false;
  const { top, bottom } = video.getBoundingClientRect();
  return bottom > 0 && top < innerHeight;
}
