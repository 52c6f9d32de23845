/** Networks in ONNX Runtime: pictures in, pictures out, cut into patches as each network takes them. */

/** @typedef {import("./types.js").NetworkEntry} NetworkEntry */
/** @typedef {import("./types.js").Part} Part */
/** @typedef {(part: Part, onProgress: (loaded: number) => void) => Promise<ArrayBuffer>} Fetch */
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
   * @param {OrtSession} session
   * @param {NetworkEntry["config"]} config
   */
  constructor(ort, session, config) {
    this.ort = ort;
    this.session = session;
    /** Side in pixels of the patches that are taken as channels. */
    this.patch = Math.round(Math.sqrt(config.out_channels / 4));
    this.side = config.sample_size;
    this.channels = config.in_channels;
    /** The class embedding that means no class; null for networks without classes. */
    this.nullClass = config.num_class_embeds ? config.num_class_embeds - 1 : null;
  }

  /**
   * @param {Float32Array[]} inputs  a batch, each [C·S·S]
   * @param {number} timestep
   * @param {(number | null)[]} labels  one for each input; null for no class
   * @returns {Promise<Float32Array[]>} [4·S·S] for each input
   */
  async evaluate(inputs, timestep, labels) {
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
    if (this.nullClass !== null && this.session.inputNames.includes("class_labels")) {
      const known = labels.map((label) => BigInt(label ?? /** @type {number} */ (this.nullClass)));
      feeds.class_labels = new ort.Tensor("int64", BigInt64Array.from(known), [batch]);
    }
    const output = (await this.session.run(feeds))[this.session.outputNames[0]];
    const data = /** @type {Float32Array} */ (output.data);
    const each = data.length / batch;
    const pictures = inputs.map((_, k) => shuffle(data.subarray(k * each, (k + 1) * each), side, patch));
    output.dispose();
    return pictures;
  }
}

/**
 * Fetches all networks, one after the other, and makes them ready.
 *
 * @param {Ort} ort
 * @param {Record<string, NetworkEntry>} entries
 * @param {object} options  of the sessions
 * @param {Fetch} fetch
 * @param {(loaded: number, total: number) => void} onProgress  in bytes
 * @returns {Promise<Record<string, Network>>}
 */
export async function loadNetworks(ort, entries, options, fetch, onProgress) {
  const all = Object.values(entries).flatMap(({ graph, weights }) => [graph, ...weights.parts]);
  const total = all.reduce((sum, { bytes }) => sum + bytes, 0);
  let before = 0;
  /** @param {Part} part */
  const get = async (part) => {
    const content = new Uint8Array(await fetch(part, (loaded) => onProgress(before + loaded, total)));
    before += part.bytes;
    onProgress(before, total);
    return content;
  };
  /** @type {Record<string, Network>} */
  const networks = {};
  for (const [name, { config, graph, weights }] of Object.entries(entries)) {
    const bytes = await get(graph);
    const data = new Uint8Array(weights.bytes);
    let at = 0;
    for (const part of weights.parts) {
      const content = await get(part);
      data.set(content, at);
      at += content.length;
    }
    const externalData = [{ path: weights.path, data }];
    networks[name] = new Network(ort, await ort.InferenceSession.create(bytes, { ...options, externalData }), config);
  }
  return networks;
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
