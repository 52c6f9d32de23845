/** Which pixels of a view float in the air, as the other views see it; twin of `ivid/fusion/consistency.py`. */

import { focalOf, transform } from "./cameras.js";
import { isSteep } from "./mesh.js";

/** @typedef {import("../types.js").View} View */

const SEEN_THROUGH_BY = 2; // views that must see through a pixel which none supports
const [NOTHING, SEES_THROUGH, SUPPORTS] = [0, 1, 2];

/**
 * The view's mask without its specks: pixels that no other view supports and at least two see through which are trusted
 * no less.
 *
 * @param {View} view
 * @param {View[]} others
 * @returns {Uint8Array | null} null if nothing is left out
 */
export function maskWithoutSpecks(view, others) {
  const { size, depth, mask } = view;
  const supporting = new Uint16Array(depth.length);
  const contradicting = new Uint16Array(depth.length);
  for (const other of others) ask(view, other, supporting, contradicting);
  const kept = mask ? Uint8Array.from(mask) : new Uint8Array(size * size).fill(1);
  for (let k = 0; k < kept.length; k++) {
    if (supporting[k] === 0 && contradicting[k] >= SEEN_THROUGH_BY) kept[k] = 0;
  }
  return kept.every((set) => set) ? null : kept;
}

/**
 * @param {View} view
 * @param {View} other
 * @param {Uint16Array} supporting
 * @param {Uint16Array} contradicting
 */
function ask(view, other, supporting, contradicting) {
  const { size, depth, edgeThreshold } = view;
  const focal = focalOf(view.camera);
  const scale = focalOf(other.camera) * size;
  const m = transform(view.camera, other.camera);
  const mayOverrule = other.trust >= view.trust;
  for (let row = 0, k = 0; row < size; row++) {
    const rayY = (0.5 - (row + 0.5) / size) / focal;
    for (let column = 0; column < size; column++, k++) {
      const ours = depth[k];
      const pointX = (ours * ((column + 0.5) / size - 0.5)) / focal;
      const pointY = ours * rayY;
      const z = -(m[8] * pointX + m[9] * pointY - m[10] * ours + m[11]);
      if (z <= 1e-6) continue;
      const x = 0.5 * size + (scale * (m[0] * pointX + m[1] * pointY - m[2] * ours + m[3])) / z;
      const y = 0.5 * size - (scale * (m[4] * pointX + m[5] * pointY - m[6] * ours + m[7])) / z;
      if (!(x >= 0 && y >= 0 && x < size && y < size)) continue;
      const [i, j] = [Math.floor(y), Math.floor(x)];
      let verdict = says(other, i * size + j, z, edgeThreshold);
      if (verdict !== SUPPORTS) {
        verdict = verdictAround(other, i, j, z, edgeThreshold, verdict);
      }
      if (verdict === SUPPORTS) supporting[k]++;
      else if (verdict === SEES_THROUGH && mayOverrule) contradicting[k]++;
    }
  }
}

/**
 * @param {View} other
 * @param {number} row
 * @param {number} column
 * @param {number} z
 * @param {number} threshold
 * @param {number} centre  what the pixel itself says
 */
function verdictAround(other, row, column, z, threshold, centre) {
  const { size } = other;
  let verdict = centre;
  for (let i = Math.max(row - 1, 0); i < Math.min(row + 2, size); i++) {
    for (let j = Math.max(column - 1, 0); j < Math.min(column + 2, size); j++) {
      const its = says(other, i * size + j, z, threshold);
      if (its === SUPPORTS) return SUPPORTS;
      verdict = Math.min(verdict, its);
    }
  }
  return verdict;
}

/**
 * What a pixel of another view says of a surface at its depth z.
 *
 * @param {View} other
 * @param {number} pixel
 * @param {number} z
 * @param {number} threshold
 */
function says({ depth, mask }, pixel, z, threshold) {
  if (mask && !mask[pixel]) return NOTHING;
  const its = depth[pixel];
  if (!isSteep(z, z, its, threshold)) return SUPPORTS;
  return its < z ? NOTHING : SEES_THROUGH;
}
