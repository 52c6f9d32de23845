/**
 * Draws a mesh into a z-buffer: which triangle each sample of the picture sees, and how far away; twin of
 * `ivid/fusion/raster_kernels.py`, whose fill rule and edge functions it has.
 *
 * Convention: a point in front of the target camera projects to homogeneous sample coordinates (X, Y, w): X/w to the
 * right and Y/w upwards from the middle of the picture, in samples. Edge functions are cross products of two of them, so
 * triangles that reach behind the camera need no clipping.
 */

import { ABSENT_SHIFT, BACK, CORNER_COLUMNS, CORNER_ROWS, HIDDEN } from "./mesh.js";

/** @typedef {import("./mesh.js").Mesh} Mesh */
/**
 * @typedef {object} DepthBuffer  one entry a sample, row by row
 * @property {number} extent  samples on a side
 * @property {Float32Array} closeness  1/w; 0 where nothing is
 * @property {Int32Array} low  the triangle, inverted so that the lower number wins a tie, its diagonal, texel and kind
 */

// The low half of an entry.
export const LAST_TRIANGLE = 0x01ffffff;
export const TRIANGLE_SHIFT = 6;
export const DIAGONAL_SHIFT = 5;
export const LOWER_TEXEL = 16;
export const RIGHT_TEXEL = 8;
export const KIND_BITS = 7;

const MAX_RING_SHARE = 0.001; // a fragment of which more than this is ring is padding
const SLACK = 0.01; // samples added to bounding boxes, which are rounded; the edge functions decide

/**
 * @param {number} extent
 * @returns {DepthBuffer}
 */
export function createDepthBuffer(extent) {
  return { extent, closeness: new Float32Array(extent * extent), low: new Int32Array(extent * extent) };
}

/**
 * The vertices of a mesh in homogeneous sample coordinates.
 *
 * @param {Mesh} mesh
 * @param {Float32Array} toTarget  [16] from the view's camera space to the target's
 * @param {number} scale  focal length of the target in samples
 * @returns {Float32Array} [(S + 2)²·3]
 */
export function project({ points }, toTarget, scale) {
  const m = toTarget;
  const projected = new Float32Array(points.length);
  for (let k = 0; k < points.length; k += 3) {
    const [x, y, z] = [points[k], points[k + 1], points[k + 2]];
    projected[k] = scale * (m[0] * x + m[1] * y + m[2] * z + m[3]);
    projected[k + 1] = scale * (m[4] * x + m[5] * y + m[6] * z + m[7]);
    projected[k + 2] = -(m[8] * x + m[9] * y + m[10] * z + m[11]);
  }
  return projected;
}

/**
 * Clears a buffer and draws all triangles of a mesh into it.
 *
 * @param {DepthBuffer} buffer
 * @param {Mesh} mesh
 * @param {Float32Array} projected
 * @param {number} near  metres
 * @param {number} far
 */
export function drawMesh(buffer, { view, quads }, projected, near, far) {
  buffer.closeness.fill(0);
  const { size } = view;
  const side = size + 2;
  for (let row = 0, quad = 0; row <= size; row++) {
    for (let column = 0; column <= size; column++, quad++) {
      const bits = quads[quad];
      const diagonal = bits & 1;
      const border = row === 0 || column === 0 || row === size || column === size;
      for (let half = 0; half < 2; half++) {
        if (bits & (1 << (ABSENT_SHIFT + half))) continue;
        const rows = CORNER_ROWS[2 * diagonal + half];
        const columns = CORNER_COLUMNS[2 * diagonal + half];
        const a = (row + rows[0]) * side + column + columns[0];
        const b = (row + rows[1]) * side + column + columns[1];
        const c = (row + rows[2]) * side + column + columns[2];
        let ring = 0; // bit k: corner k is on the ring
        if (border) {
          for (let which = 0; which < 3; which++) {
            const [i, j] = [row + rows[which], column + columns[which]];
            if (i === 0 || j === 0 || i > size || j > size) ring |= 1 << which;
          }
        }
        const kind = (bits >> (1 + 2 * half)) & 3;
        drawTriangle(buffer, projected, 3 * a, 3 * b, 3 * c, 2 * quad + half, diagonal, kind, ring, near, far);
      }
    }
  }
}

/** Left, bottom, right, top of what is seen of a triangle, on the picture. */
const box = new Float64Array(4);

/**
 * The bounding box of a triangle that reaches before the near plane: of what lies beyond that.
 *
 * @param {Float32Array} p
 * @param {number[]} corners
 * @param {number} near
 */
function boxBeyond(p, corners, near) {
  box.set([Infinity, Infinity, -Infinity, -Infinity]);
  /** @param {number} x @param {number} y */
  const grow = (x, y) => {
    box[0] = Math.min(box[0], x);
    box[1] = Math.min(box[1], y);
    box[2] = Math.max(box[2], x);
    box[3] = Math.max(box[3], y);
  };
  for (let k = 0; k < 3; k++) {
    const [a, b] = [corners[k], corners[(k + 1) % 3]];
    if (p[a + 2] >= near) grow(p[a] / p[a + 2], p[a + 1] / p[a + 2]);
    if (p[a + 2] >= near === p[b + 2] >= near) continue;
    const t = (near - p[a + 2]) / (p[b + 2] - p[a + 2]);
    grow((p[a] + t * (p[b] - p[a])) / near, (p[a + 1] + t * (p[b + 1] - p[a + 1])) / near);
  }
}

/**
 * @param {DepthBuffer} buffer
 * @param {Float32Array} p  projected vertices
 * @param {number} a  where the first corner's coordinates are, as b and c
 * @param {number} b
 * @param {number} c
 * @param {number} number  of the triangle
 * @param {number} diagonal
 * @param {number} kind
 * @param {number} ring
 * @param {number} near
 * @param {number} far
 */
function drawTriangle({ extent, closeness, low }, p, a, b, c, number, diagonal, kind, ring, near, far) {
  const ax = p[a];
  const ay = p[a + 1];
  const aw = p[a + 2];
  const bx = p[b];
  const by = p[b + 1];
  const bw = p[b + 2];
  const cx = p[c];
  const cy = p[c + 1];
  const cw = p[c + 2];
  const nearest = Math.min(aw, bw, cw);
  const farthest = Math.max(aw, bw, cw);
  if (nearest > far || farthest < near) return;
  let [minX, minY, maxX, maxY] = [0, 0, 0, 0];
  if (nearest < near) {
    boxBeyond(p, [a, b, c], near);
    [minX, minY, maxX, maxY] = box;
  } else {
    const [ix, iy, jx, jy, kx, ky] = [ax / aw, ay / aw, bx / bw, by / bw, cx / cw, cy / cw];
    minX = Math.min(ix, jx, kx);
    maxX = Math.max(ix, jx, kx);
    minY = Math.min(iy, jy, ky);
    maxY = Math.max(iy, jy, ky);
  }
  const middle = 0.5 * extent - 0.5;
  const left = Math.max(Math.ceil(minX + middle - SLACK), 0);
  const right = Math.min(Math.floor(maxX + middle + SLACK), extent - 1);
  let top = Math.max(Math.ceil(middle - maxY - SLACK), 0);
  let bottom = Math.min(Math.floor(middle - minY + SLACK), extent - 1);
  if (left > right || top > bottom) return;

  // Edge functions of the sides opposite to the corners.
  let a0 = by * cw - bw * cy;
  let a1 = bw * cx - bx * cw;
  let a2 = bx * cy - by * cx;
  let b0 = cy * aw - cw * ay;
  let b1 = cw * ax - cx * aw;
  let b2 = cx * ay - cy * ax;
  let c0 = ay * bw - aw * by;
  let c1 = aw * bx - ax * bw;
  let c2 = ax * by - ay * bx;
  const volume = ax * a0 + ay * a1 + aw * a2;
  if (volume === 0) return;
  const back = volume < 0;
  if (back) {
    [a0, a1, a2, b0, b1, b2, c0, c1, c2] = [-a0, -a1, -a2, -b0, -b1, -b2, -c0, -c1, -c2];
    kind = BACK;
  }
  // At least 0 where a fragment is hardly ring; back faces are drawn there only.
  let [s0, s1, s2] = [0, 0, 0];
  if (ring) {
    const [ra, rb, rc] = [
      MAX_RING_SHARE - (ring & 1),
      MAX_RING_SHARE - ((ring >> 1) & 1),
      MAX_RING_SHARE - (ring >> 2),
    ];
    s0 = a0 * ra + b0 * rb + c0 * rc;
    s1 = a1 * ra + b1 * rb + c1 * rc;
    s2 = a2 * ra + b2 * rb + c2 * rc;
  }
  if (a0 === 0) [top, bottom] = rowsBeside(a1, a2, middle, top, bottom);
  if (b0 === 0) [top, bottom] = rowsBeside(b1, b2, middle, top, bottom);
  if (c0 === 0) [top, bottom] = rowsBeside(c1, c2, middle, top, bottom);
  if (ring && back && s0 === 0) [top, bottom] = rowsBeside(s1, s2, middle, top, bottom);

  // Where row 0 crosses each side, and how the crossing moves with the rows.
  const aAt = -(a2 - a0 * middle + a1 * middle) / a0;
  const aBy = a1 / a0;
  const bAt = -(b2 - b0 * middle + b1 * middle) / b0;
  const bBy = b1 / b0;
  const cAt = -(c2 - c0 * middle + c1 * middle) / c0;
  const cBy = c1 / c0;
  const sAt = -(s2 - s0 * middle + s1 * middle) / s0;
  const sBy = s1 / s0;

  const leavesPlanes = nearest < near || farthest > far;
  // All edge functions together are 1/w, up to a factor; a texel wins where it has more than half of them.
  const w0 = a0 + b0 + c0;
  const w1 = a1 + b1 + c1;
  const w2 = a2 + b2 + c2;
  const half = number & 1;
  let [l0, l1, l2] = [w0 - 2 * a0, w1 - 2 * a1, w2 - 2 * a2];
  if (diagonal === half) [l0, l1, l2] = [2 * b0 - w0, 2 * b1 - w1, 2 * b2 - w2];
  let [r0, r1, r2] = [w0 - 2 * a0, w1 - 2 * a1, w2 - 2 * a2];
  if (half === 0) [r0, r1, r2] = [2 * c0 - w0, 2 * c1 - w1, 2 * c2 - w2];
  else if (diagonal === 0) [r0, r1, r2] = [w0 - 2 * b0, w1 - 2 * b1, w2 - 2 * b2];
  const scale = 1 / Math.abs(volume);
  const triangle = ((LAST_TRIANGLE - number) << TRIANGLE_SHIFT) | (diagonal << DIAGONAL_SHIFT);
  for (let row = top; row <= bottom; row++) {
    let from = left;
    let to = right + 1;
    if (a0 > 0) from = Math.max(from, aAt + aBy * row);
    else if (a0 < 0) to = Math.min(to, aAt + aBy * row);
    if (b0 > 0) from = Math.max(from, bAt + bBy * row);
    else if (b0 < 0) to = Math.min(to, bAt + bBy * row);
    if (c0 > 0) from = Math.max(from, cAt + cBy * row);
    else if (c0 < 0) to = Math.min(to, cAt + cBy * row);
    if (ring && back) {
      if (s0 > 0) from = Math.max(from, sAt + sBy * row);
      else if (s0 < 0) to = Math.min(to, sAt + sBy * row);
    }
    const y = middle - row;
    const wRow = (w1 * y + w2) * scale;
    const wStep = w0 * scale;
    const lRow = l1 * y + l2;
    const rRow = r1 * y + r2;
    const sRow = s1 * y + s2;
    const last = Math.ceil(to);
    for (let column = Math.ceil(from); column < last; column++) {
      const x = column - middle;
      const close = Math.fround(wRow + wStep * x);
      const at = row * extent + column;
      if (close < closeness[at]) continue;
      if (leavesPlanes && (close * near > 1 || close * far < 1)) continue;
      let entry = triangle | (ring && sRow + s0 * x < 0 ? HIDDEN : kind);
      if (lRow + l0 * x >= 0) entry |= LOWER_TEXEL;
      if (rRow + r0 * x >= 0) entry |= RIGHT_TEXEL;
      if (close === closeness[at] && entry <= low[at]) continue;
      closeness[at] = close;
      low[at] = entry;
    }
  }
}

/**
 * The rows on the inner side of a horizontal edge.
 *
 * @param {number} e1
 * @param {number} e2
 * @param {number} middle
 * @param {number} top
 * @param {number} bottom
 * @returns {[number, number]}
 */
function rowsBeside(e1, e2, middle, top, bottom) {
  if (e1 === 0) return e2 > 0 ? [top, bottom] : [0, -1];
  const at = Math.floor(middle + e2 / e1);
  return e1 > 0 ? [top, Math.min(bottom, at)] : [Math.max(top, at + 1), bottom];
}
