/** A scene as a point cloud in a binary PLY file: points, normals and sRGB colours. */

import { sourceCamera } from "../../../viewer/web/camera.js";
import { buildMesh, DROPPED, EDGE, ERODED, flagsOf } from "../../../viewer/web/render/mesh.js";
import { notAlone } from "./outliers.js";
import { joined } from "./png.js";
import { strToU8 } from "./vendor/fflate/fflate.js";

/** @typedef {import("./scene.js").Scene} Scene */
/** @typedef {import("./scene.js").View} View */

const FAR_PLANE_D = 0.97; // as in ivid/export/surface.py: from here on lies the sky, a wall behind the scene
const ERODED_WEIGHT = 1e-8;
const FIELDS = 10; // of a voxel: weight, and the weighted sums of position, normal and colour

/**
 * One point for every voxel that a pixel of a view falls into: the mean of its pixels by view-angle weight (method §5).
 * Voxels are a pixel wide at any distance: they divide the space p / (1 + |p|). Pixels on depth edges, those that masks
 * leave out and those at the far plane are left out, the last unless there is nothing else. So are points that stand alone.
 *
 * @param {Scene} scene
 */
export function pointCloud(scene) {
  let voxels = collect(scene, false);
  if (!voxels.size) voxels = collect(scene, true);
  return ply(connected([...voxels.values()], scene));
}

/**
 * @param {Scene} scene
 * @param {boolean} keepFar
 * @returns {Map<string, Float64Array>}
 */
function collect(scene, keepFar) {
  const [near, far] = scene.depthRange;
  const farthest = keepFar ? Number.POSITIVE_INFINITY : (near * far) / (far - (far - near) * FAR_PLANE_D);
  /** @type {Map<string, Float64Array>} */
  const voxels = new Map();
  for (const view of scene.views) addView(voxels, view, scene.size, farthest);
  return voxels;
}

/**
 * @param {Map<string, Float64Array>} voxels
 * @param {View} view
 * @param {number} size
 * @param {number} farthest  metres
 */
function addView(voxels, view, size, farthest) {
  const { viewToWorld, position, focal } = sourceCamera(view.camera);
  const m = viewToWorld.elements; // column by column
  const { side, vertices } = buildMesh(view.depth, size, focal, { threshold: view.edgeThreshold, mask: view.mask });
  const voxel = 1 / (focal * size);
  for (let k = 0; k < size * size; k++) {
    const z = view.depth[k];
    const row = Math.floor(k / size);
    const vertex = (row + 1) * side + (k % size) + 1;
    const flags = flagsOf(vertices, vertex);
    if (flags & (EDGE | DROPPED) || z > farthest) continue;
    const x = (z * (((k % size) + 0.5) / size - 0.5)) / focal;
    const y = (z * (0.5 - (row + 0.5) / size)) / focal;
    const point = [0, 1, 2].map((i) => m[i] * x + m[4 + i] * y - m[8 + i] * z + m[12 + i]);
    const [nx, ny] = [vertices[4 * vertex + 1], vertices[4 * vertex + 2]];
    const nz = vertices[4 * vertex + 3] - 4 * flags;
    const normal = [0, 1, 2].map((i) => m[i] * nx + m[4 + i] * ny + m[8 + i] * nz);
    const towards = [position.x - point[0], position.y - point[1], position.z - point[2]];
    const facing = dot(normal, towards) / Math.hypot(...towards);
    const angle = Math.acos(Math.min(Math.max(facing, 0), 1));
    const weight = view.trust * Math.max(Math.exp(-20 * angle), 1e-4) * (flags & ERODED ? ERODED_WEIGHT : 1);
    const scale = 1 / (1 + Math.hypot(...point)) / voxel;
    const key = point.map((value) => Math.floor(value * scale)).join();
    let sums = voxels.get(key);
    if (!sums) {
      sums = new Float64Array(FIELDS);
      voxels.set(key, sums);
    }
    sums[0] += weight;
    for (let i = 0; i < 3; i++) {
      sums[1 + i] += weight * point[i];
      sums[4 + i] += weight * normal[i];
      sums[7 + i] += weight * view.rgb[3 * k + i];
    }
  }
}

/**
 * @param {Float64Array[]} points
 * @param {Scene} scene
 */
function connected(points, { views, size }) {
  const contracted = new Float64Array(3 * points.length);
  points.forEach((sums, k) => {
    const point = [1, 2, 3].map((i) => sums[i] / sums[0]);
    const shrunk = 1 + Math.hypot(...point);
    for (let i = 0; i < 3; i++) contracted[3 * k + i] = point[i] / shrunk;
  });
  const kept = notAlone(contracted, 1 / (sourceCamera(views[0].camera).focal * size));
  return points.filter((_, k) => kept[k]);
}

/** @param {Float64Array[]} points  sums of their voxels */
function ply(points) {
  const names = ["x", "y", "z", "nx", "ny", "nz"].map((name) => `property float ${name}`);
  names.push(...["red", "green", "blue"].map((name) => `property uchar ${name}`));
  const header = [
    "ply",
    "format binary_little_endian 1.0",
    "comment axes: y up, orbit centre at the origin, first camera at (0, 0, 1)",
    `element vertex ${points.length}`,
    ...names,
    "end_header",
    "",
  ].join("\n");
  const content = new DataView(new ArrayBuffer(27 * points.length));
  let at = 0;
  for (const sums of points) {
    const length = Math.hypot(sums[4], sums[5], sums[6]) || 1;
    for (let i = 0; i < 3; i++) content.setFloat32(at + 4 * i, sums[1 + i] / sums[0], true);
    for (let i = 0; i < 3; i++) content.setFloat32(at + 12 + 4 * i, sums[4 + i] / length, true);
    for (let i = 0; i < 3; i++) content.setUint8(at + 24 + i, Math.round(sums[7 + i] / sums[0]));
    at += 27;
  }
  return joined([strToU8(header), new Uint8Array(content.buffer)]);
}

/**
 * @param {number[]} a
 * @param {number[]} b
 */
function dot(a, b) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}
