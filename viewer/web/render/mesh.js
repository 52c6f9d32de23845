/**
 * A view as a mesh (method §4): one vertex per pixel and a ring of padding around them, two triangles per quad.
 *
 * What depends on depth alone is worked out here once per view: normals, flags, the diagonal of each quad. Positions
 * follow from depth in the vertex shader.
 */

export const EDGE = 1;
export const ERODED = 2;
export const PADDING = 4;
export const DROPPED = 8; // left out by the view's mask

/**
 * @typedef {object} ViewMesh
 * @property {number} side  S + 2
 * @property {number} pad  how far the ring lies outside the border, in pixels
 * @property {Float32Array} vertices  [side·side·4]: depth, normal x, normal y, 4·flags + normal z; camera space
 * @property {Uint16Array | Uint32Array} indices  of the triangles, counter-clockwise from the camera
 */

/**
 * @param {Float32Array} depth  [S·S] metres
 * @param {number} size  S
 * @param {number} focal  in image heights
 * @param {{pad?: number, radius?: number, threshold?: number, mask?: Uint8Array | null}} [options]
 * @returns {ViewMesh}
 */
export function buildMesh(depth, size, focal, options = {}) {
  const { pad = Math.round(size / 4), radius = Math.max(1, Math.round((3 * size) / 128)), threshold = 0.03 } = options;
  const mask = options.mask ?? null;
  const side = size + 2;
  const vertices = new Float32Array(side * side * 4);
  const ringed = new Float32Array(side * side);
  const centres = new Float32Array(side); // where a row or column stands, in pixels
  for (let i = 0; i < side; i++) centres[i] = i === 0 ? 0.5 - pad : i === side - 1 ? size - 0.5 + pad : i - 0.5;
  const normals = computeNormals(depth, size, focal);
  for (let row = 0; row < side; row++) {
    const y = clamp(row - 1, size);
    for (let column = 0; column < side; column++) {
      const from = y * size + clamp(column - 1, size);
      const to = row * side + column;
      ringed[to] = depth[from];
      vertices[4 * to] = depth[from];
      vertices[4 * to + 1] = normals[3 * from];
      vertices[4 * to + 2] = normals[3 * from + 1];
      vertices[4 * to + 3] = normals[3 * from + 2];
    }
  }
  const indices = side * side > 65536 ? new Uint32Array(6 * (side - 1) ** 2) : new Uint16Array(6 * (side - 1) ** 2);
  const edge = triangulate(ringed, centres, side, size, focal, threshold, indices);
  const eroded = dilate(edge, side, radius);
  for (let row = 0, k = 0; row < side; row++) {
    for (let column = 0; column < side; column++, k++) {
      const ring = row === 0 || column === 0 || row === side - 1 || column === side - 1;
      const dropped = mask && !mask[clamp(row - 1, size) * size + clamp(column - 1, size)];
      const flags = (edge[k] ? EDGE : 0) | (eroded[k] ? ERODED : 0) | (ring ? PADDING : 0) | (dropped ? DROPPED : 0);
      vertices[4 * k + 3] += 4 * flags;
    }
  }
  if (mask) collapse(indices, vertices);
  return { side, pad, vertices, indices };
}

/**
 * Makes triangles with a dropped corner into points, which are not drawn; every quad keeps its place.
 *
 * @param {Uint16Array | Uint32Array} indices
 * @param {Float32Array} vertices
 */
function collapse(indices, vertices) {
  for (let k = 0; k < indices.length; k += 3) {
    const corners = [indices[k], indices[k + 1], indices[k + 2]];
    if (corners.some((corner) => flagsOf(vertices, corner) & DROPPED)) indices.fill(indices[k], k, k + 3);
  }
}

/**
 * @param {Float32Array} vertices
 * @param {number} k
 */
export function flagsOf(vertices, k) {
  return Math.floor((vertices[4 * k + 3] + 1.5) / 4);
}

/**
 * @param {number} i
 * @param {number} size
 */
function clamp(i, size) {
  return i < 0 ? 0 : i >= size ? size - 1 : i;
}

/**
 * Unit normals in camera space, towards the camera: right × up of Sobel-smoothed central differences.
 *
 * @param {Float32Array} depth
 * @param {number} size
 * @param {number} focal
 */
export function computeNormals(depth, size, focal) {
  const count = size * size;
  const xs = new Float64Array(count);
  const ys = new Float64Array(count);
  for (let row = 0, k = 0; row < size; row++) {
    for (let column = 0; column < size; column++, k++) {
      xs[k] = (depth[k] * ((column + 0.5) / size - 0.5)) / focal;
      ys[k] = (depth[k] * (0.5 - (row + 0.5) / size)) / focal;
    }
  }
  const normals = new Float32Array(count * 3);
  for (let row = 0; row < size; row++) {
    const above = clamp(row - 1, size) * size;
    const here = row * size;
    const below = clamp(row + 1, size) * size;
    for (let column = 0; column < size; column++) {
      const left = clamp(column - 1, size);
      const right = clamp(column + 1, size);
      /** @param {Float32Array | Float64Array} p */
      const across = (p) =>
        p[above + right] +
        2 * p[here + right] +
        p[below + right] -
        p[above + left] -
        2 * p[here + left] -
        p[below + left];
      /** @param {Float32Array | Float64Array} p */
      const upward = (p) =>
        p[above + left] +
        2 * p[above + column] +
        p[above + right] -
        p[below + left] -
        2 * p[below + column] -
        p[below + right];
      const [ax, ay, az] = [across(xs), across(ys), -across(depth)];
      const [bx, by, bz] = [upward(xs), upward(ys), -upward(depth)];
      const [nx, ny, nz] = [ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx];
      const length = Math.hypot(nx, ny, nz) || 1;
      const k = 3 * (here + column);
      normals[k] = nx / length;
      normals[k + 1] = ny / length;
      normals[k + 2] = nz / length;
    }
  }
  return normals;
}

/**
 * Splits every quad along its shorter diagonal, writes the triangles and returns the edge flag of each vertex.
 *
 * @param {Float32Array} z  [side·side]
 * @param {Float32Array} centres  [side] pixels
 * @param {number} side
 * @param {number} size
 * @param {number} focal
 * @param {number} threshold
 * @param {Uint16Array | Uint32Array} indices
 */
function triangulate(z, centres, side, size, focal, threshold, indices) {
  const edge = new Uint8Array(side * side);
  const slope = new Float64Array(side); // of the ray through a column, per metre of depth; rows have its negative
  for (let i = 0; i < side; i++) slope[i] = (centres[i] / size - 0.5) / focal;
  /**
   * @param {number} a
   * @param {number} b
   * @param {number} c
   */
  const mark = (a, b, c) => {
    const low = Math.min(z[a], z[b], z[c]);
    const high = Math.max(z[a], z[b], z[c]);
    if (high - low > threshold && 1 / low - 1 / high > threshold) edge[a] = edge[b] = edge[c] = 1;
  };
  let n = 0;
  for (let row = 0; row < side - 1; row++) {
    for (let column = 0; column < side - 1; column++) {
      const tl = row * side + column;
      const [tr, bl, br] = [tl + 1, tl + side, tl + side + 1];
      const [l, r, t, b] = [slope[column], slope[column + 1], slope[row], slope[row + 1]];
      const falling = (l * z[tl] - r * z[br]) ** 2 + (t * z[tl] - b * z[br]) ** 2 + (z[tl] - z[br]) ** 2;
      const rising = (r * z[tr] - l * z[bl]) ** 2 + (t * z[tr] - b * z[bl]) ** 2 + (z[tr] - z[bl]) ** 2;
      const triangles = falling < rising ? [tl, bl, br, tl, br, tr] : [tl, bl, tr, tr, bl, br];
      mark(triangles[0], triangles[1], triangles[2]);
      mark(triangles[3], triangles[4], triangles[5]);
      for (let k = 0; k < 6; k++) indices[n++] = triangles[k];
    }
  }
  return edge;
}

/**
 * Whether any vertex within a (2r + 1)² box is set; outside the grid counts as not.
 *
 * @param {Uint8Array} flags
 * @param {number} side
 * @param {number} radius
 */
function dilate(flags, side, radius) {
  const rows = new Uint8Array(side * side);
  const both = new Uint8Array(side * side);
  for (let k = 0; k < side * side; k++) {
    if (!flags[k]) continue;
    const column = k % side;
    rows.fill(1, k - Math.min(radius, column), k + Math.min(radius, side - 1 - column) + 1);
  }
  for (let row = 0; row < side; row++) {
    const last = Math.min(row + radius, side - 1);
    for (let other = Math.max(row - radius, 0); other <= last; other++) {
      for (let column = 0; column < side; column++) both[row * side + column] |= rows[other * side + column];
    }
  }
  return both;
}

/**
 * The triangles that are surface: not of the ring, not left out by the mask, and not across a depth edge.
 *
 * @param {ViewMesh} mesh
 * @returns {number[]} indices, three a triangle
 */
export function surfaceTriangles({ vertices, indices }) {
  const kept = [];
  for (let k = 0; k < indices.length; k += 3) {
    const [a, b, c] = [0, 1, 2].map((corner) => flagsOf(vertices, indices[k + corner]));
    if ((a | b | c) & (PADDING | DROPPED) || a & b & c & EDGE) continue;
    kept.push(indices[k], indices[k + 1], indices[k + 2]);
  }
  return kept;
}
