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
const FIRST_PAUSE_MS = 1000;
const MAX_PAUSE_MS = 60000;
/** An answer that takes longer is not waited for, ms. */
const ANSWER_MS = 30000;
/** Bodies in flight that may outlive the page, characters: browsers allow 64 KiB in all. */
const MAX_KEEPALIVE_CHARS = 30000;

/** Said in the address: a header would cost a preflight. */
const PACKED = '?e=gzip';
/** Firefox before 133 cannot keep a request alive. */
const CAN_OUTLIVE = 'keepalive' in Request.prototype;

/** Batches without an answer, the next one first. */
export const waiting: Batch[] = [];
/** Those of them that are on their way and outlive the page. */
const flying = new Set<Batch>();
let isBusy = false;
let failures = 0;
let onAnswer: (batch: Batch, response?: Response) => void;

/** Calls `hear` with each answer, and without a response where there was none. */
export function onAnswers(hear: (batch: Batch, response?: Response) => void): void {
  onAnswer = hear;
}

/** Sends a batch, after those that wait. */
export function push(batch: Batch): void {
  if (waiting.length >= MAX_WAITING) waiting.shift();
  waiting.push(batch);
  if (!isBusy) sendFirst();
}

/** The page may be about to go: sends everything that has no answer yet, without waiting for one. A layout is not worth it. */
export function leave(): void {
  for (const batch of waiting) if (!batch.l && !flying.has(batch)) post(batch);
}

function sendFirst(): void {
  isBusy = false;
  if (!waiting[0]) return;
  isBusy = true;
  post(waiting[0], (pauseMs) => after(pauseMs, sendFirst));
}

/** Posts, and then calls `goOn` with how long to wait before the next. The same id may go out twice: the collector stores it once. */
async function post(batch: Batch, goOn?: (pauseMs: number) => void): Promise<void> {
  // Pages replace clocks, and not all replacements know whole numbers.
  batch.t = Math.round(Math.max(Date.now(), batch.t));
  const body = encode(batch);
  // After a failure it goes without the page, unless that is about to go: what was refused once would be refused each time.
  const keepalive = CAN_OUTLIVE && !(goOn && failures) && body.length < MAX_KEEPALIVE_CHARS;
  let response: Response | undefined;
  try {
    // Packing takes a while, which a page that goes does not have.
    const packed = site.pack && goOn && !failures && isVisible() && (await site.pack(body));
    if (keepalive) flying.add(batch);
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
  const pauseMs = judge(batch, response);
  goOn?.(pauseMs);
  onAnswer(batch, response);
}

/** Keeps the batch where it has to be sent again, and returns how long to wait before that, ms. */
function judge(batch: Batch, response?: Response): number {
  const status = response?.status ?? 0;
  if (status && status !== 429 && status < 500) {
    failures = 0;
    const index = waiting.indexOf(batch);
    if (index >= 0) waiting.splice(index, 1);
    return 0;
  }
  const pauseMs = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures++) * (0.5 + Math.random() / 2);
  return Math.max(pauseMs, Number(response?.headers.get('retry-after')) * 1000 || 0);
}
