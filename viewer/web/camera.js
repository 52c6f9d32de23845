/**
 * Cameras: poses on an orbit, projections, which views lie near, and how far a person may go.
 *
 * Convention (method §2): right-handed, OpenGL cameras, world up +y; yaw = pitch = 0 stands on +z. Matrices are three's
 * Matrix4; `worldToView` takes world points to camera space.
 */

import { MathUtils, Matrix4, Vector3 } from "./vendor/three/three.core.min.js";

export const NEAR = 0.1;
export const FAR = 200;

/**
 * @typedef {object} Pose  where the viewer's camera stands
 * @property {number} yaw radians
 * @property {number} pitch radians
 * @property {number} radius distance from the point looked at
 * @property {number} x  of the point looked at, as y and z
 * @property {number} y
 * @property {number} z
 * @property {number} fov  vertical field of view of the square in the middle of the picture, degrees
 */
/** @typedef {import("./protocol.js").CameraEntry} CameraEntry */
/**
 * @typedef {object} SourceCamera  the camera of a view
 * @property {Matrix4} worldToView
 * @property {Matrix4} viewToWorld
 * @property {Vector3} position
 * @property {Vector3} backward  unit, from what is looked at towards the camera
 * @property {number} focal in image heights
 * @property {number} fov degrees
 */
/**
 * @typedef {object} Bounds  what the views cover
 * @property {number} yawMin
 * @property {number} yawMax
 * @property {boolean} around  whether the views go all the way round
 * @property {number} pitchMin
 * @property {number} pitchMax
 * @property {number} radiusMin
 * @property {number} radiusMax
 * @property {number} panMax
 */

/** @type {Readonly<Pose>} */
export const HOME = Object.freeze({ yaw: 0, pitch: 0, radius: 1, x: 0, y: 0, z: 0, fov: 45 });

const POSE_FIELDS = /** @type {(keyof Pose)[]} */ (Object.keys(HOME));

/**
 * The fields of a pose in what somebody else wrote, kept within reason; whatever is not a number is left out.
 *
 * @param {Partial<Record<keyof Pose, unknown>> | null | undefined} given
 * @returns {Partial<Pose>}
 */
export function readPose(given) {
  /** @type {Partial<Pose>} */
  const pose = {};
  for (const name of POSE_FIELDS) {
    const value = given?.[name];
    if (typeof value === "number" && Number.isFinite(value)) pose[name] = value;
  }
  if (pose.pitch !== undefined) pose.pitch = MathUtils.clamp(pose.pitch, -1.4, 1.4);
  if (pose.radius !== undefined) pose.radius = MathUtils.clamp(pose.radius, 0.2, 5);
  if (pose.fov !== undefined) pose.fov = MathUtils.clamp(pose.fov, 15, 90);
  return pose;
}

/** @param {Pose} pose */
export function position(pose) {
  const across = Math.cos(pose.pitch) * pose.radius;
  return new Vector3(
    pose.x + Math.sin(pose.yaw) * across,
    pose.y + Math.sin(pose.pitch) * pose.radius,
    pose.z + Math.cos(pose.yaw) * across,
  );
}

/** @param {Pose} pose */
export function worldToView(pose) {
  const matrix = new Matrix4().makeRotationX(pose.pitch).multiply(new Matrix4().makeRotationY(-pose.yaw));
  const eye = position(pose);
  return matrix.multiply(new Matrix4().makeTranslation(-eye.x, -eye.y, -eye.z));
}

/** @typedef {{count: number, x: number, y: number}} Tile  one of count × count parts of a picture, from the lower left */

/**
 * Clip from camera space. The field of view belongs to the largest square that fits into the whole picture, less what
 * tools cover at its bottom.
 *
 * @param {number} fovDeg
 * @param {number} width  pixels of the picture, or of each tile of it
 * @param {number} height
 * @param {{x: number, y: number}} [shift] by which the picture is moved, in pixels, right and up
 * @param {Tile} [tile]
 * @param {number} [inset]  the covered share of the height, 0 to 1
 */
export function projection(fovDeg, width, height, shift = { x: 0, y: 0 }, tile = { count: 1, x: 0, y: 0 }, inset = 0) {
  const reach = NEAR * Math.tan(MathUtils.degToRad(fovDeg) / 2);
  const perPixel = (2 * reach) / (Math.min(width, height * (1 - inset)) * tile.count);
  const left = ((tile.x - tile.count / 2) * width - shift.x) * perPixel;
  const bottom = ((tile.y - (tile.count * (1 + inset)) / 2) * height - shift.y) * perPixel;
  return new Matrix4().makePerspective(left, left + width * perPixel, bottom + height * perPixel, bottom, NEAR, FAR);
}

/**
 * @param {CameraEntry} entry
 * @returns {SourceCamera}
 */
export function sourceCamera(entry) {
  const m =
    /** @type {[number,number,number,number,number,number,number,number,number,number,number,number,number,number,number,number]} */ (
      entry.world_to_view
    );
  const matrix = new Matrix4().set(...m);
  const viewToWorld = matrix.clone().invert();
  return {
    worldToView: matrix,
    viewToWorld,
    position: new Vector3().setFromMatrixPosition(viewToWorld),
    backward: new Vector3().setFromMatrixColumn(viewToWorld, 2),
    focal: 0.5 / Math.tan(MathUtils.degToRad(entry.fov_y_deg) / 2),
    fov: entry.fov_y_deg,
  };
}

/**
 * The pose of a camera that looks at a point on its axis closest to the origin.
 *
 * @param {SourceCamera} camera
 * @returns {Pose}
 */
export function poseOf(camera) {
  const { position: at, backward } = camera;
  const radius = Math.max(at.dot(backward), 0.2);
  const target = at.clone().addScaledVector(backward, -radius);
  return {
    yaw: Math.atan2(backward.x, backward.z),
    pitch: Math.asin(MathUtils.clamp(backward.y, -1, 1)),
    radius,
    x: target.x,
    y: target.y,
    z: target.z,
    fov: camera.fov,
  };
}

/**
 * The range that views cover, a little widened; a person's camera springs back into it.
 *
 * @param {SourceCamera[]} cameras
 * @returns {Bounds}
 */
export function coveredRange(cameras) {
  const poses = cameras.map(poseOf);
  const yaws = poses.map((pose) => pose.yaw).sort((a, b) => a - b);
  const pitches = poses.map((pose) => pose.pitch);
  const radii = poses.map((pose) => pose.radius);
  const gaps = yaws.map((yaw, k) => (k + 1 < yaws.length ? yaws[k + 1] - yaw : yaws[0] + 2 * Math.PI - yaw));
  const around = yaws.length > 2 && Math.max(...gaps) < 0.6;
  const margin = yaws.length > 1 ? 0.05 : 0.15; // beyond the outermost view, which sees alone
  return {
    yawMin: Math.min(0, ...yaws) - margin,
    yawMax: Math.max(0, ...yaws) + margin,
    around,
    pitchMin: Math.max(Math.min(0, ...pitches) - margin, -1.2),
    pitchMax: Math.min(Math.max(0, ...pitches) + margin, 1.2),
    radiusMin: 0.55 * Math.min(1, ...radii),
    radiusMax: 1.6 * Math.max(1, ...radii),
    panMax: 0.3,
  };
}

/**
 * A value past its bounds, pulled ever harder: the rubber edge.
 *
 * @param {number} value
 * @param {number} low
 * @param {number} high
 * @param {number} give  how far it can be stretched
 */
export function rubber(value, low, high, give) {
  if (value < low) return low - give * (1 - 1 / ((low - value) / give + 1));
  if (value > high) return high + give * (1 - 1 / ((value - high) / give + 1));
  return value;
}

/**
 * Views by how near their cameras are to a camera, the nearest first.
 *
 * @param {SourceCamera[]} cameras
 * @param {Vector3} eye
 * @param {Vector3} backward
 * @returns {{index: number, distance: number}[]}
 */
export function nearestViews(cameras, eye, backward) {
  return cameras
    .map((camera, index) => ({
      index,
      distance:
        camera.position.distanceTo(eye) * 0.5 + Math.acos(MathUtils.clamp(camera.backward.dot(backward), -1, 1)),
    }))
    .sort((a, b) => a.distance - b.distance);
}

/**
 * Weights of the `count` nearest views that reach zero where a view leaves the selection, so that nothing pops.
 *
 * @param {{index: number, distance: number}[]} nearest
 * @param {number} count
 * @returns {{index: number, gain: number}[]}
 */
export function blendedSelection(nearest, count) {
  const next = nearest[count]?.distance;
  return nearest.slice(0, count).map(({ index, distance }) => ({
    index,
    gain: next === undefined ? 1 : Math.max(1 - distance / next, 1e-3),
  }));
}

const REACH = 0.105; // distance of `nearestViews` from which on no view is an anchor: 4 degrees on the unit sphere
const EDGE_REACH = 0.25; // share of it within which what is stretched across a depth edge fades

/**
 * @typedef {object} Anchor  the view that is laid over the fused picture (as `ivid.fusion.anchoring` does)
 * @property {number} index
 * @property {number} weight  1 at its own camera, 0 from the reach on
 * @property {number} edgeWeight  of what is stretched across a depth edge
 */

/**
 * @param {{index: number, distance: number}[]} nearest  views, the nearest first
 * @returns {Anchor | null} null where no view is near
 */
export function findAnchor(nearest) {
  if (!nearest.length) return null;
  const { index, distance } = nearest[0];
  const reach = Math.min(REACH, 0.5 * (distance + (nearest[1]?.distance ?? Infinity)));
  const along = reach > 0 ? distance / reach : 0;
  const weight = 1 - MathUtils.smoothstep(along, 0, 1);
  return weight > 0
    ? { index, weight, edgeWeight: weight * (1 - MathUtils.smoothstep(along / EDGE_REACH, 0, 1)) }
    : null;
}

/**
 * @param {Pose} from
 * @param {Pose} to
 * @param {number} t
 * @returns {Pose}
 */
export function mixPoses(from, to, t) {
  const turn = MathUtils.euclideanModulo(to.yaw - from.yaw + Math.PI, 2 * Math.PI) - Math.PI;
  return {
    yaw: from.yaw + turn * t,
    pitch: MathUtils.lerp(from.pitch, to.pitch, t),
    radius: Math.exp(MathUtils.lerp(Math.log(from.radius), Math.log(to.radius), t)),
    x: MathUtils.lerp(from.x, to.x, t),
    y: MathUtils.lerp(from.y, to.y, t),
    z: MathUtils.lerp(from.z, to.z, t),
    fov: MathUtils.lerp(from.fov, to.fov, t),
  };
}

/**
 * @param {Pose} a
 * @param {Pose} b
 */
export function samePose(a, b) {
  return (
    Math.abs(a.yaw - b.yaw) < 1e-5 &&
    Math.abs(a.pitch - b.pitch) < 1e-5 &&
    Math.abs(a.radius - b.radius) < 1e-5 &&
    Math.abs(a.x - b.x) + Math.abs(a.y - b.y) + Math.abs(a.z - b.z) < 1e-5 &&
    a.fov === b.fov
  );
}
