import assert from "node:assert/strict";
import { test } from "node:test";

import {
  blendedSelection,
  coveredRange,
  HOME,
  mixPoses,
  nearestViews,
  poseOf,
  position,
  projection,
  rubber,
  sourceCamera,
  worldToView,
} from "../../viewer/web/camera.js";
import { swingPose } from "../../viewer/web/input/path.js";
import { formatPose, parsePose } from "../../viewer/web/ui/share.js";
import { Matrix4, Vector3 } from "../../viewer/web/vendor/three/three.core.min.js";
import { vectors } from "./vectors.js";

/** @param {ArrayLike<number>} a @param {ArrayLike<number>} b @param {number} [within] */
function close(a, b, within = 1e-6) {
  assert.equal(a.length, b.length);
  for (let k = 0; k < a.length; k++) assert.ok(Math.abs(a[k] - b[k]) <= within, `${k}: ${a[k]} is not ${b[k]}`);
}

/** @param {any} entry */
const columns = (entry) => sourceCamera(entry).worldToView.elements;

test("a pose on the orbit is the camera that Python puts there", () => {
  for (const pose of vectors.poses) close(worldToView({ ...HOME, ...pose, fov: 45 }).elements, columns(pose));
});

test("points land on the pixels where Python sees them", () => {
  for (const pose of vectors.poses) {
    const clip = new Matrix4().multiplyMatrices(projection(45, 200, 200), sourceCamera(pose).worldToView);
    vectors.points.forEach((/** @type {[number, number, number]} */ point, /** @type {number} */ k) => {
      const at = new Vector3(...point).applyMatrix4(clip);
      close([(at.x + 1) / 2, (1 - at.y) / 2], pose.uv[k], 1e-5);
    });
  }
});

test("shifts are in pixels, tiles make up the picture, and the field of view is the square's", () => {
  const point = new Vector3(0.1, -0.2, -1.3);
  const plain = point.clone().applyMatrix4(projection(45, 320, 200));
  const shifted = point.clone().applyMatrix4(projection(45, 320, 200, { x: 1, y: -2 }));
  close([(shifted.x - plain.x) * 160, (shifted.y - plain.y) * 100], [1, -2], 1e-6);
  const tile = point.clone().applyMatrix4(projection(45, 320, 200, { x: 0, y: 0 }, { count: 2, x: 1, y: 0 }));
  close([(tile.x + 1) / 4 + 0.5, (tile.y + 1) / 4], [(plain.x + 1) / 2, (plain.y + 1) / 2], 1e-6);
  const square = point.clone().applyMatrix4(projection(45, 200, 200));
  close([plain.x * 160, plain.y * 100], [square.x * 100, square.y * 100], 1e-4);
});

test("the pose of a camera gives the camera back", () => {
  for (const entry of [...vectors.set_3x9, ...vectors.poses]) {
    close(worldToView(poseOf(sourceCamera(entry))).elements, columns(entry));
  }
});

test("the swing is the published one", () => {
  const bounds = coveredRange(vectors.set_3x9.map(sourceCamera));
  vectors.swing.forEach((/** @type {any} */ entry, /** @type {number} */ k) => {
    close(worldToView(swingPose("orbit", k / 8, bounds)).elements, columns(entry));
  });
});

test("a covered part of the picture moves the scene up and makes it as much smaller", () => {
  const corner = (/** @type {number} */ y) => new Vector3(0, y * Math.tan(Math.PI / 8), -1);
  const at = (/** @type {number} */ y) => corner(y).applyMatrix4(projection(45, 200, 200, undefined, undefined, 0.2)).y;
  close([at(1), at(0), at(-1)], [1, 0.2, -0.6]);
});

test("what is covered", () => {
  const grid = coveredRange(vectors.set_3x9.map(sourceCamera));
  close([grid.yawMin, grid.yawMax, grid.pitchMin, grid.pitchMax], [-0.65, 0.65, -0.2, 0.2]);
  assert.equal(grid.around, false);
  assert.equal(coveredRange(vectors.set_360.map(sourceCamera)).around, true);
});

test("the rubber edge gives way less and less, and is straight inside", () => {
  assert.equal(rubber(0.3, -1, 1, 0.2), 0.3);
  const [near, far] = [rubber(1.1, -1, 1, 0.2), rubber(9, -1, 1, 0.2)];
  assert.ok(1 < near && near < 1.1 && near < far && far < 1.2);
  close([rubber(-1.1, -1, 1, 0.2)], [-near]);
});

test("a view leaves the selection at weight zero", () => {
  const cameras = vectors.set_3x9.map(sourceCamera);
  const pose = { ...HOME, yaw: 0.2, pitch: 0.05 };
  const backward = new Vector3().setFromMatrixColumn(worldToView(pose).invert(), 2);
  const nearest = nearestViews(cameras, position(pose), backward);
  const chosen = blendedSelection(nearest, 4);
  assert.equal(chosen.length, 4);
  for (let k = 1; k < 4; k++) assert.ok(chosen[k].gain <= chosen[k - 1].gain);
  const same = nearest.map((view) => ({ ...view, distance: Math.min(view.distance, nearest[3].distance) }));
  assert.ok(blendedSelection(same, 4)[3].gain <= 1e-3);
  assert.ok(blendedSelection(nearest, 99).every(({ gain }) => gain === 1));
});

test("flights take the short way round", () => {
  const middle = mixPoses({ ...HOME, yaw: 3 }, { ...HOME, yaw: -3 }, 0.5);
  close([Math.cos(middle.yaw), Math.sin(middle.yaw)], [-1, 0], 1e-6);
});

test("a link holds the camera", () => {
  const pose = { yaw: 0.25, pitch: -0.1, radius: 1.2, x: 0, y: 0.05, z: 0, fov: 50 };
  assert.equal(formatPose(pose), "yaw=0.25&pitch=-0.1&radius=1.2&y=0.05&fov=50");
  assert.deepEqual(parsePose(`#${formatPose(pose)}`, HOME), pose);
  assert.equal(parsePose("#section-2", HOME), null);
  assert.equal(parsePose("#yaw=nonsense&pitch=99", HOME)?.pitch, 1.4);
});
