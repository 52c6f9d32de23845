/** Scene files (`.ivid`, docs/formats.md) written in the browser; `ivid.open_scene` reads them. */

import { maskPng, rgbPng } from "./png.js";
import { strToU8, zipSync } from "./vendor/fflate/fflate.js";

const EPOCH = new Date(1980, 0, 1); // of every member, so that the same scene gives the same bytes

/** @param {import("./scene.js").Scene} scene */
export function sceneFile(scene) {
  const header = {
    format: "ivid-scene",
    version: 1,
    model: scene.model,
    class_name: scene.className,
    seed: scene.seed,
    view_set: scene.viewSet,
    settings: scene.settings,
    size: scene.size,
    depth_range: scene.depthRange,
    views: scene.views.map((view) => ({
      world_to_view: [0, 4, 8, 12].map((k) => view.camera.world_to_view.slice(k, k + 4)),
      fov_y_deg: view.camera.fov_y_deg,
      edge_threshold: view.edgeThreshold,
      trust: view.trust,
      masked: view.mask !== null,
    })),
  };
  /** @type {import("fflate").Zippable} */
  const members = { "scene.json": strToU8(JSON.stringify(header, null, 1)) };
  scene.views.forEach((view, index) => {
    const stem = String(index).padStart(3, "0");
    members[`${stem}.png`] = [rgbPng(view.rgb, scene.size), { level: 0 }];
    members[`${stem}.npy`] = npy(view.depth, scene.size);
    if (view.mask) members[`${stem}.mask.png`] = [maskPng(view.mask, scene.size), { level: 0 }];
  });
  return zipSync(members, { mtime: EPOCH, level: 6 });
}

/**
 * A numpy file of float32 [size, size].
 *
 * @param {Float32Array} values
 * @param {number} size
 */
function npy(values, size) {
  const described = `{'descr': '<f4', 'fortran_order': False, 'shape': (${size}, ${size}), }`;
  const before = 10; // magic, version and the header's length
  const padded = described.padEnd(Math.ceil((before + described.length + 1) / 64) * 64 - before - 1, " ");
  const header = `${padded}\n`;
  const bytes = new Uint8Array(before + header.length + 4 * values.length);
  const view = new DataView(bytes.buffer);
  bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0]);
  view.setUint16(8, header.length, true);
  bytes.set(strToU8(header), before);
  values.forEach((value, k) => {
    view.setFloat32(before + header.length + 4 * k, value, true);
  });
  return bytes;
}
