/** What the novel-view network sees of the known, and the blending of its prediction with it (method §6). */

/** @typedef {import("./types.js").Condition} Condition */
/** @typedef {import("./types.js").Blending} Blending */

/**
 * The condition of a view of which nothing is known: a first view.
 *
 * @param {number} size
 * @returns {Condition}
 */
export function unknown(size) {
  const pixels = size * size;
  return {
    rgb: new Float32Array(3 * pixels),
    depth: new Float32Array(pixels),
    mask: new Uint8Array(pixels),
    maskRgb: new Uint8Array(pixels),
    depthFloor: new Float32Array(pixels),
    trusted: new Float32Array(pixels),
  };
}

/**
 * What is known of the pixels of which views of full trust show more than half.
 *
 * @param {Condition} known
 * @returns {Condition}
 */
export function trustedAlone(known) {
  const shown = (/** @type {number} */ _, /** @type {number} */ k) => known.trusted[k] > 0.5;
  const mask = known.mask.map((set, k) => (shown(set, k) ? set : 0));
  const maskRgb = known.maskRgb.map((set, k) => (shown(set, k) ? set : 0));
  return {
    ...known,
    rgb: known.rgb.map((value, at) => value * maskRgb[at % mask.length]),
    depth: known.depth.map((value, k) => value * mask[k]),
    mask,
    maskRgb,
  };
}

/**
 * The mirror image of square planes.
 *
 * @param {Float32Array} planes  [C·S·S]
 * @param {number} size  S
 */
export function mirrored(planes, size) {
  return planes.map((_, at) => planes[at - (at % size) + (size - 1 - (at % size))]);
}

/**
 * The network's channels beside x_t: the mask of colour, colour, depth, the mask of depth.
 *
 * @param {Condition} known
 * @param {Float32Array | null} noise  [4·S·S], what stands for colour and depth where they are unknown; 0 without it
 * @returns {Float32Array} [6·S·S]
 */
export function channels({ rgb, depth, mask, maskRgb }, noise) {
  const pixels = mask.length;
  const result = new Float32Array(6 * pixels);
  for (let k = 0; k < pixels; k++) {
    result[k] = maskRgb[k];
    for (let c = 0; c < 3; c++) {
      const at = c * pixels + k;
      result[pixels + at] = maskRgb[k] ? rgb[at] * 2 - 1 : noise ? noise[at] : 0;
    }
    result[4 * pixels + k] = mask[k] ? depth[k] * 2 - 1 : noise ? noise[3 * pixels + k] : 0;
    result[5 * pixels + k] = mask[k];
  }
  return result;
}

/**
 * The predicted clean sample, blended with what is known.
 *
 * @param {Float32Array} clean  [4·S·S]
 * @param {Condition} known
 * @param {Blending} blending
 * @param {boolean} lastStep
 */
export function blendWithKnown(clean, { rgb, depth, mask, maskRgb, depthFloor }, blending, lastStep) {
  const pixels = mask.length;
  const result = new Float32Array(clean);
  const weight = lastStep ? blending.last_rgb : blending.rgb;
  for (let k = 0; k < pixels; k++) {
    if (maskRgb[k]) {
      for (let at = k; at < 3 * pixels; at += pixels) result[at] += weight * (rgb[at] * 2 - 1 - result[at]);
    }
    const at = 3 * pixels + k;
    if (mask[k]) result[at] += blending.depth * (depth[k] * 2 - 1 - result[at]);
    else result[at] += blending.floor * Math.max(depthFloor[k] * 2 - 1 - result[at], 0);
  }
  return result;
}
