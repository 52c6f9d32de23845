/** Reduces pictures as Pillow's Lanczos does: weights in fixed point, 8 bits between the two directions (method §5). */

const PRECISION = 22; // bits

/**
 * @param {Uint8Array} picture  [(k·size)²·3]
 * @param {number} size  of the result
 * @param {number} factor  k
 * @returns {Uint8Array} [size²·3]
 */
export function reduced(picture, size, factor) {
  const extent = size * factor;
  const rows = along(picture, size, factor, extent, 3, 3 * extent, 3, 3 * size);
  return along(rows, size, factor, size, 3 * size, 3, 3 * size, 3);
}

/**
 * @param {Uint8Array} from
 * @param {number} size  of the result along the direction
 * @param {number} factor
 * @param {number} lines  how many there are across the direction
 * @param {number} step  in `from`, along the direction
 * @param {number} line  in `from`, across it
 * @param {number} toStep  in the result, as `step`
 * @param {number} toLine
 */
function along(from, size, factor, lines, step, line, toStep, toLine) {
  const result = new Uint8Array(3 * size * lines);
  for (let k = 0; k < size; k++) {
    const { first, weights } = kernel(k, size, factor);
    for (let n = 0; n < lines; n++) {
      for (let channel = 0; channel < 3; channel++) {
        let sum = 1 << (PRECISION - 1);
        let at = n * line + first * step + channel;
        for (let j = 0; j < weights.length; j++, at += step) sum += from[at] * weights[j];
        const value = sum >> PRECISION;
        result[n * toLine + k * toStep + channel] = value < 0 ? 0 : Math.min(value, 255);
      }
    }
  }
  return result;
}

/**
 * @param {number} k
 * @param {number} size
 * @param {number} factor
 */
function kernel(k, size, factor) {
  const centre = (k + 0.5) * factor;
  const first = Math.max(Math.trunc(centre - 3 * factor + 0.5), 0);
  const last = Math.min(Math.trunc(centre + 3 * factor + 0.5), size * factor);
  const plain = Array.from({ length: last - first }, (_, j) => lanczos((j + first - centre + 0.5) / factor));
  const total = plain.reduce((sum, weight) => sum + weight, 0);
  const weights = Int32Array.from(plain, (weight) => {
    const fixed = (weight / total) * 2 ** PRECISION;
    return Math.trunc(fixed + (fixed < 0 ? -0.5 : 0.5));
  });
  return { first, weights };
}

/** @param {number} x */
function lanczos(x) {
  return -3 <= x && x < 3 ? sinc(x) * sinc(x / 3) : 0;
}

/** @param {number} x */
function sinc(x) {
  return x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI);
}
