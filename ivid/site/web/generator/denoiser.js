/** A network together with what is needed to read a clean sample off its output; twin of `ivid/diffusion/denoiser.py`. */

/** @typedef {import("./networks.js").Network} Network */

export class Denoiser {
  /**
   * @param {Network} network
   * @param {Float32Array} alphas  ᾱ_t [T]
   * @param {string} predictionType
   */
  constructor(network, alphas, predictionType) {
    this.network = network;
    this.alphas = alphas;
    this.predictionType = predictionType;
  }

  /**
   * @param {Float32Array} x  x_t [4·S·S]
   * @param {number} t
   * @param {number | null} label
   * @param {number} guidance  s of (1 + s)·f(class) - s·f(null)
   * @param {Float32Array | null} further  input channels
   * @returns {Promise<Float32Array>} the predicted clean sample [4·S·S]
   */
  async predict(x, t, label, guidance = 0, further = null) {
    const input = further ? joined(x, further) : x;
    let output;
    if (guidance && this.network.nullClass !== null) {
      const [given, free] = await this.network.evaluate([input, input], t, [label, null]);
      for (let k = 0; k < given.length; k++) given[k] = free[k] + (1 + guidance) * (given[k] - free[k]);
      output = given;
    } else {
      [output] = await this.network.evaluate([input], t, [label]);
    }
    return cleanSample(output, x, this.alphas[t], this.predictionType);
  }
}

/**
 * The clean sample that a network's output stands for.
 *
 * @param {Float32Array} output
 * @param {Float32Array} x
 * @param {number} alphaCumprod
 * @param {string} predictionType
 */
export function cleanSample(output, x, alphaCumprod, predictionType) {
  if (predictionType === "sample") return output;
  const [alpha, sigma] = [Math.sqrt(alphaCumprod), Math.sqrt(1 - alphaCumprod)];
  const [ofNoisy, ofOutput] = predictionType === "epsilon" ? [1 / alpha, -sigma / alpha] : [alpha, -sigma];
  return output.map((value, k) => ofNoisy * x[k] + ofOutput * value);
}

/**
 * Channels one after the other.
 *
 * @param {Float32Array[]} parts
 */
export function joined(...parts) {
  const result = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}
