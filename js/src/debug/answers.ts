/** What the collector answered, in words; and where it refused a batch, why. */
import type { Host } from '../host';
import { type Batch, type Columns, encode } from '../wire';

/** What became of a batch. */
export interface Answer {
  readonly isGood: boolean;
  readonly text: string;
  /** What to do, may be empty. */
  readonly advice: string;
}

const NONE: Answer = {
  isGood: false,
  text: 'no answer',
  advice:
    'The collector cannot be reached, or a blocker or the page’s Content-Security-Policy (connect-src) keeps the browser from asking it. The batch is kept and tried again.',
};

/** Returns what a status says; a refusal's own words are asked for. */
export async function explain(batch: Batch, status: number, host: Host): Promise<Answer> {
  if (!status) return NONE;
  if (status < 300) return { isGood: true, text: `${status} taken`, advice: '' };
  const { error, hint } = await askWhy(batch, host).catch(() => ({ error: '', hint: '' }));
  const isLater = status === 429 || status >= 500;
  const advice = hint || 'The collector did not say why';
  return {
    isGood: false,
    text: `${status} ${error}`.trim(),
    advice: isLater ? `${advice}. It is tried again.` : `${advice}.`,
  };
}

/** What a batch holds, in a line. */
export function contents(batch: Batch): string {
  const rows = (columns?: Columns) => Object.values(columns ?? {})[0]?.length ?? 0;
  const counted = (count: number, name: string) => (count ? [`${count} ${name}${count > 1 ? 's' : ''}`] : []);
  const parts = [
    ...counted(rows(batch.c), 'click'),
    ...counted(rows(batch.m), 'move'),
    ...counted(rows(batch.f), 'signal'),
    ...counted(batch.s?.length ?? 0, 'section'),
    ...(batch.l ? ['layout'] : []),
  ];
  return parts.join(', ') || 'times and depth';
}

/** The core reads only the status, so the batch is judged once more: what this page sends is never stored. */
async function askWhy(batch: Batch, host: Host): Promise<{ error: string; hint: string }> {
  const response = await fetch(tried(host.endpoint), { method: 'POST', body: encode(batch), credentials: 'omit' });
  return response.json();
}

/** Returns the address where batches are judged and not stored. */
export function tried(endpoint: string): string {
  const address = new URL(endpoint);
  address.searchParams.set('d', '1');
  return address.href;
}
