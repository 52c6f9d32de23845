/** Between the samples that networks see and pictures with metric depth; twin of `ivid/pipeline/pictures.py`. */

import { decode, smoothed, snapToFar, withoutFlyingPixels } from "./depth.js";

/** @typedef {import("./types.js").DepthConfig} DepthConfig */

/**
 * @param {Float32Array} clean  [4·S·S]
 * @param {number} size  S
 * @param {DepthConfig} depth
 * @param {number | null} smoothing  range of the filter of depth; null keeps it as it is
 * @returns {{rgb: Float32Array, depth: Float32Array}} colour [S·S·3] in [0, 1], depth [S·S] in metres
 */
export function toPictures(clean, size, depth, smoothing) {
  const pixels = size * size;
  const values = clean.map((value) => (Math.min(Math.max(value, -1), 1) + 1) / 2);
  const rgb = new Float32Array(3 * pixels);
  for (let k = 0; k < pixels; k++) for (let c = 0; c < 3; c++) rgb[3 * k + c] = values[c * pixels + k];
  /** @type {Float32Array} */
  let d = snapToFar(values.subarray(3 * pixels), depth.snap_to_far);
  if (depth.flying_pixel_threshold !== null) d = withoutFlyingPixels(d, size, depth.flying_pixel_threshold);
  if (smoothing !== null) d = smoothed(d, size, smoothing);
  return { rgb, depth: decode(d, depth.range) };
}

/**
 * Colour in [0, 1] as 8 bits.
 *
 * @param {Float32Array} rgb
 */
export function quantised(rgb) {
  const levels = new Uint8ClampedArray(rgb.length); // rounds halves to even
  for (let k = 0; k < rgb.length; k++) levels[k] = Math.fround(rgb[k] * 255);
  return new Uint8Array(levels.buffer);
}

/**
 * A sample [4·S·S] the other way round.
 *
 * @param {Float32Array} sample
 * @param {number} size
 */
export function mirrored(sample, size) {
  const result = new Float32Array(sample.length);
  for (let k = 0; k < sample.length; k++) {
    const column = k % size;
    result[k] = sample[k - column + size - 1 - column];
  }
  return result;
}
