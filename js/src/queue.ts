/**
 * Batches on their way: one at a time, kept with their id until the collector has answered, tried again with growing pauses.
 * Lives in memory only.
 */
import { guarded, type Stop } from './guard';
import { clockMs, isVisible } from './screen';
import { type Batch, encode } from './wire';

/** Batches kept while the collector cannot be reached; the oldest gives way. */
const MAX_WAITING = 30;
const FIRST_PAUSE_MS = 1000;
const MAX_PAUSE_MS = 60000;
/** An answer that takes longer is not waited for, ms. */
const ANSWER_MS = 30000;
/** Bodies in flight that may outlive the page, bytes (characters where it is plain): browsers allow 64 KiB in all. */
const MAX_KEEPALIVE_BYTES = 30000;
/** What was sent this recently is on its way and outlives the page, ms. */
const RECENT_MS = 500;
/** Shorter bodies are not worth compressing, characters. */
const MIN_PACKED_CHARS = 1000;

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
    // After a failure it goes plain and with the page: what the browser refused once it would refuse each time.
    post(endpoint, first, !failures, (status, response) => {
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
  item: Waiting,
  isFirst: boolean,
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
  const body = stamped(item.batch);
  const send = (packed?: Blob) => {
    const size = packed?.size ?? body.length;
    // A page's patched fetch may throw at once.
    try {
      // A page that is left while its batch is being packed sends it plain: only from here on is it on its way.
      item.sentAt = clockMs();
      // Said in the address: a Content-Encoding header would cost a preflight.
      fetch(
        packed ? `${endpoint}?e=gzip` : endpoint,
        request(packed ?? body, isFirst && size < MAX_KEEPALIVE_BYTES),
      ).then(
        (response) => answer(response.status, response),
        () => answer(0),
      );
    } catch {
      answer(0);
    }
  };
  // Packing takes a while, which a page that goes does not have.
  if (isFirst && isVisible() && body.length > MIN_PACKED_CHARS) pack(body).then(send, () => send());
  else send();
}

/** Resolves to the body as gzip; rejects where the browser cannot. The blob has no type, so it is posted without one. */
async function pack(body: string): Promise<Blob> {
  return new Response(new Blob([body]).stream().pipeThrough(new CompressionStream('gzip'))).blob();
}

/** The same id goes out a second time where the first sending has no answer yet: the collector stores it once. */
function postLast(endpoint: string, batch: Batch): void {
  const body = stamped(batch);
  // Firefox before 133 ignores keepalive.
  if ('keepalive' in Request.prototype) fetch(endpoint, request(body, true)).catch(() => {});
  else navigator.sendBeacon(endpoint, body);
}

function request(body: string | Blob, keepalive: boolean): RequestInit {
  return {
    method: 'POST',
    body,
    keepalive,
    credentials: 'omit',
    // No preflight: a string body is text/plain, and a blob without a type has none.
    mode: 'cors',
    referrerPolicy: 'origin',
  };
}
