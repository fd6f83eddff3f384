/** Why something is not recorded, and what an owner can do about it. */
import type { Host } from '../host';
import { isForeign } from './beneath';

/** One reason. */
export interface Reason {
  readonly title: string;
  readonly advice: string;
}

const SIGNALS = 1;
const CONSENT_FIRST = 2;
const IN_SPITE = 8;
/** Elements of a kind that are counted. */
const MAX_COUNTED = 1000;

const OFF: Record<string, Reason> = {
  gpc: {
    title: 'Global Privacy Control',
    advice:
      'This browser asks sites not to follow its user, and that is honoured. Switch it off in the browser, or use another one, to try the page.',
  },
  dnt: {
    title: 'Do Not Track',
    advice:
      'This browser asks sites not to track its user, and that is honoured. Switch it off in the browser, or use another one, to try the page.',
  },
  consent: {
    title: 'Waiting for consent',
    advice: "The site records nothing before jalki('consent', 'counting') or jalki('consent', 'granted') was called.",
  },
  denied: { title: 'Consent denied', advice: "jalki('consent', 'denied') was called on this page. Nothing is sent." },
  stopped: { title: 'Stopped', advice: "jalki('stop') was called on this page. Nothing more is sent." },
  preview: { title: 'A preview', advice: 'A page with #jalki-preview, or in a preview’s frame, is never a view.' },
  protocol: { title: 'Not a web page', advice: 'Only pages that came by http or https are recorded.' },
};

/** What a page's own calls have said so far. */
export interface Said {
  consent: string;
  isStopped: boolean;
}

/** Returns why nothing at all is recorded; null: it is. */
export function whyOff(host: Host, said: Said): Reason | null {
  const { reason } = host as Host & { readonly reason?: string };
  if (reason) return OFF[reason] ?? { title: reason, advice: '' };
  const browser = navigator as Navigator & { globalPrivacyControl?: boolean };
  const isHeard = !(host.flags & IN_SPITE);
  const isAgreed = said.consent === 'counting' || said.consent === 'granted' || host.user !== '';
  const found = [
    said.isStopped && 'stopped',
    said.consent === 'denied' && 'denied',
    !location.protocol.startsWith('http') && 'protocol',
    location.hash.includes('jalki-preview') && 'preview',
    isHeard && browser.globalPrivacyControl === true && 'gpc',
    isHeard && navigator.doNotTrack === '1' && 'dnt',
    host.flags & CONSENT_FIRST && !isAgreed && 'consent',
  ].find(Boolean);
  return (found && OFF[found]) || null;
}

/** Returns what on this page is left out, and why. */
export function whatIsLeftOut(host: Host, blocked: ReadonlyMap<string, string>): Reason[] {
  const frames = [...document.querySelectorAll('iframe,frame')].filter(isForeign);
  const found: (Reason | false)[] = [
    ...[...blocked].map(([address, directive]) => ({
      title: `Blocked by the Content-Security-Policy: ${address}`,
      advice: `Add ${originOf(address)} to ${directive} of the page’s policy.`,
    })),
    countOf('[data-jalki-ignore]:not(jalki-debug)', 'ignored part', 'Nothing inside data-jalki-ignore is recorded.'),
    countOf(
      '[data-jalki-mask]',
      'masked part',
      'Clicks and moves are recorded; no word inside data-jalki-mask is read.',
    ),
    frames.length > 0 && {
      title: counted(frames.length, 'frame of another origin', 'frames of another origin'),
      advice: 'What happens in them is not visible to this page. The snippet can be put into their pages as well.',
    },
    countOf(
      'input,textarea,select',
      'form field',
      'Clicks, focus and times are recorded, never what stands or is typed in them.',
    ),
    !(host.flags & SIGNALS) && {
      title: 'Signals are switched off',
      advice:
        'The site’s settings leave out selections, forms, web vitals and the like. Views, clicks, moves and sections are recorded.',
    },
    addressReason(),
  ];
  return found.filter((reason): reason is Reason => Boolean(reason));
}

/** Query and fragment are left out unless the site names their parameters. */
function addressReason(): Reason | false {
  const others = [...new URLSearchParams(location.search).keys()].filter((name) => name !== 'jalki_debug');
  return (
    others.length > 0 && {
      title: `Query parameters: ${others.slice(0, 5).join(', ')}`,
      advice:
        'Only those that the site’s settings name are part of a page’s address. The others never leave the browser.',
    }
  );
}

function countOf(selector: string, name: string, advice: string): Reason | false {
  const count = Math.min(document.querySelectorAll(selector).length, MAX_COUNTED);
  return count > 0 && { title: counted(count, name, `${name}s`), advice };
}

function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}

function originOf(address: string): string {
  return URL.canParse?.(address) === false ? address : new URL(address).origin;
}
