import assert from "node:assert/strict";
import { test } from "node:test";

import { coarsen, merge } from "../../viewer/web/render/coarse.js";
import { buildMesh, EDGE, ERODED } from "../../viewer/web/render/mesh.js";

const SIZE = 40;
const scene = new Float32Array(SIZE * SIZE).map((_, k) => {
  const [x, y] = [(k % SIZE) - 20, Math.floor(k / SIZE) - 20];
  const ground = 1 / (0.4 + 0.01 * (y + 20));
  return x * x + y * y < 100 ? 0.9 - 0.004 * Math.sqrt(100 - x * x - y * y) : ground;
});
const mesh = buildMesh(scene, SIZE, 1.2);
const { side } = mesh;
/** @param {number} k @returns {[number, number]} */
const place = (k) => [k % side, -Math.floor(k / side)];

/** @param {ArrayLike<number>} indices @param {number} n */
function area(indices, n) {
  const [[ax, ay], [bx, by], [cx, cy]] = [place(indices[n]), place(indices[n + 1]), place(indices[n + 2])];
  return ((bx - ax) * (cy - ay) - (by - ay) * (cx - ax)) / 2;
}

for (const tolerance of [0.0005, 0.01, 1]) {
  const indices = merge(mesh, tolerance);

  test(`a coarse mesh covers what the mesh covers, facing the camera (${tolerance})`, () => {
    let whole = 0;
    for (let n = 0; n < indices.length; n += 3) {
      assert.ok(area(indices, n) >= 0);
      whole += area(indices, n);
    }
    assert.equal(whole, (side - 1) ** 2);
    assert.ok(indices.length < mesh.indices.length * 0.8);
  });

  test(`a coarse mesh has no gaps: an edge inside belongs to two triangles (${tolerance})`, () => {
    /** @type {Map<string, number>} */
    const uses = new Map();
    for (let n = 0; n < indices.length; n += 3) {
      for (const [a, b] of [
        [0, 1],
        [1, 2],
        [2, 0],
      ]) {
        const key = [indices[n + a], indices[n + b]].sort((one, other) => one - other).join();
        uses.set(key, (uses.get(key) ?? 0) + 1);
      }
    }
    for (const [key, count] of uses) {
      const [[ax, ay], [bx, by]] = key.split(",").map((k) => place(Number(k)));
      const rim = [0, side - 1].some((end) => (ax === end && bx === end) || (ay === -end && by === -end));
      assert.equal(count, rim ? 1 : 2, key);
    }
  });

  test(`a coarse mesh keeps where surfaces end (${tolerance})`, () => {
    const kept = new Set(indices);
    /** @param {number} k */
    const flags = (k) => Math.floor((mesh.vertices[4 * k + 3] + 1.5) / 4) & (EDGE | ERODED);
    for (let k = 0; k + side < side * side; k++) {
      if (k % side < side - 1 && flags(k) !== flags(k + 1)) assert.ok(kept.has(k) && kept.has(k + 1));
      if (flags(k) !== flags(k + side)) assert.ok(kept.has(k) && kept.has(k + side));
    }
  });
}

test("a face misses its vertices by little more than the tolerance", () => {
  const tolerance = 0.002;
  const indices = merge(mesh, tolerance);
  for (let n = 0; n < indices.length; n += 3) {
    const corners = [indices[n], indices[n + 1], indices[n + 2]];
    const [[ax, ay], [bx, by], [cx, cy]] = corners.map(place);
    const twice = 2 * area(indices, n);
    if (!twice) continue;
    for (let y = Math.min(ay, by, cy); y <= Math.max(ay, by, cy); y++) {
      for (let x = Math.min(ax, bx, cx); x <= Math.max(ax, bx, cx); x++) {
        const b = ((x - ax) * (cy - ay) - (y - ay) * (cx - ax)) / twice;
        const c = ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) / twice;
        if (b < 0 || c < 0 || b + c > 1) continue;
        const [one, two, three] = corners.map((k) => 1 / mesh.vertices[4 * k]);
        const missed = Math.abs(1 / mesh.vertices[4 * (x - y * side)] - (one * (1 - b - c) + two * b + three * c));
        assert.ok(missed < 2.5 * tolerance, `${missed}`);
      }
    }
  }
});

test("a mesh that is small enough stays as it is", () => {
  assert.equal(coarsen(mesh, mesh.indices.length / 3), mesh.indices);
  assert.ok(coarsen(mesh, 1000).length < mesh.indices.length);
});
