/** The depth codec, and the cleaning of depth that was sampled; twin of `ivid/scene/depth.py` (method §3). */

/** @typedef {[number, number]} DepthRange  (near, far) in metres */

/**
 * @param {Float32Array} d  z-buffer values in [0, 1]
 * @param {DepthRange} range
 * @returns {Float32Array} metres
 */
export function decode(d, [near, far]) {
  return d.map((value) => (near * far) / (far - (far - near) * Math.min(Math.max(value, 1e-6), 1 - 1e-6)));
}

/**
 * @param {Float32Array} metres
 * @param {DepthRange} range
 * @returns {Float32Array} z-buffer values
 */
export function encode(metres, [near, far]) {
  const scale = 1 / near - 1 / far;
  return metres.map((z) => (1 / near - 1 / Math.min(Math.max(z, near), far)) / scale);
}

/**
 * Z-buffer values of which those within `margin` of the far plane are on it; those up to twice as far are spread.
 *
 * @param {Float32Array} d
 * @param {number} margin
 */
export function snapToFar(d, margin) {
  return d.map((value) => 1 - Math.min(1 - value, Math.max(2 * (1 - value - margin), 0)));
}

/**
 * Z-buffer values of which none lies between two surfaces: where a pixel and its neighbours span more than `step`, the
 * pixel takes the nearest or the farthest of them; twice.
 *
 * @param {Float32Array} d
 * @param {number} size
 * @param {number} step
 */
export function withoutFlyingPixels(d, size, step) {
  let values = d;
  for (let pass = 0; pass < 2; pass++) {
    const low = boxed(values, size, Math.min);
    const high = boxed(values, size, Math.max);
    values = values.map((value, k) => {
      if (!(Math.fround(high[k] - low[k]) > step)) return value;
      return Math.fround(value - low[k]) < Math.fround(high[k] - value) ? low[k] : high[k];
    });
  }
  return values;
}

/**
 * The smallest z-buffer value within a square of `radius` pixels around each pixel.
 *
 * @param {Float32Array} d
 * @param {number} size
 * @param {number} radius
 */
export function nearestWithin(d, size, radius) {
  let values = d;
  for (let pass = 0; pass < radius; pass++) values = boxed(values, size, Math.min);
  return values;
}

/**
 * @param {Float32Array} values
 * @param {number} size
 * @param {(a: number, b: number, c: number) => number} choose
 */
function boxed(values, size, choose) {
  const rows = new Float32Array(values.length);
  const both = new Float32Array(values.length);
  for (let row = 0; row < size; row++) {
    for (let x = 0, k = row * size; x < size; x++, k++) {
      rows[k] = choose(values[k], values[x ? k - 1 : k], values[x < size - 1 ? k + 1 : k]);
    }
  }
  for (let k = 0; k < values.length; k++) {
    both[k] = choose(rows[k], rows[k >= size ? k - size : k], rows[k < values.length - size ? k + size : k]);
  }
  return both;
}

/**
 * Z-buffer values smoothed within surfaces by a bilateral filter (Tomasi and Manduchi, ICCV 1998), applied twice.
 *
 * @param {Float32Array} d
 * @param {number} size
 * @param {number} sigma  neighbours that differ by more than a few times this count for nothing
 */
export function smoothed(d, size, sigma) {
  const [radius, sigmaPx] = [3, 2];
  const width = size + 2 * radius;
  let values = d;
  for (let pass = 0; pass < 2; pass++) {
    const padded = new Float32Array(width * width);
    for (let y = 0; y < width; y++) {
      const row = Math.min(Math.max(y - radius, 0), size - 1) * size;
      for (let x = 0; x < width; x++) padded[y * width + x] = values[row + Math.min(Math.max(x - radius, 0), size - 1)];
    }
    const next = new Float32Array(values.length);
    for (let y = 0, k = 0; y < size; y++) {
      for (let x = 0; x < size; x++, k++) {
        const centre = values[k];
        let [sum, total] = [0, 0];
        for (let dy = -radius; dy <= radius; dy++) {
          for (let dx = -radius; dx <= radius; dx++) {
            const value = padded[(y + radius + dy) * width + x + radius + dx];
            const apart = ((value - centre) / sigma) ** 2;
            if (apart > 60) continue; // e^-30
            const weight = Math.exp(-0.5 * (apart + (dx * dx + dy * dy) / sigmaPx ** 2));
            sum += weight * value;
            total += weight;
          }
        }
        next[k] = sum / total;
      }
    }
    values = next;
  }
  return values;
}
