/** Bodies as gzip, where the browser has it and they are long enough. */

/** Shorter bodies are not worth compressing, characters. */
const MIN_CHARS = 1000;

/** Resolves to the body as gzip, undefined where it goes as it is. The blob has no type, so it is posted without a preflight. */
export async function pack(body: string): Promise<Blob | undefined> {
  if (body.length < MIN_CHARS || !('CompressionStream' in window)) return undefined;
  return new Response(new Blob([body]).stream().pipeThrough(new CompressionStream('gzip'))).blob();
}
