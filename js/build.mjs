// Bundles the core and the modules that it loads later, and prints their sizes. `node build.mjs [folder]`; the folder is
// collector/dist unless another is given, which is how a test compares a rebuild with what is committed.
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { minify } from 'terser';

const here = dirname(fileURLToPath(import.meta.url));
const folder = process.argv[2] ?? join(here, '..', 'collector', 'dist');

/** Modules by name, and what the core and each of them may weigh, bytes of brotli. */
const MODULES = {
  signals: 'src/signals/index.ts',
  layout: 'src/layout.ts',
  consent: 'src/consent.ts',
  debug: 'src/debug/index.ts',
};
/** The oldest browsers that the service promises to work in. */
const TARGET = ['safari15', 'chrome90', 'edge90', 'firefox90'];

/**
 * Properties of our own, each of them one letter in what is built: the same in the core and in all modules, which share these
 * objects. Nothing may read them by a string, and none may be a name that elements, events or options of the browser have.
 */
const OWN_NAMES = [
  ...['px', 'ms', 'since', 'reported', 'timeMs'],
  ...['siteKey', 'endpoint', 'user', 'flags', 'traitsOf', 'pack'],
];
const LETTERS = Object.fromEntries(OWN_NAMES.map((name, index) => [name, String.fromCharCode(97 + index)]));

/** Bundles with esbuild, which reads TypeScript; terser then makes it smaller by 7 %. */
async function bundle(source, format, define = {}) {
  const result = await build({
    absWorkingDir: here,
    stdin: { contents: source, resolveDir: here, loader: 'ts' },
    bundle: true,
    minifySyntax: true,
    format,
    target: TARGET,
    // Chrome 90 has it, but for a fault with spread arguments, which nobody here writes.
    supported: { 'optional-chain': true },
    charset: 'utf8',
    legalComments: 'none',
    define,
    mangleProps: new RegExp(`^(${OWN_NAMES.join('|')})$`),
    mangleCache: LETTERS,
    write: false,
  });
  const { code } = await minify(result.outputFiles[0].text, {
    ecma: 2020,
    module: format === 'esm',
    toplevel: true,
    compress: {
      passes: 4,
      unsafe_arrows: true,
      pure_getters: true,
      // The core compares no boolean with another, which 1 and `true` would not survive; modules may.
      booleans_as_integers: format === 'iife',
      keep_fargs: false,
    },
    format: { ascii_only: false },
  });
  return code;
}

/** The core hands a module a plain tuple, see `src/host.ts`; here it becomes a host. */
function asModule(entry) {
  return `
    import { asHost, type Offer } from './src/host';
    import { start as startModule } from './${entry}';
    export const start = (offer: Offer) => startModule(asHost(offer));
  `;
}

async function write(name, code) {
  await mkdir(dirname(join(folder, name)), { recursive: true });
  await writeFile(join(folder, name), code);
  const bytes = Buffer.from(code);
  const sizes = `${bytes.length} B, gzip ${gzipSync(bytes, { level: 9 }).length} B, brotli ${brotliCompressSync(bytes).length} B`;
  console.log(`${name} ${sizes}`);
}

const files = {};
for (const [name, entry] of Object.entries(MODULES)) {
  const code = await bundle(asModule(entry), 'esm').catch(() => undefined);
  if (code === undefined) {
    // The others are built all the same: whoever works on one does not need it.
    process.exitCode = 1;
    continue;
  }
  await write(`modules/${name}.js`, code);
  files[name] = createHash('sha256').update(code).digest('hex').slice(0, 8);
}
await write('snippet.js', await bundle("import './src/snippet'", 'iife', { MODULES: JSON.stringify(files) }));
