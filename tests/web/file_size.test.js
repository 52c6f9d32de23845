import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes, readable } from "../../ivid/page/web/file_size.js";

const scene = { size: 100, views: [1, 2, 3] };
const plain = { each: 2, fixed: 50, grow: 0, power: 0, far: 1, triangle: 0 };
/** @type {Record<string, any>} */
const defaults = { detail: "normal", background: false, triangles: 0, video_size: 10, seconds: 2, fps: 5 };
const wishing = (changes = {}) => {
  const wishes = { ...defaults, ...changes };
  return (/** @type {string} */ knob) => wishes[/** @type {keyof typeof wishes} */ (knob)];
};

test("the size of a file follows what is chosen", () => {
  assert.equal(bytes({ ...plain, what: "views" }, scene, wishing()), 50 + 2 * 3 * 10_000);
  assert.equal(bytes({ ...plain, what: "frames" }, scene, wishing({ fps: 10 })), 50 + 2 * 100 * 20);
  assert.equal(bytes({ ...plain, what: "sides" }, scene, wishing()), 50 + 2 * 10 * 10);
  const surface = { ...plain, what: /** @type {const} */ ("surface"), grow: 0.5, power: 2, far: 1.5, triangle: 10 };
  assert.equal(bytes(surface, scene, wishing()), 50 + 2 * 10_000 * 2);
  assert.equal(bytes(surface, scene, wishing({ background: true, detail: "coarse" })), 50 + (2 * 10_000 * 2 * 1.5) / 4);
  assert.equal(bytes(surface, scene, wishing({ triangles: 70 })), 50 + 700);
});

test("a size that cannot be said is not said", () => {
  assert.equal(bytes(null, scene, wishing()), null);
  assert.equal(bytes({ ...plain, what: "views" }, null, wishing()), null);
});

test("sizes are read at a glance", () => {
  assert.deepEqual([10, 949_000, 950_000, 5_240_000, 17_400_000].map(readable), [
    "1 kB",
    "949 kB",
    "0.9 MB",
    "5.2 MB",
    "17 MB",
  ]);
});
