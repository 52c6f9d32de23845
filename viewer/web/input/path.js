/** Camera paths: the swing, the orbit, and a person's own keyframes. */

import { HOME } from "../camera.js";

/** @typedef {import("../camera.js").Pose} Pose */
/** @typedef {import("../camera.js").Bounds} Bounds */
/** @typedef {import("../protocol.js").Keyframe} Keyframe */
/** @typedef {"swing" | "orbit" | "keys"} PathName */

export const SWING_YAW_RAD = 0.6;
export const SWING_PITCH_RAD = 0.15;
const FIELDS = /** @type {const} */ (["yaw", "pitch", "radius", "x", "y", "z", "fov"]);

/**
 * The published swing (method §8), made smaller where the views do not reach that far; where they go all the way
 * round, the orbit does too.
 *
 * @param {"swing" | "orbit"} name
 * @param {number} t  0 to 1, once around
 * @param {Bounds} bounds
 * @param {Pose} [home]
 * @returns {Pose}
 */
export function swingPose(name, t, bounds, home = HOME) {
  if (name === "orbit" && bounds.around) return { ...home, yaw: home.yaw + 2 * Math.PI * t };
  const yaw = bounds.around ? SWING_YAW_RAD : Math.min(SWING_YAW_RAD, bounds.yawMax, -bounds.yawMin);
  const pitch = Math.min(SWING_PITCH_RAD, bounds.pitchMax, -bounds.pitchMin);
  return { ...home, yaw: yaw * Math.cos(2 * Math.PI * t), pitch: pitch * Math.sin(2 * Math.PI * t) };
}

/**
 * How long a path of keyframes is: 1 from the first to the last, and the way back if it is closed.
 *
 * @param {Keyframe[]} keys
 * @param {boolean} closed
 */
export function pathLength(keys, closed) {
  return closed && keys.length > 1 ? 1 + 1 / (keys.length - 1) : 1;
}

/**
 * A smooth curve through keyframes, ordered by `t`.
 *
 * @param {Keyframe[]} keys  at least one
 * @param {number} t  0 to `pathLength`
 * @param {boolean} closed
 * @returns {Pose}
 */
export function keyPose(keys, t, closed) {
  const n = keys.length;
  if (n === 1) return poseOfKey(keys[0]);
  let k = keys.findIndex((key) => key.t > t) - 1;
  if (k < -1) k = n - 1;
  if (k === -1) k = closed ? n - 1 : 0;
  if (!closed) k = Math.min(k, n - 2);
  const from = keys[k].t;
  const to = k + 1 < n ? keys[k + 1].t : pathLength(keys, true);
  const s = Math.min(Math.max((t - from) / Math.max(to - from, 1e-6), 0), 1);
  /** @param {number} i */
  const at = (i) => keys[closed ? (i + n) % n : Math.min(Math.max(i, 0), n - 1)];
  const [a, b, c, d] = [at(k - 1), at(k), at(k + 1), at(k + 2)];
  const pose = { ...HOME };
  for (const field of FIELDS) pose[field] = catmullRom(a[field], b[field], c[field], d[field], s);
  return pose;
}

/**
 * @param {number} a
 * @param {number} b
 * @param {number} c
 * @param {number} d
 * @param {number} s  0 at b, 1 at c
 */
export function catmullRom(a, b, c, d, s) {
  return 0.5 * (2 * b + (c - a) * s + (2 * a - 5 * b + 4 * c - d) * s ** 2 + (3 * b - a - 3 * c + d) * s ** 3);
}

/**
 * @param {Keyframe} key
 * @returns {Pose}
 */
export function poseOfKey({ yaw, pitch, radius, x, y, z, fov }) {
  return { yaw, pitch, radius, x, y, z, fov };
}

/**
 * Keyframes with one more at the end; those there move closer together.
 *
 * @param {Keyframe[]} keys
 * @param {Pose} pose
 * @returns {Keyframe[]}
 */
export function withKey(keys, pose) {
  const n = keys.length;
  if (!n) return [{ ...pose, t: 0 }];
  return [...keys.map((key) => ({ ...key, t: n > 1 ? (key.t * (n - 1)) / n : 0 })), { ...pose, t: 1 }];
}

/**
 * Keyframes without one; the first and the last of the others stand at 0 and 1.
 *
 * @param {Keyframe[]} keys
 * @param {number} index
 * @returns {Keyframe[]}
 */
export function withoutKey(keys, index) {
  const kept = keys.filter((_, k) => k !== index);
  const [low, high] = [kept[0]?.t ?? 0, kept[kept.length - 1]?.t ?? 1];
  return kept.map((key) => ({ ...key, t: high > low ? (key.t - low) / (high - low) : 0 }));
}
