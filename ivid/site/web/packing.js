/** The parts of networks as they are sent: shuffled and compressed (`packed` in ivid/site/networks.py). */

/**
 * What was packed, as it comes in.
 *
 * @param {ReadableStream<Uint8Array<ArrayBuffer>>} stream
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
export async function unpacked(stream) {
  const shuffled = await new Response(stream.pipeThrough(new DecompressionStream("deflate"))).arrayBuffer();
  const bytes = new Uint8Array(shuffled);
  const content = new Uint8Array(bytes.length);
  const half = Math.ceil(bytes.length / 2); // the lower bytes of all numbers, then their upper ones
  for (let from = 0, to = 0; from < half; from++, to += 2) content[to] = bytes[from];
  for (let from = half, to = 1; from < bytes.length; from++, to += 2) content[to] = bytes[from];
  return content;
}
