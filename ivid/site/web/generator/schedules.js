/** Noise schedules (method §7); twin of `ivid/diffusion/schedules.py`. */

/** @typedef {import("./types.js").Schedule} Schedule */

const LARGEST_BETA = 0.999;

/**
 * ᾱ_t of a schedule, as any diffusers scheduler has it.
 *
 * @param {Schedule} schedule
 * @returns {Float32Array} [T]
 */
export function alphasCumprod(schedule) {
  const betas = shifted(betasOf(schedule), schedule.noise_shift ?? 1);
  const alphas = new Float32Array(betas.length);
  let product = 1;
  for (let t = 0; t < betas.length; t++) {
    product *= Math.fround(1 - Math.fround(betas[t]));
    alphas[t] = product;
  }
  return alphas;
}

/**
 * The noise of every timestep `shift` times as strong beside the picture (Hoogeboom et al., ICML 2023).
 *
 * @param {number[]} betas
 * @param {number} shift
 */
function shifted(betas, shift) {
  if (shift === 1) return betas;
  let plain = 1;
  let before = 1;
  return betas.map((beta) => {
    plain *= 1 - beta;
    const now = plain / (plain + shift ** 2 * (1 - plain));
    const result = Math.min(1 - now / before, LARGEST_BETA);
    before = now;
    return result;
  });
}

/**
 * @param {Schedule} schedule
 * @returns {number[]} β_t [T]
 */
function betasOf({
  num_train_timesteps: total,
  beta_schedule: name = "linear",
  beta_start: start = 1e-4,
  beta_end: end = 0.02,
  trained_betas: trained,
}) {
  if (trained) return trained;
  const times = Array.from({ length: total }, (_, t) => t);
  /** @param {number} from @param {number} to */
  const line = (from, to) => times.map((t) => (total > 1 ? from + ((to - from) * t) / (total - 1) : from));
  if (name === "linear") return line(start, end);
  if (name === "scaled_linear") return line(Math.sqrt(start), Math.sqrt(end)).map((root) => root ** 2);
  if (name === "squaredcos_cap_v2") {
    // Nichol & Dhariwal, 2021, eq. 17
    /** @param {number} t */
    const alphaBar = (t) => Math.cos(((t / total + 0.008) / 1.008) * (Math.PI / 2)) ** 2;
    return times.map((t) => Math.min(1 - alphaBar(t + 1) / alphaBar(t), LARGEST_BETA));
  }
  throw new Error(`the noise schedule ${name} cannot be sampled in the browser`);
}
