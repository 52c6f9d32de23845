/** What is known of a novel view from the views so far (method §6); twin of `ivid/fusion/conditions.py`. */

import { encode } from "../depth.js";
import { addView, createSums, finished } from "./blending.js";
import { focalOf, transform } from "./cameras.js";
import { buildMesh, defaultErosionRadius } from "./mesh.js";
import { createDepthBuffer, drawMesh, project } from "./rasteriser.js";
import { reduced } from "./resample.js";

/** @typedef {import("../types.js").View} View */
/** @typedef {import("../types.js").Condition} Condition */
/** @typedef {import("../types.js").CameraEntry} CameraEntry */
/** @typedef {import("../types.js").DepthConfig} DepthConfig */
/** @typedef {import("./mesh.js").Mesh} Mesh */

const NEAR = 0.01;
const FAR = 200;
const SUPERSAMPLE = 3;

export class Conditions {
  /**
   * @param {number} size  S of the views
   * @param {DepthConfig} depth
   */
  constructor(size, depth) {
    this.size = size;
    this.depth = depth;
    this.radius = depth.erosion_radius ?? defaultErosionRadius(size);
    this.buffer = createDepthBuffer(SUPERSAMPLE * size);
    this.sums = createSums(SUPERSAMPLE * size);
    /** @type {Mesh[]} */
    this.meshes = [];
  }

  /**
   * Takes a view into account from now on.
   *
   * @param {View} view
   */
  add(view) {
    this.meshes.push(buildMesh(view, view.edgeThreshold, this.radius));
  }

  /**
   * @param {CameraEntry} camera  of the new view
   * @returns {Condition}
   */
  at(camera) {
    const { size, sums, buffer, depth } = this;
    const scale = focalOf(camera) * SUPERSAMPLE * size;
    sums.colours.fill(0);
    sums.depths.fill(0);
    for (const mesh of this.meshes) {
      const projected = project(mesh, transform(mesh.view.camera, camera), scale);
      drawMesh(buffer, mesh, projected, NEAR, FAR);
      addView(sums, buffer, mesh, projected, transform(camera, mesh.view.camera), scale);
    }
    const { levels, withDepth, withRgb, withTrusted, closeness } = finished(sums, SUPERSAMPLE);
    const metres = closeness.map((value) => 1 / (value > 0 ? value : 1 / NEAR));
    const d = encode(metres, depth.range);
    let mask = moreThanThreeQuarters(withDepth);
    let maskRgb = mask;
    if (depth.mask_discontinuities) {
      const edges = depthEdges(d, size, depth.edge_threshold);
      mask = mask.map((set, k) => (set && !edges[k] ? 1 : 0));
      const kept = eroded(mask, size, Math.max(this.radius - 1, 0));
      maskRgb = moreThanThreeQuarters(withRgb).map((set, k) => set & kept[k]);
    }
    const picture = reduced(levels, size, SUPERSAMPLE);
    const rgb = new Float32Array(picture.length);
    for (let k = 0; k < maskRgb.length; k++) {
      for (let c = 0; maskRgb[k] && c < 3; c++) rgb[c * maskRgb.length + k] = picture[3 * k + c] / 255;
    }
    return {
      rgb,
      depth: d.map((value, k) => value * mask[k]),
      mask,
      maskRgb,
      depthFloor: d,
      trusted: Float32Array.from(withTrusted, (count) => count / SUPERSAMPLE ** 2),
    };
  }
}

/** @param {Uint8Array} samples  how many of a pixel's are set */
function moreThanThreeQuarters(samples) {
  return samples.map((count) => (4 * count > 3 * SUPERSAMPLE ** 2 ? 1 : 0));
}

/**
 * Whether at least 3 of a pixel's 8 neighbours differ by more than a tolerance both in d and in 1/d.
 *
 * @param {Float32Array} d
 * @param {number} size
 * @param {number} tolerance
 */
export function depthEdges(d, size, tolerance) {
  const lifted = d.map((value) => Math.max(value, 1e-6));
  const edges = new Uint8Array(d.length);
  for (let row = 0, k = 0; row < size; row++) {
    for (let column = 0; column < size; column++, k++) {
      let count = 0;
      for (let i = Math.max(row - 1, 0); i <= Math.min(row + 1, size - 1); i++) {
        for (let j = Math.max(column - 1, 0); j <= Math.min(column + 1, size - 1); j++) {
          const [here, there] = [lifted[k], lifted[i * size + j]];
          if (Math.abs(there - here) > tolerance && Math.abs(1 / there - 1 / here) > tolerance) count++;
        }
      }
      edges[k] = count >= 3 ? 1 : 0;
    }
  }
  return edges;
}

/**
 * A mask eroded by a box of 2·radius + 1 pixels; outside the picture counts as set.
 *
 * @param {Uint8Array} mask
 * @param {number} size
 * @param {number} radius
 */
export function eroded(mask, size, radius) {
  const result = new Uint8Array(mask.length).fill(1);
  for (let k = 0; k < mask.length; k++) {
    if (mask[k]) continue;
    const [row, column] = [Math.floor(k / size), k % size];
    for (let i = Math.max(row - radius, 0); i <= Math.min(row + radius, size - 1); i++) {
      const to = Math.min(column + radius, size - 1) + 1;
      result.fill(0, i * size + Math.max(column - radius, 0), i * size + to);
    }
  }
  return result;
}
