/** The views of a scene in their order, each sampled given those before it; twin of `ivid/pipeline/streaming.py`. */

import { Conditions } from "./fusion/conditions.js";
import { maskWithoutSpecks } from "./fusion/consistency.js";
import { measured } from "./measuring.js";
import { coloursForConditions, mirrored, toPictures } from "./pictures.js";
import { sampleFirstView, sampleNovelView } from "./sampling.js";

/** @typedef {import("./types.js").View} View */
/** @typedef {import("./types.js").Condition} Condition */
/** @typedef {import("./types.js").CameraEntry} CameraEntry */
/** @typedef {import("./labels.js").SceneLabel} SceneLabel */
/** @typedef {import("./sampling.js").Model} Model */
/** @typedef {import("./sampling.js").Sampling} Sampling */
/** @typedef {import("./schedulers.js").NoiseSource} NoiseSource */
/**
 * @typedef {object} Preview  a view while it is being denoised
 * @property {"preview"} type
 * @property {number} index
 * @property {number} step  network evaluations done
 * @property {number} steps
 * @property {Float32Array} rgb
 * @property {Float32Array} depth
 */
/** @typedef {{type: "view", index: number, view: View, condition: Condition | null}} ViewDone */

/**
 * @param {Model} model
 * @param {SceneLabel} label
 * @param {Sampling} sampling
 * @param {CameraEntry[]} cameras
 * @param {NoiseSource} noise
 * @returns {AsyncGenerator<Preview | ViewDone, View[]>} in the end the scene's views, with the masks of the finished scene
 */
export async function* makeScene(model, label, sampling, cameras, noise) {
  const { config, size } = model;
  const conditions = new Conditions(size, config.depth);
  /** @type {View[]} */
  const views = [];
  for (const [index, camera] of cameras.entries()) {
    const start = performance.now();
    const condition = index > 0 ? conditions.at(camera) : null;
    if (condition) measured("condition", start);
    const steps = condition
      ? sampleNovelView(model, label, sampling, noise, condition)
      : sampleFirstView(model, label, sampling, noise);
    const smoothing = condition ? config.depth.further_smoothing : config.depth.first_smoothing;
    /** @type {{rgb: Float32Array, depth: Float32Array} | null} */
    let pictures = null;
    for await (const { number, steps: count, clean } of steps) {
      const sampled = performance.now();
      const shown = index === 0 && label.flipped ? mirrored(clean, size) : clean;
      pictures = toPictures(shown, size, config.depth, smoothing);
      measured("picture", sampled);
      yield { type: "preview", index, step: number, steps: count, ...pictures };
    }
    if (!pictures) throw new Error("a view needs at least one step");
    /** @type {View} */
    const view = {
      size,
      ...pictures,
      camera,
      edgeThreshold: config.depth.edge_threshold,
      trust: index > 0 ? config.novel_view_trust : 1,
      mask: null,
    };
    const made = performance.now();
    if (config.consistency) view.mask = maskWithoutSpecks(view, views);
    views.push(view);
    conditions.add({ ...view, rgb: coloursForConditions(view, size, config.depth) });
    measured("mask and mesh", made);
    yield { type: "view", index, view, condition };
  }
  if (!config.consistency) return views;
  const start = performance.now();
  const finished = views.map((view, index) => ({
    ...view,
    mask: maskWithoutSpecks(view, [...views.slice(0, index), ...views.slice(index + 1)]),
  }));
  measured("masks of the finished scene", start);
  return finished;
}
