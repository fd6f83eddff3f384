/** Bundles one source file in memory and imports it, so that the tests run what the browser runs. */
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

export async function load(entry) {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(`../src/${entry}.ts`, import.meta.url))],
    bundle: true,
    format: 'esm',
    write: false,
    target: 'es2021',
  });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`);
}
