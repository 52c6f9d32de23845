/** What a browser must have for the page to make scenes in it. */

const LEAST_MEMORY_GB = 2; // as far as browsers say how much there is

/**
 * @returns {string} one sentence on what is missing; "" if nothing is
 */
export function missing() {
  if (!globalThis.isSecureContext) return "This page must be opened by https, or from this machine, to make scenes.";
  if (typeof WebAssembly !== "object")
    return "This browser has no WebAssembly, or it is switched off; scenes cannot be made in it.";
  if (typeof Worker !== "function" || typeof DecompressionStream !== "function") {
    return "This browser is too old to make scenes; one of the last three years can.";
  }
  if (!hasWebGL2()) {
    return "This browser has no WebGL2, or it is switched off; without it a scene cannot be looked at.";
  }
  const memory = /** @type {any} */ (navigator).deviceMemory;
  if (memory && memory < LEAST_MEMORY_GB) {
    return `This device has about ${memory} GB of memory; making a scene takes ${LEAST_MEMORY_GB} GB.`;
  }
  return "";
}

function hasWebGL2() {
  const context = document.createElement("canvas").getContext("webgl2");
  context?.getExtension("WEBGL_lose_context")?.loseContext(); // browsers allow few
  return context !== null;
}

/**
 * How many threads evaluate networks: one where the page is not isolated from others, else all cores but the one that draws.
 * Threads wait for each other, so one too many makes all of them slow.
 */
export function threads() {
  if (!globalThis.crossOriginIsolated) return 1;
  return Math.min(Math.max((navigator.hardwareConcurrency || 1) - 1, 1), 8);
}

/** @returns {Promise<"webgpu" | "wasm">} what evaluates the networks fastest here; browsers may take a second to say so */
export async function backend() {
  const gpu = /** @type {any} */ (navigator).gpu;
  const adapter = await gpu?.requestAdapter().catch(() => null);
  return adapter && !adapter.info?.isFallbackAdapter && !adapter.isFallbackAdapter ? "webgpu" : "wasm";
}
