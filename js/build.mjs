// Bundles src/snippet.ts into one minified script and prints its size. `node build.mjs [folder]`; the folder is collector/dist
// unless another is given, which is how a test compares a rebuild with what is committed.
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const folder = process.argv[2] ?? join(here, '..', 'collector', 'dist');

const result = await build({
  absWorkingDir: here,
  entryPoints: ['src/snippet.ts'],
  bundle: true,
  minify: true,
  format: 'iife',
  // The oldest browsers that the service promises to work in.
  target: ['safari15', 'chrome90', 'edge90', 'firefox90'],
  charset: 'utf8',
  legalComments: 'none',
  write: false,
});
const [output] = result.outputFiles;
await mkdir(folder, { recursive: true });
await writeFile(join(folder, 'snippet.js'), output.contents);
const brotli = brotliCompressSync(output.contents).length;
console.log(
  `snippet.js ${output.contents.length} B, gzip ${gzipSync(output.contents).length} B, brotli ${brotli} B (target 4096 B)`,
);
