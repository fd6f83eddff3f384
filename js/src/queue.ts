/**
 * Batches on their way: one at a time, kept with their id until the collector has answered, tried again with growing pauses.
 * Lives in memory only; what is kept across pages, with consent, is `consent`'s.
 */
import { after } from './guard';
import { isVisible } from './screen';
import { site } from './site';
import { type Batch, encode } from './wire';

/** Batches kept while the collector cannot be reached; the oldest gives way. */
const MAX_WAITING = 30;
/** After a failure the next try waits up to this long, s; after each further one in a row up to as much longer. */
const PAUSE_S = 2;
/** An answer that takes longer is not waited for, ms. */
const ANSWER_MS = 30000;
/** A body that may outlive the page has fewer characters, of three bytes at most: browsers allow 64 KiB in all. */
const MAX_KEEPALIVE_CHARS = 20000;
/** From this status on an answer is none: too many requests, and faults of servers. */
const TOO_MANY = 429;

/** Said in the address: a header would cost a preflight. */
const PACKED = '?e=gzip';
/** Firefox before 133 cannot keep a request alive. */
const CAN_OUTLIVE = 'keepalive' in Request.prototype;

/** Batches without an answer, the next one first. */
export const waiting: Batch[] = [];
/** Those of them that are on their way and outlive the page. */
const flying = new Set<Batch>();
/** The one that is being sent, or is about to be sent again. */
let current: Batch | undefined;
let failures = 0;
let onAnswer: (batch: Batch, response?: Response) => void;

/** Calls `hear` with each answer, and without a response where there was none. */
export function onAnswers(hear: (batch: Batch, response?: Response) => void): void {
  onAnswer = hear;
}

/** Sends a batch, after those that wait. */
export function push(batch: Batch): void {
  if (waiting.push(batch) > MAX_WAITING) waiting.shift();
  if (!current) sendFirst();
}

/** The page may be about to go: sends everything that has no answer yet, without waiting for one. A layout is not worth it. */
export function leave(): void {
  for (const batch of waiting) if (!batch.l && !flying.has(batch)) post(batch);
}

function sendFirst(): void {
  [current] = waiting;
  if (current) post(current, sendFirst);
}

/** Posts, and goes on when it is time for the next. The same id may go out twice: the collector stores it once. */
async function post(batch: Batch, goOn?: () => void): Promise<void> {
  // Pages replace clocks, and not all replacements know whole numbers.
  batch.t = Math.round(Math.max(Date.now(), batch.t));
  let response: Response | undefined;
  try {
    const body = encode(batch);
    // Packing takes a while, which a page that goes does not have; and it may be what failed.
    const packed = site.pack && goOn && !failures && isVisible() && (await site.pack(body));
    const keepalive = CAN_OUTLIVE && body.length < MAX_KEEPALIVE_CHARS;
    if (keepalive) flying.add(batch);
    // It takes cookies along, and so is the last resort.
    if (!goOn && !CAN_OUTLIVE) navigator.sendBeacon(site.endpoint, body);
    response = await fetch(site.endpoint + (packed ? PACKED : ''), {
      method: 'POST',
      // No preflight: a string is text/plain, and a blob without a type has none.
      body: packed || body,
      keepalive,
      credentials: 'omit',
      signal: AbortSignal.timeout?.(ANSWER_MS),
    });
  } catch {}
  flying.delete(batch);
  if (response && response.status < TOO_MANY) {
    failures = 0;
    // Where it gave way meanwhile this is far behind the end, and not the last one.
    waiting.splice(waiting.indexOf(batch) >>> 0, 1);
  } else failures++;
  // The random part keeps those apart who were all asked to wait as long.
  const pauseS = (Number(response?.headers.get('retry-after')) || 0) + failures * PAUSE_S * Math.random();
  if (goOn) after(pauseS * 1000, goOn);
  onAnswer(batch, response);
}
