/** A model that is ready to sample: its config, its noise schedule and its networks. */

import { loadNetworks } from "./networks.js";
import { alphasCumprod } from "./schedules.js";

/** @typedef {import("./types.js").Manifest} Manifest */
/** @typedef {import("./sampling.js").Model} Model */

/**
 * @param {import("./networks.js").Ort} ort
 * @param {Manifest} manifest
 * @param {object} options  of ONNX Runtime's sessions
 * @param {import("./networks.js").Fetch} fetch
 * @param {(loaded: number, total: number) => void} onProgress  in bytes
 * @returns {Promise<Model>}
 */
export async function loadModel(ort, { config, size, networks }, options, fetch, onProgress) {
  const alphas = alphasCumprod(config.schedule);
  return { config, size, alphas, networks: await loadNetworks(ort, networks, options, fetch, onProgress) };
}
