/**
 * A view as a mesh with a ring that is pulled towards the camera (method §4, `frustum`); twin of
 * `ivid/fusion/mesh_kernels.py`.
 *
 * Grids: a view of S × S pixels has (S + 2)² vertices, its pixel centres and the ring, and (S + 1)² quads between them.
 */

import { computeNormals } from "../../../../../viewer/web/render/mesh.js";
import { focalOf } from "./cameras.js";

/** @typedef {import("../types.js").View} View */
/**
 * @typedef {object} Mesh
 * @property {View} view
 * @property {Float32Array} points  [(S + 2)²·3] in the view's camera space
 * @property {Float32Array} normals  [S·S·3], of pixels
 * @property {Uint8Array} flags  [(S + 2)²]
 * @property {Uint8Array} quads  [(S + 1)²]: bit 0 the diagonal, bits 1-2 and 3-4 the kinds of the triangles, bits 5 and 6
 *   that the first or second triangle does not exist
 */

export const FRUSTUM_DEPTH = 0.1; // metres
export const EDGE = 1;
export const ERODED = 2;
// What every fragment of a triangle is; MIXED ones have to be looked at one by one, BACK is found when drawing.
export const [PLAIN, FADED, HIDDEN, MIXED, BACK] = [0, 1, 2, 3, 4];
export const ABSENT_SHIFT = 5;

/**
 * Corners of the triangles, counter-clockwise seen from the view's camera: by diagonal and half, three bits each for the
 * row and the column within the quad. Diagonal 0 runs from top right to bottom left, 1 from top left to bottom right.
 */
export const CORNER_ROWS = [
  [0, 1, 0],
  [0, 1, 1],
  [0, 1, 1],
  [0, 1, 0],
];
export const CORNER_COLUMNS = [
  [0, 0, 1],
  [1, 0, 1],
  [0, 0, 1],
  [0, 1, 1],
];

/** @param {number} size @returns {number} r of method §4 */
export function defaultErosionRadius(size) {
  return Math.max(1, Math.floor((3 * size) / 128 + 0.5));
}

/**
 * @param {View} view
 * @param {number} threshold  of depth edges, in metres and in 1/metres
 * @param {number} radius  of erosion
 * @returns {Mesh}
 */
export function buildMesh(view, threshold, radius) {
  const { size, depth } = view;
  const focal = focalOf(view.camera);
  const points = placedVertices(depth, size, focal);
  const { quads, edges } = splitQuads(view, points, threshold);
  const flags = flagged(edges, size + 2, radius);
  sortTriangles(quads, flags, size);
  return { view, points, normals: computeNormals(depth, size, focal), flags, quads };
}

/** @param {number} i @param {number} size @returns {number} */
export function within(i, size) {
  return i < 0 ? 0 : i >= size ? size - 1 : i;
}

/**
 * @param {Float32Array} depth
 * @param {number} size
 * @param {number} focal
 */
function placedVertices(depth, size, focal) {
  const side = size + 2;
  const points = new Float32Array(3 * side * side);
  for (let row = 0, k = 0; row < side; row++) {
    for (let column = 0; column < side; column++, k += 3) {
      const [i, j] = [within(row - 1, size), within(column - 1, size)];
      const ring = i !== row - 1 || j !== column - 1;
      const z = ring ? FRUSTUM_DEPTH : depth[i * size + j];
      points[k] = (z * ((column - 0.5) / size - 0.5)) / focal;
      points[k + 1] = (z * (0.5 - (row - 0.5) / size)) / focal;
      points[k + 2] = -z;
    }
  }
  return points;
}

/**
 * Chooses each quad's diagonal, the shorter one, and flags the vertices of steep triangles. Triangles with a corner that
 * the view's mask leaves out do not exist, but are edges nevertheless.
 *
 * @param {View} view
 * @param {Float32Array} points
 * @param {number} threshold
 */
function splitQuads({ size, depth, mask }, points, threshold) {
  const side = size + 2;
  const quads = new Uint8Array((size + 1) ** 2);
  const edges = new Uint8Array(side * side);
  /** @param {number} a @param {number} b */
  const apart = (a, b) =>
    (points[3 * a] - points[3 * b]) ** 2 +
    (points[3 * a + 1] - points[3 * b + 1]) ** 2 +
    (points[3 * a + 2] - points[3 * b + 2]) ** 2;
  const pixels = [0, 0, 0];
  for (let row = 0, quad = 0; row <= size; row++) {
    for (let column = 0; column <= size; column++, quad++) {
      const tl = row * side + column;
      const diagonal = Math.fround(apart(tl + side + 1, tl)) < Math.fround(apart(tl + 1, tl + side)) ? 1 : 0;
      let bits = diagonal;
      for (let half = 0; half < 2; half++) {
        const [rows, columns] = [CORNER_ROWS[2 * diagonal + half], CORNER_COLUMNS[2 * diagonal + half]];
        for (let which = 0; which < 3; which++) {
          const pixel = within(row - 1 + rows[which], size) * size + within(column - 1 + columns[which], size);
          pixels[which] = pixel;
          if (mask && !mask[pixel]) bits |= 1 << (ABSENT_SHIFT + half);
        }
        if (!isSteep(depth[pixels[0]], depth[pixels[1]], depth[pixels[2]], threshold)) continue;
        for (let which = 0; which < 3; which++) edges[tl + rows[which] * side + columns[which]] = 1;
      }
      quads[quad] = bits;
    }
  }
  return { quads, edges };
}

/**
 * Whether a triangle of these vertex depths spans a depth edge.
 *
 * @param {number} a
 * @param {number} b
 * @param {number} c
 * @param {number} threshold
 */
export function isSteep(a, b, c, threshold) {
  const near = Math.min(a, b, c);
  const far = Math.max(a, b, c);
  return far - near > threshold && far - near > threshold * near * far;
}

/**
 * The flags of vertices: EDGE, and ERODED within a box around an edge.
 *
 * @param {Uint8Array} edges
 * @param {number} side
 * @param {number} radius
 */
function flagged(edges, side, radius) {
  const rows = new Uint8Array(edges.length);
  for (let k = 0; k < edges.length; k++) {
    if (!edges[k]) continue;
    const column = k % side;
    rows.fill(ERODED, k - Math.min(radius, column), k + Math.min(radius, side - 1 - column) + 1);
  }
  const flags = Uint8Array.from(edges, (edge) => (edge ? EDGE : 0));
  for (let row = 0; row < side; row++) {
    const last = Math.min(row + radius, side - 1);
    for (let other = Math.max(row - radius, 0); other <= last; other++) {
      for (let column = 0; column < side; column++) flags[row * side + column] |= rows[other * side + column];
    }
  }
  return flags;
}

/**
 * Notes beside each quad what its two triangles are.
 *
 * @param {Uint8Array} quads
 * @param {Uint8Array} flags
 * @param {number} size
 */
function sortTriangles(quads, flags, size) {
  const side = size + 2;
  for (let quad = 0; quad < quads.length; quad++) {
    const topLeft = Math.floor(quad / (size + 1)) * side + (quad % (size + 1));
    for (let half = 0; half < 2; half++) {
      const shape = 2 * (quads[quad] & 1) + half;
      const [rows, columns] = [CORNER_ROWS[shape], CORNER_COLUMNS[shape]];
      let [all, any] = [EDGE | ERODED, 0];
      for (let which = 0; which < 3; which++) {
        const flag = flags[topLeft + rows[which] * side + columns[which]];
        all &= flag;
        any |= flag;
      }
      const kind = any === 0 ? PLAIN : all & EDGE ? HIDDEN : any === ERODED && all === ERODED ? FADED : MIXED;
      quads[quad] |= kind << (1 + 2 * half);
    }
  }
}
