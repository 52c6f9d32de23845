import assert from "node:assert/strict";
import { test } from "node:test";
import { HOME } from "../../viewer/web/camera.js";
import { catmullRom, keyPose, pathLength, withKey, withoutKey } from "../../viewer/web/input/path.js";
import { decodeDepth, inflate } from "../../viewer/web/protocol.js";
import { merge } from "../../viewer/web/render/coarse.js";
import { buildMesh, computeNormals, EDGE, ERODED, PADDING, surfaceTriangles } from "../../viewer/web/render/mesh.js";
import { ANGLE_FALLOFF, ERODED_FACTOR, MIN_WEIGHT } from "../../viewer/web/render/weights.js";
import { vectors } from "./vectors.js";

test("depth comes out of a view file as it went in", async () => {
  const content = new Uint8Array(vectors.view);
  const header = new DataView(content.buffer);
  const colourBytes = header.getUint32(24, true);
  const residual = await inflate(content.slice(36 + colourBytes));
  const depth = decodeDepth(residual, 32, vectors.step, header.getFloat32(8, true), header.getFloat32(12, true));
  const [near, far] = [0.6, 5];
  vectors.code.forEach((/** @type {number} */ code, /** @type {number} */ k) => {
    const back = (1 / near - 1 / depth[k]) / (1 / near - 1 / far);
    assert.ok(Math.abs(back - code) < (0.51 * vectors.step + 0.1) / 65535 + 1e-6);
  });
});

test("fragments weigh what they weigh in Python", () => {
  assert.deepEqual([ANGLE_FALLOFF, MIN_WEIGHT, ERODED_FACTOR], vectors.weights);
});

const SIZE = 16;
/** @param {Uint16Array | Uint32Array | Float32Array} vertices @param {number} row @param {number} column */
const flagsAt = (vertices, row, column) => Math.floor((vertices[4 * (row * (SIZE + 2) + column) + 3] + 1.5) / 4);

test("a step in depth is an edge, its surroundings eroded, the ring padding", () => {
  const depth = new Float32Array(SIZE * SIZE).map((_, k) => (k % SIZE < 8 ? 1 : 2));
  const { vertices, indices } = buildMesh(depth, SIZE, 1.2, { radius: 2 });
  assert.equal(indices.length, 6 * (SIZE + 1) ** 2);
  const inRow = [...Array(SIZE + 2).keys()].map((column) => flagsAt(vertices, 9, column));
  assert.deepEqual(
    inRow.flatMap((flag, k) => (flag & EDGE ? [k] : [])),
    [8, 9],
  );
  assert.deepEqual(
    inRow.flatMap((flag, k) => (flag & ERODED ? [k] : [])),
    [6, 7, 8, 9, 10, 11],
  );
  assert.deepEqual(
    inRow.flatMap((flag, k) => (flag & PADDING ? [k] : [])),
    [0, SIZE + 1],
  );
  assert.ok(flagsAt(vertices, 0, 8) & EDGE, "the ring continues the edge");
});

test("the wireframe has every triangle of the surface, and none across an edge or of the ring", () => {
  const depth = new Float32Array(SIZE * SIZE).map((_, k) => (k % SIZE < 8 ? 1 : 2));
  const mesh = buildMesh(depth, SIZE, 1.2);
  const kept = surfaceTriangles(mesh);
  assert.equal(kept.length, 3 * 2 * (SIZE - 1) * (SIZE - 2), "all but one column of quads");
  for (const vertex of kept)
    assert.ok(!(flagsAt(mesh.vertices, Math.floor(vertex / (SIZE + 2)), vertex % (SIZE + 2)) & PADDING));
});

test("a wall that faces the camera has normals towards it", () => {
  const normals = computeNormals(new Float32Array(SIZE * SIZE).fill(1.5), SIZE, 1.2);
  for (let k = 0; k < SIZE * SIZE; k++) assert.ok(normals[3 * k + 2] > 0.999);
});

test("triangles turn counter-clockwise as the camera sees them", () => {
  const { indices, side } = buildMesh(new Float32Array(SIZE * SIZE).fill(1), SIZE, 1.2);
  for (let k = 0; k < indices.length; k += 3) {
    const [a, b, c] = [0, 1, 2].map((i) => [indices[k + i] % side, -Math.floor(indices[k + i] / side)]);
    assert.ok((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) > 0);
  }
});

test("a path of keyframes passes through them and closes", () => {
  let keys = withKey(withKey(withKey([], HOME), { ...HOME, yaw: 0.4 }), { ...HOME, yaw: -0.2, pitch: 0.1 });
  assert.deepEqual(
    keys.map(({ t }) => t),
    [0, 0.5, 1],
  );
  for (const closed of [false, true])
    for (const key of keys) assert.ok(Math.abs(keyPose(keys, key.t, closed).yaw - key.yaw) < 1e-9);
  assert.equal(pathLength(keys, true), 1.5);
  assert.ok(Math.abs(keyPose(keys, 1.5 - 1e-9, true).yaw - keys[0].yaw) < 1e-6);
  keys = withoutKey(keys, 0);
  assert.deepEqual(
    keys.map(({ t }) => t),
    [0, 1],
  );
  assert.equal(catmullRom(0, 1, 2, 3, 0.5), 1.5);
});

test("triangles with a corner that the mask leaves out are points, in fine and coarse meshes", () => {
  const [size, focal] = [8, 1.2];
  const depth = new Float32Array(size * size).fill(1);
  const mask = new Uint8Array(size * size).fill(1);
  mask[3 * size + 4] = 0;
  const whole = buildMesh(depth, size, focal);
  const masked = buildMesh(depth, size, focal, { mask });
  const dropped = (3 + 1) * (size + 2) + 4 + 1;
  /** @param {ArrayLike<number>} indices */
  const triangles = (indices) => {
    const found = [];
    for (let k = 0; k < indices.length; k += 3) found.push([indices[k], indices[k + 1], indices[k + 2]]);
    return found.filter(([a, b, c]) => a !== b && b !== c);
  };
  const kept = triangles(masked.indices);
  assert.deepEqual(
    kept,
    triangles(whole.indices).filter((corners) => !corners.includes(dropped)),
  );
  assert.ok(kept.length < triangles(whole.indices).length);
  for (const corners of triangles(merge(masked, 0.01))) assert.ok(!corners.includes(dropped));
});
