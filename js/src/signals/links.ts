/** Links that lead away from the site, and links to files. */
import { DOWNLOAD, OUTBOUND } from '../kinds';
import { SECONDARY } from '../wire';
import { hear, say } from './desk';
import { impersonal } from './personal';

/** Endings of addresses that a browser saves or shows as a document of its own. */
const FILE =
  /\.(pdf|docx?|xlsx?|pptx?|od[tsp]|rtf|txt|csv|epub|zip|rar|7z|t?gz|dmg|pkg|exe|msi|deb|rpm|apk|iso|mp[34]|wav|mov|avi|webm|ics|vcf)$/i;
/** Characters of a path at most. */
const MAX_PATH_CHARS = 300;

/** Says the host of each followed link to another site, and the path of each file, by the primary or middle button or a key. */
export function observeLinks(): void {
  hear('click', (element, kind) => {
    const link = element.closest('a[href],area[href]');
    if (link && !(kind & SECONDARY)) sayLink(link);
  });
}

function sayLink(link: Element): void {
  const { protocol, hostname, pathname } = new URL(link.getAttribute('href') ?? '', link.baseURI);
  const isWeb = protocol.startsWith('http');
  if (isWeb && bare(hostname) !== bare(location.hostname)) say(OUTBOUND, link, 0, 0, hostname);
  const given = link.getAttribute('download');
  const [ending = ''] = FILE.exec(given || pathname) ?? [];
  if (given === null && !(isWeb && ending)) return;
  // What a script made has no path, and its name may be a person's.
  const isTold = isWeb && !link.closest('[data-jalki-mask]');
  say(DOWNLOAD, link, 0, 0, isTold ? impersonal(decoded(pathname)).slice(0, MAX_PATH_CHARS) : ending);
}

function bare(hostname: string): string {
  return hostname.replace(/^www\./, '');
}

function decoded(pathname: string): string {
  try {
    return decodeURIComponent(pathname);
  } catch {
    return pathname;
  }
}
