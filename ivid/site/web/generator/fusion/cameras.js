/** Rigid transforms as 16 numbers, row by row, and what projection needs of a camera (method §2). */

/** @typedef {import("../types.js").CameraEntry} CameraEntry */

/** @param {CameraEntry} camera @returns {number} focal length in image heights */
export function focalOf({ fov_y_deg: fov }) {
  return 0.5 / Math.tan((fov * Math.PI) / 360);
}

/**
 * From the space of one camera to that of another, in single precision.
 *
 * @param {CameraEntry} from
 * @param {CameraEntry} to
 * @returns {Float32Array} [16]
 */
export function transform(from, to) {
  const [a, b] = [to.world_to_view, from.world_to_view];
  const result = new Float32Array(16);
  for (let i = 0; i < 3; i++) {
    let shift = a[4 * i + 3];
    for (let j = 0; j < 3; j++) {
      let sum = 0;
      for (let k = 0; k < 3; k++) sum += a[4 * i + k] * b[4 * j + k]; // the inverse rotation is the transpose
      result[4 * i + j] = sum;
      shift -= sum * b[4 * j + 3];
    }
    result[4 * i + 3] = shift;
  }
  result[15] = 1;
  return result;
}
