/** Blends the views' z-buffers into one picture (method §5); twin of `ivid/fusion/blend_kernels.py`. */

import { ANGLE_FALLOFF, ERODED_FACTOR, MIN_WEIGHT } from "../../../../../viewer/web/render/weights.js";
import { BACK, CORNER_COLUMNS, CORNER_ROWS, EDGE, ERODED, FADED, HIDDEN, MIXED, within } from "./mesh.js";
import { DIAGONAL_SHIFT, KIND_BITS, LAST_TRIANGLE, LOWER_TEXEL, RIGHT_TEXEL, TRIANGLE_SHIFT } from "./rasteriser.js";

/** @typedef {import("./mesh.js").Mesh} Mesh */
/** @typedef {import("./rasteriser.js").DepthBuffer} DepthBuffer */
/**
 * @typedef {object} Sums  of what views say about each sample
 * @property {number} extent  samples on a side
 * @property {Float32Array} colours  [extent²·4] weighted colour, and the weight
 * @property {Float32Array} depths  [extent²·3] weighted 1/z, its weight, and the largest weight
 */

const HIDDEN_WEIGHT = 1e-16;
const HIDDEN_LIMIT = 1e-14; // samples of at most this weight are hidden
const RGB_LIMIT = 1e-6; // samples of at most this weight do not make colour known
const HIDDEN_DEPTH_WEIGHT = 1e-8;
const FULL_TRUST = 0.999; // what one view of full trust counts; all others together must count less
const OUTWEIGHS_HIDDEN = 1e-8; // a hidden sample beside more weight than this is below a float's precision
const FLAG_LIMIT = 0.999;
const ROUNDING = 1 / 512; // levels, for whole ones that a weighted mean left just below
const MIN_WEIGHT_COSINE = Math.cos(-Math.log(MIN_WEIGHT) / ANGLE_FALLOFF);

/**
 * @param {number} extent
 * @returns {Sums}
 */
export function createSums(extent) {
  return {
    extent,
    colours: new Float32Array(4 * extent * extent),
    depths: new Float32Array(3 * extent * extent),
  };
}

/**
 * Adds one view's z-buffer. Of hidden fragments that nothing else covers, the farther one is kept alone.
 *
 * @param {Sums} sums
 * @param {DepthBuffer} buffer
 * @param {Mesh} mesh
 * @param {Float32Array} projected  see `project`
 * @param {Float32Array} toView  [16] from the target's camera space to the view's
 * @param {number} scale  focal length of the target in samples
 */
export function addView({ extent, colours, depths }, { closeness, low }, mesh, projected, toView, scale) {
  const { size, rgb, trust } = mesh.view;
  const { normals, flags } = mesh;
  const side = size + 2;
  const quadSide = size + 1;
  const m = toView;
  const middle = 0.5 * extent - 0.5;
  const p = projected;
  let seen = -1; // the triangle whose normal is at hand, and in which row
  let seenRow = -1;
  let a = 0;
  let b = 0;
  let c = 0;
  // Its interpolated normal, of any length, at column 0, and what it grows by with each column.
  let [nx, ny, nz, dx, dy, dz] = [0, 0, 0, 0, 0, 0];
  for (let row = 0, at = 0; row < extent; row++) {
    const y = middle - row;
    // A fragment's point divided by its depth is ray + x·step + closeness·eye, in the view's camera space.
    const rayX = (m[1] * y) / scale - m[2];
    const rayY = (m[5] * y) / scale - m[6];
    const rayZ = (m[9] * y) / scale - m[10];
    for (let column = 0; column < extent; column++, at++) {
      const close = closeness[at];
      if (close === 0) continue;
      const entry = low[at];
      let kind = entry & KIND_BITS;
      if (kind === BACK || (kind === HIDDEN && colours[4 * at + 3] > OUTWEIGHS_HIDDEN)) continue;
      const triangle = LAST_TRIANGLE - (entry >> TRIANGLE_SHIFT);
      const quad = triangle >> 1;
      const quadRow = (quad / quadSide) | 0;
      const quadColumn = quad - quadRow * quadSide;
      let weight = HIDDEN_WEIGHT;
      if (kind !== HIDDEN) {
        const x = column - middle;
        if (triangle !== seen) {
          const shape = 2 * ((entry >> DIAGONAL_SHIFT) & 1) + (triangle & 1);
          const [rows, columns] = [CORNER_ROWS[shape], CORNER_COLUMNS[shape]];
          a = (quadRow + rows[0]) * side + quadColumn + columns[0];
          b = (quadRow + rows[1]) * side + quadColumn + columns[1];
          c = (quadRow + rows[2]) * side + quadColumn + columns[2];
        }
        if (triangle !== seen || row !== seenRow || kind === MIXED) {
          seen = triangle;
          seenRow = row;
          const aw = p[3 * a + 2];
          const ax = p[3 * a] - x * aw;
          const ay = p[3 * a + 1] - y * aw;
          const bw = p[3 * b + 2];
          const bx = p[3 * b] - x * bw;
          const by = p[3 * b + 1] - y * bw;
          const cw = p[3 * c + 2];
          const cx = p[3 * c] - x * cw;
          const cy = p[3 * c + 1] - y * cw;
          const inA = bx * cy - by * cx;
          const inB = cx * ay - cy * ax;
          const inC = ax * by - ay * bx;
          if (kind === MIXED) kind = kindOf(inA, inB, inC, flags[a], flags[b], flags[c]);
          const na = 3 * pixelOf(quadRow, a, side, size);
          const nb = 3 * pixelOf(quadRow, b, side, size);
          const nc = 3 * pixelOf(quadRow, c, side, size);
          const stepA = by * cw - bw * cy;
          const stepB = cy * aw - cw * ay;
          const stepC = ay * bw - aw * by;
          dx = stepA * normals[na] + stepB * normals[nb] + stepC * normals[nc];
          dy = stepA * normals[na + 1] + stepB * normals[nb + 1] + stepC * normals[nc + 1];
          dz = stepA * normals[na + 2] + stepB * normals[nb + 2] + stepC * normals[nc + 2];
          nx = inA * normals[na] + inB * normals[nb] + inC * normals[nc] - dx * column;
          ny = inA * normals[na + 1] + inB * normals[nb + 1] + inC * normals[nc + 1] - dy * column;
          nz = inA * normals[na + 2] + inB * normals[nb + 2] + inC * normals[nc + 2] - dz * column;
        }
        if (kind !== HIDDEN) {
          weight = angleWeight(
            nx + dx * column,
            ny + dy * column,
            nz + dz * column,
            rayX + (x * m[0]) / scale + close * m[3],
            rayY + (x * m[4]) / scale + close * m[7],
            rayZ + (x * m[8]) / scale + close * m[11],
          );
          if (kind === FADED) weight *= ERODED_FACTOR;
        }
      }
      const texelRow = within(quadRow - 1 + (entry & LOWER_TEXEL ? 1 : 0), size);
      const texel = 3 * (texelRow * size + within(quadColumn - 1 + (entry & RIGHT_TEXEL ? 1 : 0), size));
      const hidden = weight <= HIDDEN_LIMIT;
      const depthWeight = hidden ? HIDDEN_DEPTH_WEIGHT : trust;
      const share = hidden ? weight : Math.max(trust * weight, HIDDEN_LIMIT);
      const largest = depths[3 * at + 2];
      if (hidden && largest > 0 && largest <= HIDDEN_LIMIT) {
        if (Math.fround(depthWeight * close) >= depths[3 * at]) continue;
        colours[4 * at] = colours[4 * at + 1] = colours[4 * at + 2] = colours[4 * at + 3] = 0;
        depths[3 * at] = depths[3 * at + 1] = depths[3 * at + 2] = 0;
      }
      colours[4 * at] += share * rgb[texel];
      colours[4 * at + 1] += share * rgb[texel + 1];
      colours[4 * at + 2] += share * rgb[texel + 2];
      colours[4 * at + 3] += share;
      depths[3 * at] += depthWeight * close;
      depths[3 * at + 1] += depthWeight;
      if (weight > depths[3 * at + 2]) depths[3 * at + 2] = weight;
    }
  }
}

/**
 * The pixel of a vertex; of the border for the ring.
 *
 * @param {number} quadRow  of a quad that the vertex belongs to
 * @param {number} vertex
 * @param {number} side
 * @param {number} size
 */
function pixelOf(quadRow, vertex, side, size) {
  const lower = vertex >= (quadRow + 1) * side ? 1 : 0;
  const column = vertex - (quadRow + lower) * side;
  return within(quadRow + lower - 1, size) * size + within(column - 1, size);
}

/**
 * What a fragment is whose triangle has corners of several kinds.
 *
 * @param {number} inA  its shares of the corners, up to a factor
 * @param {number} inB
 * @param {number} inC
 * @param {number} flagA
 * @param {number} flagB
 * @param {number} flagC
 */
function kindOf(inA, inB, inC, flagA, flagB, flagC) {
  const [shareA, shareB, shareC] = [Math.max(inA, 1e-30), Math.max(inB, 0), Math.max(inC, 0)];
  const total = shareA + shareB + shareC;
  /** @param {number} flag */
  const of = (flag) =>
    ((flagA & flag ? shareA : 0) + (flagB & flag ? shareB : 0) + (flagC & flag ? shareC : 0)) / total;
  return of(EDGE) > FLAG_LIMIT ? HIDDEN : of(ERODED) >= FLAG_LIMIT ? FADED : 0;
}

/**
 * exp(-ANGLE_FALLOFF angle) between a normal and the direction from a point to the origin, at least MIN_WEIGHT.
 *
 * @param {number} nx
 * @param {number} ny
 * @param {number} nz
 * @param {number} px
 * @param {number} py
 * @param {number} pz
 */
function angleWeight(nx, ny, nz, px, py, pz) {
  const facing = -(nx * px + ny * py + nz * pz);
  const squares = (nx * nx + ny * ny + nz * nz) * (px * px + py * py + pz * pz);
  if (facing <= 0 || facing * facing < MIN_WEIGHT_COSINE * MIN_WEIGHT_COSINE * squares) return MIN_WEIGHT;
  // acos(1 - t) = sqrt(2 t) (1 + t/12 + 3 t²/160 + …), good to 1e-7 up to the limit above.
  const t = Math.max(1 - facing / Math.sqrt(squares), 0);
  const series = 1 + t * (0.083333333 + t * (0.01875 + t * (0.0055803571 + t * 0.0018988715)));
  return Math.max(Math.exp(-ANGLE_FALLOFF * Math.sqrt(2 * t) * series), MIN_WEIGHT);
}

/**
 * From sums to the enlarged picture, and what is known of each pixel of `supersample`² samples.
 *
 * @param {Sums} sums
 * @param {number} supersample
 */
export function finished({ extent, colours, depths }, supersample) {
  const size = extent / supersample;
  const levels = new Uint8Array(3 * extent * extent);
  const withDepth = new Uint8Array(size * size);
  const withRgb = new Uint8Array(size * size);
  const withTrusted = new Uint8Array(size * size);
  const closeness = new Float32Array(size * size); // 1/z of the centre sample
  const centre = supersample >> 1;
  for (let row = 0, at = 0; row < extent; row++) {
    const pixelRow = Math.floor(row / supersample);
    for (let column = 0; column < extent; column++, at++) {
      const total = colours[4 * at + 3];
      for (let k = 0; total > 0 && k < 3; k++) {
        levels[3 * at + k] = Math.min((colours[4 * at + k] / total) * 255 + ROUNDING, 255);
      }
      const pixel = pixelRow * size + Math.floor(column / supersample);
      if (depths[3 * at + 2] > HIDDEN_LIMIT) withDepth[pixel]++;
      if (depths[3 * at + 2] > RGB_LIMIT) withRgb[pixel]++;
      if (depths[3 * at + 1] >= FULL_TRUST) withTrusted[pixel]++;
      if (row % supersample === centre && column % supersample === centre && depths[3 * at + 1] > 0) {
        closeness[pixel] = depths[3 * at] / depths[3 * at + 1];
      }
    }
  }
  return { levels, withDepth, withRgb, withTrusted, closeness };
}
