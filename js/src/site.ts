/** What is known of the site, and with consent of the visitor. The core sets it at its start; modules see it as part of `Host`. */
import type { Host, Site } from './host';

export const site = {} as Site & Partial<Pick<Host, 'traitsOf' | 'pack'>>;

/** Flags. */
export const SIGNALS = 1;
export const CONSENT_FIRST = 2;
export const HASH_ROUTES = 4;
export const IN_SPITE = 8;
