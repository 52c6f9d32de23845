/**
 * Fewer triangles for pictures in motion: squares of a view's mesh that are flat enough become one face each.
 *
 * A quadtree over the grid; a face has every corner of its neighbours on its rim, so that nothing gapes.
 */

import { DROPPED, EDGE, ERODED, flagsOf } from "./mesh.js";

const LARGEST = 16; // quads a side of the largest face
const TOLERANCES = [0.002, 0.006, 0.018]; // in 1/metres: 0.002 is a pixel of 512 when the camera moves by a metre

/**
 * The finest coarse mesh of at most `most` triangles, or the coarsest there is.
 *
 * @param {import("./mesh.js").ViewMesh} mesh
 * @param {number} most
 * @returns {Uint16Array | Uint32Array} indices of triangles, counter-clockwise from the camera
 */
export function coarsen(mesh, most) {
  let { indices } = mesh;
  for (const tolerance of TOLERANCES) {
    if (indices.length <= 3 * most) break;
    indices = merge(mesh, tolerance);
  }
  return indices;
}

/**
 * @param {import("./mesh.js").ViewMesh} mesh
 * @param {number} tolerance  by how much a face may miss its vertices, in 1/metres
 * @returns {Uint16Array | Uint32Array} indices
 */
export function merge({ side, vertices, indices }, tolerance) {
  const nearness = new Float32Array(side * side);
  const flags = new Uint8Array(side * side);
  for (let k = 0; k < side * side; k++) {
    nearness[k] = 1 / vertices[4 * k];
    flags[k] = flagsOf(vertices, k) & (EDGE | ERODED | DROPPED);
  }

  /**
   * Whether one face may stand for the quads between these rows and columns. Planes are linear in 1/z.
   *
   * @param {number} top @param {number} left @param {number} bottom @param {number} right
   */
  function flat(top, left, bottom, right) {
    const kind = flags[top * side + left];
    if (kind & DROPPED) return false;
    const [a, b] = [nearness[top * side + left], nearness[top * side + right]];
    const [c, d] = [nearness[bottom * side + left], nearness[bottom * side + right]];
    for (let row = top; row <= bottom; row++) {
      const t = (row - top) / (bottom - top);
      const from = a + (c - a) * t;
      const step = (b + (d - b) * t - from) / (right - left);
      for (let column = left, k = row * side + left; column <= right; column++, k++) {
        if (flags[k] !== kind || Math.abs(nearness[k] - from - step * (column - left)) > tolerance) return false;
      }
    }
    return true;
  }

  /** @type {[number, number, number, number][]} */
  const faces = [];
  const corners = new Uint8Array(side * side);
  /** @param {number} top @param {number} left @param {number} bottom @param {number} right */
  function divide(top, left, bottom, right) {
    if (bottom - top > 1 || right - left > 1 ? flat(top, left, bottom, right) : true) {
      faces.push([top, left, bottom, right]);
      for (const row of [top, bottom]) corners[row * side + left] = corners[row * side + right] = 1;
      return;
    }
    const rows = bottom - top > 1 ? [top, (top + bottom) >> 1, bottom] : [top, bottom];
    const columns = right - left > 1 ? [left, (left + right) >> 1, right] : [left, right];
    for (let i = 0; i + 1 < rows.length; i++) {
      for (let j = 0; j + 1 < columns.length; j++) divide(rows[i], columns[j], rows[i + 1], columns[j + 1]);
    }
  }
  const cuts = [0]; // the ring apart: its quads are larger than they look in the grid
  for (let k = 1; k < side - 2; k += LARGEST) cuts.push(k);
  cuts.push(side - 2, side - 1);
  for (let i = 0; i + 1 < cuts.length; i++) {
    for (let j = 0; j + 1 < cuts.length; j++) divide(cuts[i], cuts[j], cuts[i + 1], cuts[j + 1]);
  }

  /** @type {number[]} */
  const coarse = [];
  for (const [top, left, bottom, right] of faces) {
    if (bottom - top === 1 && right - left === 1) {
      const quad = 6 * (top * (side - 1) + left);
      for (let k = quad; k < quad + 6; k++) coarse.push(indices[k]);
      continue;
    }
    const rim = [];
    for (let row = top; row < bottom; row++) rim.push(row * side + left);
    for (let column = left; column < right; column++) rim.push(bottom * side + column);
    for (let row = bottom; row > top; row--) rim.push(row * side + right);
    for (let column = right; column > left; column--) rim.push(top * side + column);
    const shared = rim.filter((k) => corners[k]);
    for (let k = 1; k + 1 < shared.length; k++) coarse.push(shared[0], shared[k], shared[k + 1]);
  }
  return new /** @type {any} */ (indices.constructor)(coarse);
}
