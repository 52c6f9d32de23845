import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { readPose } from "../../viewer/web/camera.js";
import { Observable } from "../../viewer/web/state.js";
import { COMMANDS, commandOf, tip } from "../../viewer/web/ui/commands.js";
import { keysTable } from "./keys.js";

test("every key means one thing, and none of those that move the camera", () => {
  const keys = COMMANDS.flatMap((command) => command.keys);
  assert.equal(new Set(keys).size, keys.length);
  for (const key of "awsd+-=") assert.equal(commandOf(key), undefined);
  assert.equal(tip("home"), "Back to the first view (R)");
});

test("the documentation has the table of keys as the code has it", () => {
  const page = readFileSync(new URL("../../docs/controls.md", import.meta.url), "utf8");
  assert.ok(page.includes(keysTable()), "run `npm run keys` and paste it into docs/controls.md");
});

test("listeners hear of changes, and of nothing else", () => {
  const state = new Observable({ a: 1, b: 2 });
  /** @type {number[]} */
  const heard = [];
  state.watch(({ a }) => heard.push(a));
  state.set({ a: 1 });
  state.set({ a: 3 });
  assert.deepEqual(heard, [1, 3]);
  assert.deepEqual(state.value, { a: 3, b: 2 });
});

test("a camera that somebody else wrote is kept within reason", () => {
  assert.deepEqual(readPose({ yaw: 0.5, pitch: 9, radius: -1, fov: Number.NaN, x: "1" }), {
    yaw: 0.5,
    pitch: 1.4,
    radius: 0.2,
  });
  assert.deepEqual(readPose(null), {});
});
