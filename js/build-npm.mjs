// Puts the package @jalki/browser together, ready for `npm publish`: `node build-npm.mjs [folder]`; the folder is build/npm unless
// another is given. From the same sources as the script tag's build; not minified, as bundlers do that.
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const folder = process.argv[2] ?? join(here, 'build', 'npm');

await rm(folder, { recursive: true, force: true });
await mkdir(folder, { recursive: true });
await build({
  absWorkingDir: here,
  // Entries of their own, so that `import('./signals.js')` stands in the package and bundlers split there, too.
  entryPoints: {
    index: 'npm/index.ts',
    signals: 'src/signals/index.ts',
    layout: 'src/layout.ts',
    consent: 'src/consent.ts',
    debug: 'src/debug/index.ts',
  },
  bundle: true,
  splitting: true,
  format: 'esm',
  target: ['safari15', 'chrome90', 'edge90', 'firefox90'],
  charset: 'utf8',
  outdir: folder,
  chunkNames: 'shared-[hash]',
});
// It holds nothing but types, and so is its own declaration.
const types = await readFile(join(here, 'npm', 'types.ts'), 'utf8');
await writeFile(join(folder, 'index.d.ts'), `${types}\nexport declare const init: Init;\n`);
for (const name of ['package.json', 'README.md']) await cp(join(here, 'npm', name), join(folder, name));
await cp(join(here, '..', 'LICENSE'), join(folder, 'LICENSE'));
