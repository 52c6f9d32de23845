/** The small networks that correct predictions at the scale of pixels; twin of `ivid/diffusion/refining.py`. */

import { blendWithKnown, channels } from "./conditioning.js";
import { joined } from "./denoiser.js";

/** @typedef {import("./networks.js").Network} Network */
/** @typedef {import("./types.js").Condition} Condition */

const GUESS_VARIANCE = 0.0025; // about the mean squared error of a coarse network's guess, in the range [-1, 1]
const ALL_KNOWN = { rgb: 1, depth: 1, floor: 1, last_rgb: 1 };
const ALMOST_CLEAN = 20; // the timestep that the refiner of further views is told

/**
 * The clean sample that a coarser network guessed from x_t, corrected.
 *
 * @param {Network} network
 * @param {Float32Array} alphas
 * @param {Condition} known
 * @param {number | null} label
 * @param {Float32Array} x
 * @param {number} t
 * @param {Float32Array} guess
 */
export async function refine(network, alphas, known, label, x, t, guess) {
  const [corrected] = await network.evaluate([joined(x, guess, channels(known, null))], t, [label]);
  const [alpha, sigma] = [Math.sqrt(alphas[t]), Math.sqrt(1 - alphas[t])];
  const trust = GUESS_VARIANCE / (GUESS_VARIANCE + (sigma / alpha) ** 2);
  for (let k = 0; k < guess.length; k++) corrected[k] += guess[k] + trust * (x[k] / alpha - guess[k]);
  return corrected;
}

/**
 * The guess of a further view where nothing is known, what is known elsewhere, corrected.
 *
 * @param {Network} network
 * @param {Condition} known
 * @param {number | null} label
 * @param {Float32Array} guess
 * @param {number} guessWeight  of the guess's colours, for what only views of less than full trust show
 */
export async function refineNovelView(network, known, label, guess, guessWeight) {
  const start = knownOrGuessed(guess, known, guessWeight);
  const [corrected] = await network.evaluate([joined(start, guess, channels(known, null))], ALMOST_CLEAN, [label]);
  for (let k = 0; k < start.length; k++) corrected[k] += start[k];
  return corrected;
}

/**
 * @param {Float32Array} guess  [4·S·S]
 * @param {Condition} known
 * @param {number} guessWeight  see `refineNovelView`
 */
function knownOrGuessed(guess, known, guessWeight) {
  const bounded = guess.map((value) => Math.min(Math.max(value, -1), 1));
  const combined = blendWithKnown(bounded, known, ALL_KNOWN, true);
  const { maskRgb, trusted } = known;
  for (let k = 0; k < maskRgb.length; k++) {
    const weight = guessWeight * maskRgb[k] * (1 - trusted[k]);
    for (let at = k; weight > 0 && at < 3 * maskRgb.length; at += maskRgb.length) {
      combined[at] += weight * (bounded[at] - combined[at]);
    }
  }
  return combined;
}
