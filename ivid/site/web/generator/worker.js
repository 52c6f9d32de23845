/**
 * The generator in a worker: loads a model once, then makes scenes, one at a time.
 *
 * From the page: `load` (base, ort, threads, backend), `generate` (id, label, seed, viewSet, options), `stop` (id). To it:
 * `progress`, `ready` as soon as a first view can be sampled, `preview`, `view`, `done`, `stopped` and `error`, whose
 * message is one sentence.
 */

import { fetchPart } from "../download.js";
import { dealtLabel } from "./labels.js";
import { openModel } from "./model.js";
import { quantised } from "./pictures.js";
import { Random } from "./random.js";
import { resolved } from "./sampling.js";
import { makeScene } from "./scene.js";

/** @typedef {import("./types.js").Manifest} Manifest */
/** @typedef {import("./sampling.js").Model} Model */
/**
 * @typedef {object} LoadRequest
 * @property {"load"} type
 * @property {string} base  address of the model's folder, with a slash at the end
 * @property {string} ort  address of onnxruntime-web's folder, likewise
 * @property {number} threads  of WebAssembly
 * @property {"webgpu" | "wasm"} backend
 */
/**
 * @typedef {object} GenerateRequest
 * @property {"generate"} type
 * @property {number} id
 * @property {{classIndex: number | null}} label
 * @property {number} seed  integer from 0 to 2^53 - 1
 * @property {string} viewSet  one of the manifest's
 * @property {{firstSteps?: number, novelSteps?: number, guidance?: number, novelGuidance?: number, instance?: number,
 *   flipped?: boolean}} [options]  the model's defaults for what is left out
 */
/** @typedef {{type: "stop", id: number}} StopRequest */

/** @type {Promise<{model: Model, manifest: Manifest}> | null} */
let loading = null;
/** @type {number | null} */
let wanted = null; // the id of the scene that is being made
let turn = Promise.resolve();

/** @param {object} message @param {Transferable[]} [transfer] */
function tell(message, transfer = []) {
  self.postMessage(message, { transfer });
}

/** @param {unknown} error */
function sentence(error) {
  const text = error instanceof Error ? error.message : String(error);
  if (/out of memory|allocation|bad_alloc|memory access/i.test(text)) {
    return "The browser has not enough memory for this model.";
  }
  return text;
}

self.addEventListener("message", ({ data }) => {
  const request = /** @type {LoadRequest | GenerateRequest | StopRequest} */ (data);
  if (request.type === "load") {
    loading = load(request);
    loading.catch((error) => tell({ type: "error", id: null, message: sentence(error) }));
  } else if (request.type === "stop") {
    if (wanted === request.id) wanted = null;
  } else if (request.type === "generate") {
    wanted = request.id; // whatever runs stops
    turn = turn.then(() => generate(request));
  }
});

/** @param {LoadRequest} request */
async function load({ base, ort: folder, threads, backend }) {
  /** @type {("webgpu" | "wasm")[]} */
  const names = backend === "webgpu" && "gpu" in navigator ? ["webgpu", "wasm"] : ["wasm"];
  const runtime = import(`${folder}ort.${names[0]}.min.mjs`); // at the same time
  runtime.catch(() => {}); // it is imported again where it is used
  const response = await fetch(`${base}model.json`);
  if (!response.ok) throw new Error(`The model cannot be fetched: the server answers ${response.status}.`);
  const manifest = /** @type {Manifest} */ (await response.json());
  for (const name of names) {
    try {
      const ort = await import(`${folder}ort.${name}.min.mjs`);
      ort.env.wasm.wasmPaths = folder;
      ort.env.wasm.numThreads = self.crossOriginIsolated ? threads : 1;
      ort.env.logLevel = "error";
      const { model, first, rest } = openModel(
        ort,
        manifest,
        name,
        (part, onProgress) => fetchPart(base + part.file, part.sha256, onProgress),
        (loaded, total) => tell({ type: "progress", loaded, total }),
      );
      if (name === "webgpu") {
        // whether the graphics card can do it turns out only then
        for (const network of Object.values(model.networks)) await tryOut(network);
      } else {
        for (const each of first) await model.networks[each].ready();
        prepare(model, [...first, ...rest]).catch((error) =>
          tell({ type: "error", id: null, message: sentence(error) }),
        );
      }
      tell({ type: "ready", backend: name });
      return { model, manifest };
    } catch (error) {
      if (name === names[names.length - 1]) throw error;
    }
  }
  throw new Error("The networks cannot be evaluated in this browser.");
}

/**
 * Makes the networks ready while nobody wants a scene, and evaluates each once: then browsers have made their code fast.
 *
 * @param {Model} model
 * @param {string[]} names
 */
async function prepare({ networks }, names) {
  for (const name of names) {
    await breath();
    if (wanted !== null) return; // the scene makes ready what it needs
    await networks[name].ready();
    await breath();
    if (wanted !== null) return;
    await tryOut(networks[name]);
  }
}

/** @param {import("./networks.js").Network} network */
async function tryOut(network) {
  const size = network.side * network.patch;
  const channels = network.channels / network.patch ** 2;
  await network.evaluate([new Float32Array(channels * size * size)], 0, [null]);
}

/** @param {GenerateRequest} request */
async function generate(request) {
  const { id } = request;
  try {
    if (!loading) throw new Error("No model is loaded.");
    const { model, manifest } = await loading;
    const finished = await stream(request, model, manifest);
    if (!finished) tell({ type: "stopped", id });
  } catch (error) {
    tell({ type: "error", id, message: sentence(error) });
  } finally {
    if (wanted === id) wanted = null;
  }
}

/**
 * @param {GenerateRequest} request
 * @param {Model} model
 * @param {Manifest} manifest
 * @returns {Promise<boolean>} whether the scene was finished
 */
async function stream({ id, label: { classIndex }, seed, viewSet, options = {} }, model, manifest) {
  const cameras = manifest.view_sets[viewSet]?.cameras;
  if (!cameras) throw new Error(`There is no view set ${viewSet}.`);
  const { labels } = model.config;
  if (labels.classes.length && !labels.classes[classIndex ?? -1]) throw new Error("The model has no such class.");
  if (!Number.isSafeInteger(seed) || seed < 0) throw new Error("A seed is a whole number from 0 on.");
  const label = dealtLabel(labels, labels.classes.length ? classIndex : null, seed);
  if (options.instance !== undefined) label.instance = options.instance;
  if (options.flipped !== undefined) label.flipped = options.flipped;
  const scene = makeScene(model, label, resolved(model.config, options), cameras, new Random(seed));
  const clock = new Clock();
  for (;;) {
    await breath(); // lets a stop arrive
    if (wanted !== id) return false;
    const { value, done } = await scene.next();
    if (done) {
      const masks = value.map(({ mask }) => mask);
      tell({ type: "done", id, masks });
      return true;
    }
    if (wanted !== id) return false;
    const rgb = quantised(value.type === "view" ? value.view.rgb : value.rgb);
    if (value.type === "preview") {
      const { index: view, step, steps, depth } = value;
      tell({ type: "preview", id, view, step, steps, rgb, depth, camera: cameras[view] }, [rgb.buffer]);
    } else {
      const { index, view } = value;
      const { camera, depth, mask, trust, edgeThreshold } = view;
      const secondsLeft = clock.left(index, cameras.length);
      const entry = { world_to_view: camera.world_to_view, fov_y_deg: camera.fov_y_deg };
      const about = { index, count: cameras.length, camera: entry, trust, edgeThreshold, secondsLeft };
      tell({ type: "view", id, ...about, rgb, depth, mask }, [rgb.buffer]);
    }
  }
}

/** The time that is left: further views take about as long as those so far did. */
class Clock {
  constructor() {
    this.start = performance.now();
    this.first = this.start;
  }

  /**
   * @param {number} index  of the view that is done
   * @param {number} count
   * @returns {number | null} seconds; null while nobody knows
   */
  left(index, count) {
    const now = performance.now();
    if (index === 0) this.first = now;
    if (index === count - 1) return 0;
    if (index === 0) return null;
    const each = (now - this.first) / 1000 / index;
    return each * (count - 1 - index);
  }
}

/** Until messages that have arrived are heard. */
function breath() {
  return new Promise((done) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      done(undefined);
    };
    port2.postMessage(null);
  });
}
