/** The entry: decides whether this page is recorded at all, and wires page, recording and queue together. */
import { guarded, listen } from './guard';
import { observeMarks } from './marks';
import { observePage } from './page';
import { openQueue } from './queue';
import { beginRecording, type Legacy, type Recording } from './recording';
import { isVisible } from './screen';

/** The server puts the site's key here when it serves this script. */
const SITE_KEY = '__JALKI_KEY__';
/** A page opened with this fragment, or in a frame with this attribute, is an owner's preview and never a view. */
const PREVIEW_FRAGMENT = 'jalki-preview';
const PREVIEW_ATTRIBUTE = 'data-jalki-preview';

declare global {
  interface Window {
    jalki?: (command: string) => void;
  }
}

function isPreview(): boolean {
  if (location.hash.includes(PREVIEW_FRAGMENT)) return true;
  // A frame of another origin may not be asked; then it is no preview of ours.
  try {
    return window.frameElement?.hasAttribute(PREVIEW_ATTRIBUTE) ?? false;
  } catch {
    return false;
  }
}

/** Global Privacy Control: the visitor asked not to be followed. */
function isRefused(): boolean {
  return (navigator as Navigator & { globalPrivacyControl?: boolean }).globalPrivacyControl === true;
}

function start(source: string): void {
  // An element with the id `jalki` is also a member of window, but no function.
  if (typeof window.jalki === 'function') return;
  let recording: Recording | null = null;
  let legacy: Legacy | undefined;
  const isSilent = !source || !location.protocol.startsWith('http') || isPreview() || isRefused();
  const stops: (() => void)[] = [];
  window.jalki = guarded((command: string) => {
    if (command !== 'stop') return;
    recording?.end(false);
    recording = null;
    for (const stop of stops.splice(0)) stop();
  });
  if (isSilent) return;

  const queue = openQueue(new URL('../v1/events', source).href, () => recording?.resume());
  const marks = observeMarks();
  const context = { siteKey: SITE_KEY, queue, marks: marks.read, renew: () => pages.renew() };
  const end = (isVoid: boolean) => {
    legacy = recording?.legacy();
    recording?.end(isVoid);
    recording = null;
  };
  const turn = () => {
    recording?.flush(!isVisible());
  };
  const pages = observePage((beginning) => {
    recording = beginRecording(context, beginning, legacy);
  }, end);
  stops.push(
    pages.stop,
    marks.stop,
    listen(document, 'visibilitychange', turn),
    listen(window, 'pagehide', () => recording?.flush(true)),
  );
}

guarded(start)((document.currentScript as HTMLScriptElement | null)?.src ?? '');
