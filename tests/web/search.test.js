import assert from "node:assert/strict";
import { test } from "node:test";
import { search } from "../../ivid/page/web/search.js";

const NAMES = [
  "tench, Tinca tinca",
  "goldfish, Carassius auratus",
  "great white shark, white shark",
  "tiger shark, Galeocerdo cuvieri",
  "café au lait",
];

/** @param {string} query */
const found = (query) => search(NAMES, query).map((index) => NAMES[index].split(",")[0]);

test("nothing typed is everything", () => {
  assert.deepEqual(search(NAMES, " "), [0, 1, 2, 3, 4]);
});

test("all words, in any order", () => {
  assert.deepEqual(found("shark white"), ["great white shark"]);
  assert.deepEqual(found("SHARK"), ["great white shark", "tiger shark"]);
  assert.deepEqual(found("tinca gold"), []);
});

test("a class is its number too", () => {
  assert.deepEqual(found("1"), ["goldfish"]);
  assert.deepEqual(found("3 shark"), ["tiger shark"]);
  assert.deepEqual(found("77"), []);
});

test("beginnings of words come first, accents and punctuation do not matter", () => {
  assert.deepEqual(search(["overcoat", "coat"], "coat"), [1, 0]);
  assert.deepEqual(found("cafe"), ["café au lait"]);
  assert.deepEqual(found("fish, carassius"), ["goldfish"]);
});
