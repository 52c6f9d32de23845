/** View files (`.ivw`, viewer/protocol.py) written in the browser: what the viewer reads. */

import { joined, rgbPng } from "./png.js";
import { zlibSync } from "./vendor/fflate/fflate.js";

const HEADER_BYTES = 36;
const STEP = 1; // depth codes keep all 16 bits

/**
 * @param {import("./scene.js").View} view
 * @param {number} size
 * @param {[number, number]} depthRange  the planes of the codec; a depth outside of them widens them
 */
export function packView(view, size, [near, far]) {
  for (const z of view.depth) {
    if (z < near) near = z;
    if (z > far) far = z;
  }
  const colour = rgbPng(view.rgb, size);
  const depth = zlibSync(depthResiduals(view.depth, size, near, far));
  const mask = view.mask ? zlibSync(packBits(view.mask)) : new Uint8Array();
  const header = new DataView(new ArrayBuffer(HEADER_BYTES));
  header.setUint32(0, 0x49565732); // IVW2
  header.setUint16(4, size, true);
  header.setUint16(6, STEP, true);
  header.setFloat32(8, near, true);
  header.setFloat32(12, far, true);
  header.setFloat32(16, view.edgeThreshold, true);
  header.setFloat32(20, view.trust, true);
  header.setUint32(24, colour.length, true);
  header.setUint32(28, depth.length, true);
  header.setUint32(32, mask.length, true);
  return joined([new Uint8Array(header.buffer), colour, depth, mask]);
}

/**
 * @param {Float32Array} depth
 * @param {number} size
 * @param {number} near
 * @param {number} far
 */
function depthResiduals(depth, size, near, far) {
  const count = size * size;
  const codes = new Uint16Array(count);
  for (let k = 0; k < count; k++) {
    const d = (1 / near - 1 / depth[k]) / (1 / near - 1 / far);
    codes[k] = Math.round((65535 * Math.min(Math.max(d, 0), 1)) / STEP);
  }
  const residuals = new Uint8Array(2 * count); // all high bytes, then all low bytes
  for (let k = 0; k < count; k++) {
    const left = k % size ? codes[k - 1] : 0;
    const above = k >= size ? codes[k - size] : 0;
    const corner = k % size && k >= size ? codes[k - size - 1] : 0;
    const residual = codes[k] - (left + above - corner);
    residuals[k] = residual >> 8;
    residuals[count + k] = residual;
  }
  return residuals;
}

/** @param {Uint8Array} mask */
export function packBits(mask) {
  const bits = new Uint8Array(Math.ceil(mask.length / 8));
  for (let k = 0; k < mask.length; k++) if (mask[k]) bits[k >> 3] |= 128 >> (k & 7);
  return bits;
}
