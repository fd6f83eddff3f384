/**
 * What the browser keeps once the visitor agreed: a random id, and batches that a page could not send before it went. Without
 * that consent nothing is written. A module of its own, loaded where an id is kept or the site calls `jalki('consent', …)`.
 */
import { guarded, listen, whenIdle } from './guard';
import type { Host } from './host';
import { dropBatch, KEPT, keepBatches, read, readBatches, write } from './kept';
import { isVisible } from './screen';
import { randomHex } from './wire';

/** Where the id is. */
const ID = 'jalki';
const IN_SPITE = 8;
const IS_ID = /^[\da-f]{32}$/;

let isStarted = false;

/** Follows the site's calls of `jalki('consent', …)`, those of before included. */
export function start(host: Host): void {
  // The core asks for this module at each call.
  if (isStarted) return;
  isStarted = true;
  /** Batches of earlier pages that have no answer yet, and what to do when they have. */
  const taken = new Set<string>();
  let release = () => {};

  const isGranted = () => host.user !== '' && read(ID) === host.user;
  const keep = () => {
    if (isGranted() && !isDebugged(host)) keepBatches(host.waiting);
  };
  const take = () => {
    for (const batch of readBatches()) {
      const isWaiting = host.waiting.some(({ b }) => b === batch.b);
      if (batch.k !== host.siteKey || isWaiting) continue;
      taken.add(batch.b);
      host.send(batch);
    }
  };
  const holdUntilAnswered = (end: () => void) => {
    if (taken.size) release = end;
    else end();
  };
  const grant = () => {
    if (isRefused(host)) return;
    const known = read(ID) ?? '';
    const id = IS_ID.test(known) ? known : randomHex(16);
    // An id that is not kept would make a new visitor of each page.
    host.user = write(ID, id) ? id : '';
    if (host.user && !isDebugged(host)) alone(take, holdUntilAnswered);
  };
  const forget = () => {
    host.user = '';
    write(ID, null);
    write(KEPT, null);
  };
  const decide = (word: unknown) => {
    if (word === 'granted') grant();
    // After `denied` the core itself sends nothing more.
    if (word === 'counting' || word === 'denied') forget();
  };
  const onSent = (id: string, status: number) => {
    // As in the queue: these are tried again. Whoever closes the browser meanwhile has not lost them.
    if (!status || status === 429 || status >= 500) return whenIdle(keep);
    if (isGranted() && !isDebugged(host)) dropBatch(id);
    if (taken.delete(id) && !taken.size) release();
  };

  host.watch((...news) => {
    if (news[0] === 'call' && news[1] === 'consent') decide(news[2]);
    if (news[0] === 'sent') onSent(news[1].b, news[2]);
  });
  // After the core's own listeners, which put the last report among what waits.
  listen('visibilitychange pagehide', ({ type }) => {
    if (type !== 'pagehide' && isVisible()) return;
    keep();
    // A page that holds a lock cannot be restored from the back/forward cache.
    release();
  });
  listen('storage', ({ key, newValue }: StorageEvent) => {
    // Another tab took the consent back, or was given it a moment later.
    if (host.user && (key === ID || key === null)) host.user = IS_ID.test(newValue ?? '') ? `${newValue}` : '';
  });
  for (const [, name, word] of host.calls) if (name === 'consent') decide(word);
}

/** A browser that asks not to be followed is given no id: nothing is recorded there, unless the site does so in spite of it. */
function isRefused({ flags }: Host): boolean {
  const { doNotTrack, globalPrivacyControl } = navigator as Navigator & { globalPrivacyControl?: boolean };
  return (globalPrivacyControl === true || doNotTrack === '1') && !(flags & IN_SPITE);
}

/** What is sent by a page that an owner inspects is answered and not stored. */
function isDebugged(host: Host): boolean {
  return /[?&]d=1/.test(host.endpoint);
}

/**
 * Does `work` in one tab at a time where the browser has Web Locks (Safari from 15.4 on, and only with https); a tab that comes
 * second leaves it to the first. `held` is told how to let the others in. Without locks, the ids of the batches keep what two
 * tabs send from being counted twice.
 */
function alone(work: () => void, held: (end: () => void) => void): void {
  const holding = async (lock: Lock | null) => {
    if (!lock) return;
    guarded(work)();
    await new Promise<void>(held);
  };
  if (navigator.locks) navigator.locks.request(KEPT, { ifAvailable: true }, holding).catch(() => {});
  else work();
}
