/** On later visits the generator starts before the rest of the page has arrived, and before the viewer keeps it busy. */

import { Generator } from "./generator.js";
import { isKept } from "./offline.js";
import { lastBackend, threads } from "./support.js";

const SITE = new URL("../../../", import.meta.url);

/**
 * A generator that fetches the model.
 *
 * @param {"webgpu" | "wasm"} backend
 * @returns {{generator: Generator, loaded: Promise<string>}} `loaded` is what evaluates the networks
 */
export function load(backend) {
  const generator = new Generator();
  const [base, ort] = ["model/", "vendor/onnxruntime-web/"].map((folder) => new URL(folder, SITE).href);
  const loaded = generator.load({ base, ort, threads: threads(), backend });
  loaded.catch(() => {}); // whoever waits for it hears of it
  return { generator, loaded };
}

const last = lastBackend();

/** What `load` returns, or null at a first visit. */
export const early = last && isKept() ? load(last) : null;
