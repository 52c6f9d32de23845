/** Networks in ONNX Runtime: pictures in, pictures out, cut into patches as each network takes them. */

import { measured } from "./measuring.js";

/** @typedef {import("./types.js").NetworkEntry} NetworkEntry */
/** @typedef {import("./types.js").Part} Part */
/** @typedef {(part: Part, onProgress: (loaded: number) => void) => Promise<Uint8Array>} Fetch */
/** @typedef {{graph: Uint8Array, weights: Uint8Array}} Files  of a network */
/**
 * @typedef {object} OrtTensor
 * @property {ArrayLike<number>} data
 * @property {() => void} dispose
 */
/**
 * @typedef {object} OrtSession
 * @property {readonly string[]} inputNames
 * @property {readonly string[]} outputNames
 * @property {(feeds: Record<string, OrtTensor>) => Promise<Record<string, OrtTensor>>} run
 */
/**
 * @typedef {object} Ort  what is used of onnxruntime-web
 * @property {new (type: string, data: Float32Array | BigInt64Array, shape: number[]) => OrtTensor} Tensor
 * @property {{create: (graph: Uint8Array, options: object) => Promise<OrtSession>}} InferenceSession
 */

export class Network {
  /**
   * @param {Ort} ort
   * @param {string} name
   * @param {NetworkEntry["config"]} config
   * @param {() => Promise<OrtSession>} open
   */
  constructor(ort, name, config, open) {
    this.ort = ort;
    this.name = name;
    this.open = open;
    /** @type {Promise<OrtSession> | null} */
    this.session = null;
    /** Side in pixels of the patches that are taken as channels. */
    this.patch = Math.round(Math.sqrt(config.out_channels / 4));
    this.side = config.sample_size;
    this.channels = config.in_channels;
    /** The class embedding that means no class; null for networks without classes. */
    this.nullClass = config.num_class_embeds ? config.num_class_embeds - 1 : null;
  }

  /** @returns {Promise<OrtSession>} made at the first call */
  ready() {
    this.session ??= this.open();
    return this.session;
  }

  /**
   * @param {Float32Array[]} inputs  a batch, each [C·S·S]
   * @param {number} timestep
   * @param {(number | null)[]} labels  one for each input; null for no class
   * @returns {Promise<Float32Array[]>} [4·S·S] for each input
   */
  async evaluate(inputs, timestep, labels) {
    const session = await this.ready();
    const start = performance.now();
    const { ort, side, patch, channels } = this;
    const length = channels * side * side;
    const batch = inputs.length;
    const sample = new Float32Array(batch * length);
    for (let k = 0; k < batch; k++) unshuffle(inputs[k], side, patch, sample.subarray(k * length, (k + 1) * length));
    /** @type {Record<string, OrtTensor>} */
    const feeds = {
      sample: new ort.Tensor("float32", sample, [batch, channels, side, side]),
      timestep: new ort.Tensor("int64", new BigInt64Array(batch).fill(BigInt(timestep)), [batch]),
    };
    if (this.nullClass !== null && session.inputNames.includes("class_labels")) {
      const known = labels.map((label) => BigInt(label ?? /** @type {number} */ (this.nullClass)));
      feeds.class_labels = new ort.Tensor("int64", BigInt64Array.from(known), [batch]);
    }
    const output = (await session.run(feeds))[session.outputNames[0]];
    const data = /** @type {Float32Array} */ (output.data);
    const each = data.length / batch;
    const pictures = inputs.map((_, k) => shuffle(data.subarray(k * each, (k + 1) * each), side, patch));
    output.dispose();
    measured(`evaluate ${this.name}, ${batch} at once`, start);
    return pictures;
  }
}

/**
 * Networks that are fetched one after the other in the background, and made ready when they are asked for.
 *
 * @param {Ort} ort
 * @param {Record<string, NetworkEntry>} entries
 * @param {string[]} order  names, those that are needed first in front
 * @param {object} options  of the sessions
 * @param {Fetch} fetch
 * @param {(loaded: number, total: number) => void} onProgress  in bytes
 * @returns {Record<string, Network>}
 */
export function fetchNetworks(ort, entries, order, options, fetch, onProgress) {
  const parts = Object.values(entries).flatMap(({ graph, weights }) => [graph, ...weights.parts]);
  const total = parts.reduce((sum, { bytes }) => sum + bytes, 0);
  /** @type {Map<Part, number>} */
  const loaded = new Map();
  /** @param {Part} part @param {number} bytes */
  const count = (part, bytes) => {
    loaded.set(part, bytes);
    onProgress(
      [...loaded.values()].reduce((sum, each) => sum + each, 0),
      total,
    );
  };
  /** @param {Part} part */
  const get = async (part) => {
    const content = await fetch(part, (bytes) => count(part, bytes));
    count(part, part.bytes);
    return content;
  };
  /** @type {Promise<unknown>} */
  let fetched = Promise.resolve();
  /** @type {Promise<unknown>} ONNX Runtime makes one session at a time */
  let made = Promise.resolve();
  /** @type {Record<string, Network>} */
  const networks = {};
  for (const name of order) {
    const { config, graph, weights } = entries[name];
    /** @type {Promise<Files> | null} */
    let coming = fetched.then(() => filesOf(name, graph, weights, get));
    fetched = coming.then(
      () => {},
      () => {}, // whoever asks for the network hears of it
    );
    networks[name] = new Network(ort, name, config, () => {
      const session = Promise.all([coming, made]).then(async ([files]) => {
        coming = null; // the session has a copy
        const start = performance.now();
        const externalData = [{ path: weights.path, data: /** @type {Files} */ (files).weights }];
        const opened = await ort.InferenceSession.create(/** @type {Files} */ (files).graph, {
          ...options,
          externalData,
        });
        measured(`make ${name} ready`, start);
        return opened;
      });
      made = session.catch(() => {});
      return session;
    });
  }
  return networks;
}

/**
 * @param {string} name
 * @param {Part} graph
 * @param {NetworkEntry["weights"]} weights
 * @param {(part: Part) => Promise<Uint8Array>} get
 * @returns {Promise<Files>}
 */
async function filesOf(name, graph, { bytes, parts }, get) {
  const start = performance.now();
  const [content, ...pieces] = await Promise.all([graph, ...parts].map(get));
  const data = new Uint8Array(bytes);
  let at = 0;
  for (const piece of pieces) {
    data.set(piece, at);
    at += piece.length;
  }
  measured(`fetch ${name}`, start);
  return { graph: content, weights: data };
}

/**
 * Every patch of pixels as the channels of one pixel (pixel-unshuffle).
 *
 * @param {Float32Array} picture  [C·S·S]
 * @param {number} side  of the result
 * @param {number} patch
 * @param {Float32Array} result  [C·patch²·side·side]
 */
export function unshuffle(picture, side, patch, result) {
  const size = side * patch;
  const channels = picture.length / (size * size);
  let to = 0;
  for (let channel = 0; channel < channels; channel++) {
    for (let dy = 0; dy < patch; dy++) {
      for (let dx = 0; dx < patch; dx++) {
        for (let y = 0; y < side; y++) {
          let from = (channel * size + y * patch + dy) * size + dx;
          for (let x = 0; x < side; x++, from += patch) result[to++] = picture[from];
        }
      }
    }
  }
}

/**
 * The inverse of `unshuffle`.
 *
 * @param {Float32Array} patches
 * @param {number} side
 * @param {number} patch
 * @returns {Float32Array}
 */
export function shuffle(patches, side, patch) {
  const size = side * patch;
  const channels = patches.length / (size * size);
  const picture = new Float32Array(patches.length);
  let from = 0;
  for (let channel = 0; channel < channels; channel++) {
    for (let dy = 0; dy < patch; dy++) {
      for (let dx = 0; dx < patch; dx++) {
        for (let y = 0; y < side; y++) {
          let to = (channel * size + y * patch + dy) * size + dx;
          for (let x = 0; x < side; x++, to += patch) picture[to] = patches[from++];
        }
      }
    }
  }
  return picture;
}
