/** The entry of the script that a tag loads: it says where batches and modules are, as seen from its own address. */
import { begin } from './core';
import { guarded } from './guard';

/** The builds of the modules: name → the hash in its file's name; put in by the build. */
declare const MODULES: Record<string, string>;

guarded(() => {
  const { src } = document.currentScript as HTMLScriptElement;
  begin({
    endpoint: new URL('../v1/events', src).href,
    // The server puts the site's key and settings here when it serves this script.
    siteKey: '__JALKI_KEY__',
    site: '__JALKI_SITE__',
    load: (name) => import(new URL(`m/${name}.${MODULES[name]}.js`, src).href),
  });
})();
