/**
 * Batches on their way: one at a time, kept with their id until the collector has answered, tried again with growing pauses.
 * Lives in memory only.
 */
import { guarded, type Stop } from './guard';
import { clockMs } from './screen';
import { type Batch, encode } from './wire';

/** Batches kept while the collector cannot be reached; the oldest gives way. */
const MAX_WAITING = 30;
const FIRST_PAUSE_MS = 1000;
const MAX_PAUSE_MS = 60000;
/** An answer that takes longer is not waited for, ms. */
const ANSWER_MS = 30000;
/** Bodies in flight that may outlive the page, characters: browsers allow 64 KiB in all. */
const MAX_KEEPALIVE_CHARS = 30000;
/** What was sent this recently is on its way and outlives the page, ms. */
const RECENT_MS = 500;

interface Waiting {
  readonly batch: Batch;
  /** Called once the collector has said that it stored the batch; `isWanted`: it would like a layout. */
  readonly stored: (isLayoutWanted: boolean) => void;
  /** When it was last sent, on `clockMs`. */
  sentAt: number;
}

/** Sends batches. */
export interface Queue {
  push(batch: Batch, stored: (isLayoutWanted: boolean) => void): void;
  isEmpty(): boolean;
  /** The page may be about to go: sends everything that has no answer yet, without waiting for one. */
  leave(): void;
  stop: Stop;
}

/** Opens a queue that posts to `endpoint` and calls `emptied` when all is stored. */
export function openQueue(endpoint: string, emptied: () => void): Queue {
  const waiting: Waiting[] = [];
  let isSending = false;
  let failures = 0;
  let timer = 0;

  const sendNext = guarded(() => {
    const first = waiting[0];
    if (isSending || timer || !first) return;
    isSending = true;
    first.sentAt = clockMs();
    // A body that the browser refuses to let outlive the page would be refused each time.
    post(endpoint, first.batch, !failures, (status, response) => {
      isSending = false;
      if (!status || status === 429 || status >= 500) return pause(Number(response?.headers.get('retry-after')) || 0);
      failures = 0;
      remove(first);
      if (status < 300) first.stored(response?.headers.get('x-jalki-want') === 'layout');
      if (waiting.length) sendNext();
      else emptied();
    });
  });
  const pause = (retryAfterS: number) => {
    const pauseMs = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures++);
    timer = window.setTimeout(
      () => {
        timer = 0;
        sendNext();
      },
      Math.max(retryAfterS * 1000, pauseMs * (0.5 + Math.random() / 2)),
    );
  };
  const remove = (item: Waiting) => {
    const index = waiting.indexOf(item);
    if (index >= 0) waiting.splice(index, 1);
  };

  return {
    push(batch, stored) {
      if (waiting.length >= MAX_WAITING) waiting.shift();
      waiting.push({ batch, stored, sentAt: -RECENT_MS });
      sendNext();
    },
    isEmpty: () => !waiting.length,
    leave() {
      const now = clockMs();
      for (const item of waiting) {
        if (item.batch.l || now - item.sentAt < RECENT_MS) continue;
        item.sentAt = now;
        postLast(endpoint, item.batch);
      }
    },
    stop() {
      clearTimeout(timer);
    },
  };
}

function stamped(batch: Batch): string {
  // Pages replace clocks, and not all replacements know whole numbers.
  batch.t = Math.round(Math.max(Date.now(), batch.t));
  return encode(batch);
}

/** Posts and calls `answered` once: with 0 where no answer came. */
function post(
  endpoint: string,
  batch: Batch,
  mayOutlive: boolean,
  answered: (status: number, response?: Response) => void,
): void {
  let isOpen = true;
  const answer = guarded((status: number, response?: Response) => {
    if (!isOpen) return;
    isOpen = false;
    clearTimeout(timer);
    answered(status, response);
  });
  const timer = setTimeout(answer, ANSWER_MS, 0);
  // A page's patched fetch may throw at once.
  try {
    const body = stamped(batch);
    fetch(endpoint, request(body, mayOutlive && body.length < MAX_KEEPALIVE_CHARS)).then(
      (response) => answer(response.status, response),
      () => answer(0),
    );
  } catch {
    answer(0);
  }
}

/** The same id goes out a second time where the first sending has no answer yet: the collector stores it once. */
function postLast(endpoint: string, batch: Batch): void {
  const body = stamped(batch);
  // Firefox before 133 ignores keepalive.
  if ('keepalive' in Request.prototype) fetch(endpoint, request(body, true)).catch(() => {});
  else navigator.sendBeacon(endpoint, body);
}

function request(body: string, keepalive: boolean): RequestInit {
  return {
    method: 'POST',
    body,
    keepalive,
    credentials: 'omit',
    // No preflight: a string body is text/plain.
    mode: 'cors',
    referrerPolicy: 'origin',
  };
}
