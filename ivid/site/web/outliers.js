/** Which points of a cloud stand alone; twin of `without_outliers` in `ivid/export/points.py`. */

const NEIGHBOURS = 16;
const DEVIATIONS = 3;
const CELL = 3; // voxels on a side: with its neighbours, a cell of a surface holds far more than 16 points

/**
 * @param {Float64Array} points  [3·N], at most one in a voxel
 * @param {number} voxel  its side
 * @returns {Uint8Array} [N], 0 for points whose mean distance to their 16 neighbours is unusual: beyond three standard
 *   deviations above the mean, and beyond three times the median besides
 */
export function notAlone(points, voxel) {
  const count = points.length / 3;
  if (count <= NEIGHBOURS) return new Uint8Array(count).fill(1);
  const grid = new Grid(points, CELL * voxel);
  const distances = new Float64Array(count);
  for (let k = 0; k < count; k++) distances[k] = meanDistance(grid, k);
  const mean = distances.reduce((sum, each) => sum + each, 0) / count;
  const deviation = Math.sqrt(distances.reduce((sum, each) => sum + (each - mean) ** 2, 0) / count);
  const sorted = distances.toSorted();
  const median = (sorted[(count - 1) >> 1] + sorted[count >> 1]) / 2;
  const most = Math.max(mean + DEVIATIONS * deviation, 3 * median);
  return Uint8Array.from(distances, (each) => (each <= most ? 1 : 0));
}

/** Points sorted by the cells of a grid. */
class Grid {
  /**
   * @param {Float64Array} points  [3·N]
   * @param {number} cell  side
   */
  constructor(points, cell) {
    this.points = points;
    this.cell = cell;
    this.lowest = [0, 1, 2].map((axis) =>
      points.reduce((low, x, k) => (k % 3 === axis && x < low ? x : low), Infinity),
    );
    const highest = [0, 1, 2].map((axis) =>
      points.reduce((top, x, k) => (k % 3 === axis && x > top ? x : top), -Infinity),
    );
    this.sides = highest.map((top, axis) => Math.floor((top - this.lowest[axis]) / cell) + 1);
    /** @type {Map<number, number[]>} */
    this.cells = new Map();
    for (let k = 0; k < points.length / 3; k++) {
      const key = this.key(...this.placeOf(k));
      const others = this.cells.get(key);
      if (others) others.push(k);
      else this.cells.set(key, [k]);
    }
  }

  /** @param {number} k  @returns {[number, number, number]} of the cell that a point is in */
  placeOf(k) {
    const { points, lowest, cell } = this;
    const place = [0, 1, 2].map((axis) => Math.floor((points[3 * k + axis] - lowest[axis]) / cell));
    return /** @type {[number, number, number]} */ (place);
  }

  /** @param {number} x @param {number} y @param {number} z */
  key(x, y, z) {
    return (x * this.sides[1] + y) * this.sides[2] + z;
  }
}

/**
 * The mean distance of a point to its nearest neighbours.
 *
 * @param {Grid} grid
 * @param {number} k
 */
function meanDistance(grid, k) {
  const { points, cell, cells, sides } = grid;
  const place = grid.placeOf(k);
  const widest = Math.max(...sides);
  /** @type {number[]} squares, rising */
  const nearest = [];
  for (let ring = 0; ring <= widest; ring++) {
    const from = place.map((at) => Math.max(at - ring, 0));
    const to = place.map((at, axis) => Math.min(at + ring, sides[axis] - 1));
    for (let x = from[0]; x <= to[0]; x++) {
      for (let y = from[1]; y <= to[1]; y++) {
        for (let z = from[2]; z <= to[2]; z++) {
          const outside = Math.max(Math.abs(x - place[0]), Math.abs(y - place[1]), Math.abs(z - place[2]));
          if (outside !== ring) continue; // earlier rings have it
          for (const other of cells.get(grid.key(x, y, z)) ?? [])
            if (other !== k) take(nearest, squared(points, k, other));
        }
      }
    }
    // what lies in a further ring is at least this many cells away
    if (nearest.length === NEIGHBOURS && nearest[NEIGHBOURS - 1] <= (ring * cell) ** 2) break;
  }
  return nearest.reduce((sum, each) => sum + Math.sqrt(each), 0) / nearest.length;
}

/**
 * @param {Float64Array} points
 * @param {number} a
 * @param {number} b
 */
function squared(points, a, b) {
  const x = points[3 * a] - points[3 * b];
  const y = points[3 * a + 1] - points[3 * b + 1];
  const z = points[3 * a + 2] - points[3 * b + 2];
  return x * x + y * y + z * z;
}

/**
 * Keeps the smallest.
 *
 * @param {number[]} nearest  rising
 * @param {number} distance
 */
function take(nearest, distance) {
  if (nearest.length === NEIGHBOURS && distance >= nearest[NEIGHBOURS - 1]) return;
  let at = nearest.length;
  while (at > 0 && nearest[at - 1] > distance) at--;
  nearest.splice(at, 0, distance);
  if (nearest.length > NEIGHBOURS) nearest.pop();
}
