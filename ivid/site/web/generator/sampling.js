/** Sampling one view: a generator that yields after every network evaluation; twin of `ivid/diffusion/sampling.py`. */

import { blendWithKnown, channels, mirrored, trustedAlone, unknown } from "./conditioning.js";
import { Denoiser } from "./denoiser.js";
import { networkLabel } from "./labels.js";
import { refine, refineNovelView } from "./refining.js";
import { Scheduler } from "./schedulers.js";

/** @typedef {import("./networks.js").Network} Network */
/** @typedef {import("./types.js").Condition} Condition */
/** @typedef {import("./types.js").ModelConfig} ModelConfig */
/** @typedef {import("./labels.js").SceneLabel} SceneLabel */
/** @typedef {import("./schedulers.js").NoiseSource} NoiseSource */
/** @typedef {{number: number, steps: number, clean: Float32Array}} Step  number: from 1 */
/**
 * @typedef {object} Sampling  every choice made
 * @property {number} firstSteps
 * @property {number} novelSteps
 * @property {number} guidance
 * @property {number} novelGuidance
 * @property {string} firstSampler
 * @property {string} novelSampler
 */
/**
 * @typedef {object} Model
 * @property {ModelConfig} config
 * @property {number} size
 * @property {Float32Array} alphas
 * @property {Record<string, Network>} networks
 */

/** The networks that a first view is sampled with, as far as the model has them. */
export const FIRST_VIEW = ["first_view_unet", "refiner_unet"];

/**
 * What is asked for, and the model's defaults for the rest. Guidance that is asked for alone is that of all views.
 *
 * @param {ModelConfig} config
 * @param {{firstSteps?: number, novelSteps?: number, guidance?: number, novelGuidance?: number}} [asked]
 * @returns {Sampling}
 */
export function resolved({ sampling }, asked = {}) {
  return {
    firstSteps: asked.firstSteps ?? sampling.first_steps,
    novelSteps: asked.novelSteps ?? sampling.novel_steps,
    guidance: asked.guidance ?? sampling.guidance,
    novelGuidance: asked.novelGuidance ?? asked.guidance ?? sampling.novel_guidance ?? sampling.guidance,
    firstSampler: sampling.first_sampler,
    novelSampler: sampling.novel_sampler,
  };
}

/**
 * @param {Model} model
 * @param {SceneLabel} label
 * @param {Sampling} sampling
 * @param {NoiseSource} noise
 * @returns {AsyncGenerator<Step, void>}
 */
export async function* sampleFirstView({ config, size, alphas, networks }, label, sampling, noise) {
  const scheduler = new Scheduler(sampling.firstSampler, alphas, sampling.firstSteps);
  const denoiser = new Denoiser(networks.first_view_unet, alphas, config.prediction_type);
  const own = networkLabel(config.labels, label, "first_view_unet");
  const known = unknown(size);
  let x = noise.normal(4 * size * size);
  for (const [index, t] of scheduler.timesteps.entries()) {
    let clean;
    if (networks.refiner_unet && t < config.refiner.start) {
      const guess = await denoiser.predict(x, t, own);
      clean = await refine(networks.refiner_unet, alphas, known, own, x, t, guess);
    } else {
      clean = await denoiser.predict(x, t, own, sampling.guidance);
    }
    const number = index + 1;
    if (number < sampling.firstSteps) x = scheduler.step(clean, t, x, noise);
    yield { number, steps: sampling.firstSteps, clean };
  }
}

/**
 * @param {Model} model
 * @param {SceneLabel} label
 * @param {Sampling} sampling
 * @param {NoiseSource} noise
 * @param {Condition} known
 * @returns {AsyncGenerator<Step, void>}
 */
export async function* sampleNovelView({ config, size, alphas, networks }, label, sampling, noise, known) {
  const scheduler = new Scheduler(sampling.novelSampler, alphas, sampling.novelSteps);
  const denoiser = new Denoiser(networks.novel_view_unet, alphas, config.prediction_type);
  const [own, refinersLabel] = ["novel_view_unet", "refiner_unet"].map((name) =>
    networkLabel(config.labels, label, name),
  );
  const { refiner_unet: refiner, novel_refiner_unet: final } = networks;
  const values = 4 * size * size;
  const trusted = config.novel_view_mirroring ? mirrored(channels(trustedAlone(known), null), size) : null;
  const predict = async (
    /** @type {Float32Array} */ x,
    /** @type {number} */ t,
    /** @type {number} */ guidance,
    /** @type {Float32Array} */ seen,
  ) => {
    const plain = await denoiser.predict(x, t, own, guidance, seen);
    if (!trusted) return plain;
    const other = mirrored(await denoiser.predict(mirrored(x, size), t, own, guidance, trusted), size);
    return plain.map((value, at) => (value + other[at]) / 2);
  };
  let x = config.novel_view_noise ? noise.normal(values) : new Float32Array(values);
  for (const [index, t] of scheduler.timesteps.entries()) {
    const last = index + 1 === sampling.novelSteps;
    const seen = channels(known, config.novel_view_noise ? noise.normal(values) : null);
    let clean;
    if (refiner && !final && t < config.refiner.start) {
      const guess = await predict(x, t, 0, seen);
      clean = await refine(refiner, alphas, known, refinersLabel, x, t, guess);
    } else {
      clean = await predict(x, t, sampling.novelGuidance, seen);
    }
    if (last && final) {
      clean = await refineNovelView(final, known, refinersLabel, clean, config.refiner.guess_weight);
    }
    clean = blendWithKnown(clean, known, config.blending, last);
    if (!last) x = scheduler.step(clean, t, x, noise);
    yield { number: index + 1, steps: sampling.novelSteps, clean };
  }
}
