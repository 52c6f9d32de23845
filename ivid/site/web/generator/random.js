/**
 * The generator's random numbers: the same for a seed in every browser.
 *
 * Bits come from xoshiro128** (Blackman and Vigna, 2018), whose state splitmix64 fills, as its authors
 * advise. Normal numbers come from the Box-Muller transform of two uniform ones with 53 bits.
 */

export class Random {
  /** @param {number[]} seeds  non-negative integers up to 2^53 - 1, which together are the seed */
  constructor(...seeds) {
    let mixed = 0n;
    for (const seed of seeds) mixed = splitmix(mixed ^ BigInt(seed));
    const words = [mixed, splitmix(mixed + GOLDEN)].flatMap((word) => [word & 0xffffffffn, word >> 32n]);
    /** @type {Uint32Array} */
    this.state = Uint32Array.from(words, Number);
    if (this.state.every((word) => word === 0)) this.state[0] = 1;
  }

  /** @returns {number} 32 random bits */
  bits() {
    const s = this.state;
    const multiplied = Math.imul(s[1], 5);
    const result = Math.imul((multiplied << 7) | (multiplied >>> 25), 9) >>> 0;
    const shifted = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = (s[3] << 11) | (s[3] >>> 21);
    return result;
  }

  /** @returns {number} in [0, 1), with 53 random bits */
  uniform() {
    return (this.bits() >>> 5) / 2 ** 27 + (this.bits() >>> 6) / 2 ** 53;
  }

  /**
   * @param {number} count
   * @returns {number} an integer from 0 to count - 1
   */
  below(count) {
    return Math.floor(this.uniform() * count);
  }

  /**
   * @param {number} count
   * @returns {number[]} 0 to count - 1 in any order (Fisher and Yates)
   */
  permutation(count) {
    const order = Array.from({ length: count }, (_, k) => k);
    for (let k = count - 1; k > 0; k--) {
      const other = this.below(k + 1);
      [order[k], order[other]] = [order[other], order[k]];
    }
    return order;
  }

  /**
   * @param {number} count
   * @returns {Float32Array} standard normal numbers
   */
  normal(count) {
    const values = new Float32Array(count);
    for (let k = 0; k < count; k += 2) {
      const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
      const angle = 2 * Math.PI * this.uniform();
      values[k] = radius * Math.cos(angle);
      if (k + 1 < count) values[k + 1] = radius * Math.sin(angle);
    }
    return values;
  }
}

const GOLDEN = 0x9e3779b97f4a7c15n;
const MASK = (1n << 64n) - 1n;

/**
 * One step of splitmix64 (Steele, Lea and Flood, 2014).
 *
 * @param {bigint} state
 */
function splitmix(state) {
  let z = (state + GOLDEN) & MASK;
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK;
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK;
  return z ^ (z >> 31n);
}
