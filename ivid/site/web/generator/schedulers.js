/** DDPM and DDIM, which step from clean samples (method §7); twin of `ivid/diffusion/schedulers.py`. */

/** @typedef {{normal: (count: number) => Float32Array}} NoiseSource */

export class Scheduler {
  /**
   * @param {string} sampler  "ddpm", "ddim", or "auto": DDPM where all timesteps are visited, else DDIM
   * @param {Float32Array} alphas  ᾱ_t [T]
   * @param {number} steps  network evaluations, 1 to T
   */
  constructor(sampler, alphas, steps) {
    if (!["ddpm", "ddim", "auto"].includes(sampler)) throw new Error(`there is no sampler ${sampler} in the browser`);
    if (!(Number.isInteger(steps) && steps >= 1 && steps <= alphas.length)) {
      throw new Error(`the number of steps must lie between 1 and ${alphas.length}, got ${steps}`);
    }
    this.alphas = alphas;
    this.stride = Math.floor(alphas.length / steps);
    this.ancestral = sampler === "ddpm" || (sampler === "auto" && steps === alphas.length);
    /** Falling. */
    this.timesteps = Array.from({ length: steps }, (_, k) => (steps - k) * this.stride - 1);
  }

  /**
   * @param {Float32Array} clean  the predicted clean sample
   * @param {number} t  the timestep it was predicted at
   * @param {Float32Array} x  x_t
   * @param {NoiseSource} noise
   * @returns {Float32Array} x at the next timestep
   */
  step(clean, t, x, noise) {
    const now = this.alphas[t];
    const following = t >= this.stride ? this.alphas[t - this.stride] : 1;
    const result = new Float32Array(x.length);
    if (!this.ancestral) {
      const kept = Math.sqrt((1 - following) / (1 - now));
      const share = Math.sqrt(following) - kept * Math.sqrt(now);
      for (let k = 0; k < x.length; k++) result[k] = share * clean[k] + kept * x[k];
      return result;
    }
    const beta = 1 - now / following;
    const ofClean = (Math.sqrt(following) * beta) / (1 - now);
    const ofNoisy = (Math.sqrt(1 - beta) * (1 - following)) / (1 - now);
    const sigma = Math.sqrt(Math.max(((1 - following) / (1 - now)) * beta, 1e-20));
    const drawn = t > 0 ? noise.normal(x.length) : null;
    for (let k = 0; k < x.length; k++) result[k] = ofClean * clean[k] + ofNoisy * x[k] + (drawn ? sigma * drawn[k] : 0);
    return result;
  }
}
