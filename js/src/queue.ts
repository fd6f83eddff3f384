/**
 * Batches on their way: one at a time, kept with their id until the collector has answered, tried again with growing pauses.
 * Lives in memory only; what is kept across pages, with consent, is `consent`'s.
 */
import { after, guarded } from './guard';
import { clockMs, isVisible } from './screen';
import { site } from './site';
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
/** Shorter bodies are not worth compressing, characters. */
const MIN_PACKED_CHARS = 1000;

/** Batches without an answer, the next one first. */
export const waiting: Batch[] = [];
let isBusy = false;
let failures = 0;
/** When each was last sent, on `clockMs`. */
const sentAt = new WeakMap<Batch, number>();
let onAnswer: (batch: Batch, response?: Response) => void;

/** Calls `hear` with each answer, and without a response where there was none. */
export function onAnswers(hear: (batch: Batch, response?: Response) => void): void {
  onAnswer = hear;
}

/** Sends a batch, after those that wait. */
export function push(batch: Batch): void {
  if (waiting.length >= MAX_WAITING) waiting.shift();
  waiting.push(batch);
  sendNext();
}

/** The page may be about to go: sends everything that has no answer yet, without waiting for one. */
export function leave(): void {
  for (const batch of waiting) {
    if (batch.l || clockMs() - (sentAt.get(batch) ?? -RECENT_MS) < RECENT_MS) continue;
    // The same id goes out a second time where the first sending has no answer yet: the collector stores it once.
    const request = open(batch, true);
    // Firefox before 133 ignores keepalive.
    if ('keepalive' in Request.prototype) send(batch, request).catch(() => {});
    else navigator.sendBeacon(site.endpoint, request.body);
  }
}

function sendNext(): void {
  const batch = waiting[0];
  if (isBusy || !batch) return;
  isBusy = true;
  const settle = guarded((response?: Response) => {
    const status = response?.status ?? 0;
    let pauseMs = 0;
    if (!status || status === 429 || status >= 500) {
      pauseMs = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures++) * (0.5 + Math.random() / 2);
      pauseMs = Math.max(pauseMs, Number(response?.headers.get('retry-after')) * 1000 || 0);
    } else {
      failures = 0;
      const index = waiting.indexOf(batch);
      if (index >= 0) waiting.splice(index, 1);
    }
    after(pauseMs, () => {
      isBusy = false;
      sendNext();
    });
    onAnswer(batch, response);
  });
  post(batch).then(settle, () => settle());
}

/** Rejects where no answer came. After a failure it goes plain and without the page: what was refused once would be refused each time. */
async function post(batch: Batch): Promise<Response> {
  const request = open(batch, !failures);
  // Packing takes a while, which a page that goes does not have.
  if (!failures && isVisible() && request.body.length > MIN_PACKED_CHARS) {
    try {
      // The blob has no type, so it is posted without one and without a preflight, which a header for the packing would cost.
      const packed = new Blob([request.body]).stream().pipeThrough(new CompressionStream('gzip'));
      const body = await new Response(packed).blob();
      return send(batch, { ...request, body }, `${site.endpoint + (site.endpoint.includes('?') ? '&' : '?')}e=gzip`);
    } catch {}
  }
  return send(batch, request);
}

function send(batch: Batch, request: RequestInit, address = site.endpoint): Promise<Response> {
  // A page that is left while its batch is being packed sends it plain: only from here on is it on its way.
  sentAt.set(batch, clockMs());
  return fetch(address, request);
}

function open(batch: Batch, keepalive: boolean): RequestInit & { body: string } {
  // Pages replace clocks, and not all replacements know whole numbers.
  batch.t = Math.round(Math.max(Date.now(), batch.t));
  const body = encode(batch);
  return {
    method: 'POST',
    // No preflight: a string body is text/plain.
    body,
    keepalive: keepalive && body.length < MAX_KEEPALIVE_CHARS,
    credentials: 'omit',
    signal: AbortSignal.timeout?.(ANSWER_MS),
  };
}
