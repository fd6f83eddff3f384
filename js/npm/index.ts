/** The snippet as a package: the same recording as the script tag's, begun by the site's own code. Does nothing on a server. */
import { begin } from '../src/core';
import { guarded } from '../src/guard';
import { asHost, type Host, type Module } from '../src/host';
import type { Init, Jalki, Options } from './types';

export type * from './types';

/** Loaded when the core asks for them; bundlers make chunks of them. */
const MODULES: Record<string, () => Promise<{ start(host: Host): void }>> = {
  signals: () => import('../src/signals/index'),
  layout: () => import('../src/layout'),
  consent: () => import('../src/consent'),
  debug: () => import('../src/debug/index'),
};

const jalki: Jalki = {
  event: (name, props) => call('event', name, props),
  variant: (name, value) => call('variant', name, value),
  consent: (consent) => call('consent', consent),
  stop: () => call('stop'),
};

/** Begins to record, once a page however often it is called, and returns what the site can say to the recording. */
export const init: Init = (options) => {
  if (typeof window !== 'undefined') guarded(start)(options);
  return jalki;
};

function start({ host, key, signals = true, params = [], hashRoutes, consentFirst, honourGpc = true }: Options): void {
  const flags =
    Number(signals) + 2 * Number(consentFirst ?? false) + 4 * Number(hashRoutes ?? false) + 8 * Number(!honourGpc);
  begin({
    endpoint: new URL('v1/events', host.endsWith('/') ? host : `${host}/`).href,
    siteKey: key,
    site: [flags, ...params].join(),
    load,
  });
}

async function load(name: string): Promise<Module> {
  const module = await MODULES[name]?.();
  return { start: (offer) => module?.start(asHost(offer)) };
}

function call(...words: unknown[]): void {
  if (typeof window !== 'undefined' && typeof window.jalki === 'function') window.jalki(...words);
}
