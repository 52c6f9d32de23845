/** A model that samples: its config, its noise schedule and its networks. */

import { fetchNetworks } from "./networks.js";
import { FIRST_VIEW } from "./sampling.js";
import { alphasCumprod } from "./schedules.js";

/** @typedef {import("./types.js").Manifest} Manifest */
/** @typedef {import("./sampling.js").Model} Model */

/**
 * What sessions are made with. In WebAssembly graphs are evaluated as they are: making them faster would take longer than
 * it saves in a scene.
 *
 * @param {"webgpu" | "wasm"} backend
 */
export function sessionOptions(backend) {
  return { executionProviders: [backend], graphOptimizationLevel: backend === "wasm" ? "disabled" : "all" };
}

/**
 * A model whose networks are being fetched: those of the first view in front, the smallest first, so that ONNX Runtime
 * itself arrives while the larger ones do.
 *
 * @param {import("./networks.js").Ort} ort
 * @param {Manifest} manifest
 * @param {"webgpu" | "wasm"} backend
 * @param {import("./networks.js").Fetch} fetch
 * @param {(loaded: number, total: number) => void} onProgress  in bytes
 * @returns {{model: Model, first: string[], rest: string[]}} the model, and names of the networks that a first view needs
 *   and of the others
 */
export function openModel(ort, { config, size, networks: entries }, backend, fetch, onProgress) {
  const names = Object.keys(entries).sort((a, b) => entries[a].weights.bytes - entries[b].weights.bytes);
  const first = names.filter((name) => FIRST_VIEW.includes(name));
  const rest = names.filter((name) => !FIRST_VIEW.includes(name));
  const alphas = alphasCumprod(config.schedule);
  const options = sessionOptions(backend);
  const networks = fetchNetworks(ort, entries, [...first, ...rest], options, fetch, onProgress);
  return { model: { config, size, alphas, networks }, first, rest };
}
