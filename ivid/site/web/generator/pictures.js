/** Between the samples that networks see and pictures with metric depth; twin of `ivid/pipeline/pictures.py`. */

import { decode, encode, nearestWithin, smoothed, snapToFar, withoutFlyingPixels } from "./depth.js";

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
 * Colours of a view in which no surface shows those of one before it: a pixel within `radius` pixels of a surface that is
 * nearer by more than `step` takes the mean of its neighbours on its own surface, those farthest from the edge first.
 *
 * @param {Float32Array} rgb  [S·S·3]
 * @param {Float32Array} d  z-buffer values [S·S]
 * @param {number} size  S
 * @param {number} radius
 * @param {number} step
 */
export function decontaminated(rgb, d, size, radius, step) {
  const near = nearestWithin(d, size, radius);
  const result = rgb.slice();
  const clean = new Uint8Array(d.length);
  /** @type {number[]} */
  let left = [];
  for (let k = 0; k < d.length; k++) {
    if (near[k] < Math.fround(d[k] - step)) left.push(k);
    else clean[k] = 1;
  }
  for (let pass = 0; pass < 2 * radius && left.length; pass++) {
    /** @type {[number, number[]][]} */
    const found = [];
    for (const k of left) {
      const total = [0, 0, 0];
      let count = 0;
      for (const other of neighbours(k, size)) {
        if (!clean[other] || !(Math.abs(Math.fround(d[other] - d[k])) < step)) continue;
        count++;
        for (let c = 0; c < 3; c++) total[c] += result[3 * other + c];
      }
      if (count) found.push([k, total.map((sum) => sum / count)]);
    }
    for (const [k, mean] of found) {
      result.set(mean, 3 * k);
      clean[k] = 1;
    }
    left = left.filter((k) => !clean[k]);
  }
  return result;
}

/**
 * @param {number} k
 * @param {number} size
 */
function neighbours(k, size) {
  const [row, column] = [Math.floor(k / size), k % size];
  const found = [];
  for (let i = Math.max(row - 1, 0); i < Math.min(row + 2, size); i++)
    for (let j = Math.max(column - 1, 0); j < Math.min(column + 2, size); j++)
      if (i !== row || j !== column) found.push(i * size + j);
  return found;
}

/**
 * The colours that conditions take from a view: decontaminated, where the model has them so.
 *
 * @param {{rgb: Float32Array, depth: Float32Array}} view
 * @param {number} size
 * @param {DepthConfig} depth
 */
export function coloursForConditions(view, size, depth) {
  if (!depth.decontamination_px || depth.flying_pixel_threshold === null) return view.rgb;
  const d = encode(view.depth, depth.range);
  return decontaminated(view.rgb, d, size, depth.decontamination_px, depth.flying_pixel_threshold);
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
