/** The page that makes scenes without a server: what a person wants goes to the generator, what comes of it on screen. */

import { mount as mountViewer } from "../../../viewer/web/viewer.js";
import { mount as mountClasses } from "../../page/web/class_search.js";
import { mount as mountGrid } from "../../page/web/grid.js";
import { mount as mountMasthead } from "../../page/web/masthead.js";
import { mount as mountStatus } from "../../page/web/status.js";
import { asksFor, hashOf, readSeed, readWish } from "./address.js";
import { localComponent } from "./component.js";
import { keepOnly } from "./download.js";
import { mountExports } from "./exports.js";
import { Generator } from "./generator.js";
import { Making } from "./making.js";
import { stayOffline } from "./offline.js";
import { backend, missing, threads } from "./support.js";

/** @typedef {import("../../page/web/status.js").Status} Status */

const SITE = new URL("../../../", import.meta.url);
/** Name and label of the view sets that a person can choose. */
const VIEW_SETS = [
  ["3x9", "3 × 9 grid"],
  ["360", "All around"],
  ["uncond", "First view only"],
];
const DICE = 100_000; // seeds that the dice have

/** @param {string} selector  @returns {any} */
const find = (selector) => document.querySelector(selector);

const seedField = find("#ivid-seed input");
const viewsField = find("#ivid-views select");
const generateButton = find("#ivid-generate");
const stopButton = find("#ivid-stop");

if (!localStorage.getItem("ivid-dark")) {
  document.body.classList.toggle("dark", matchMedia("(prefers-color-scheme: dark)").matches);
}
const followColours = () => {
  document.body.dataset.theme = document.body.classList.contains("dark") ? "dark" : "light";
};
document.addEventListener("ivid-theme", followColours);
mountMasthead(localComponent(find(".ivid-masthead"), { value: null }).component);
followColours();

const status = localComponent(find(".ivid-status"), { value: /** @type {Status | null} */ (null) });
mountStatus(status.component);
const grid = localComponent(find(".ivid-grid"), {
  value: /** @type {import("../../page/web/grid.js").Grid | null} */ (null),
});
mountGrid(grid.component);
const classes = localComponent(find(".ivid-class_search"), { value: "", choices: /** @type {string[]} */ ([]) });
const viewer = mountViewer(find(".ivid-viewer"), { link: true });
viewer.notices.place("No scene yet", "Pick a class and a seed, and press Generate.");
const offer = mountExports(
  find(".ivid-exports"),
  new URL("scene_template.html", SITE).href,
  () => viewer.takePicture(viewer.renderer?.budget.software ? 1 : 2), // four times the pixels take that much longer
  (text) => say(text, "warning"),
);

/** @type {Generator} */
let generator;
/** @type {any} */
let model;
/** Whether the networks of the first view are on their way. */
let opening = true;
/** @type {Making | null} */
let making = null;
/** @type {number | null} the scene that the generator works on */
let running = null;

/**
 * @param {string} text
 * @param {string} tone  idle, busy, done, warning
 * @param {number | null} [share]
 * @param {string} [title]  of the window
 */
function say(text, tone, share = null, title = "") {
  status.set({ value: { text, tone, share, title } });
}

async function start() {
  const lack = missing();
  if (lack) return say(lack, "warning");
  say("Opening …", "busy");
  const evaluator = backend();
  await stayOffline();
  const [base, ort] = ["model/", "vendor/onnxruntime-web/"].map((folder) => new URL(folder, SITE).href);
  const response = await fetch(`${base}model.json`).catch(() => null);
  if (!response?.ok)
    return say("The model cannot be fetched; load the page again when there is a connection.", "warning");
  model = await response.json();
  offerWishes();
  generator = new Generator();
  generator.onProgress = showFetched;
  generator.onFailure = (error) => {
    generateButton.disabled = true;
    say(sentence(error), "warning");
  };
  try {
    const chosen = await generator.load({ base, ort, threads: threads(), backend: await evaluator });
    opening = false;
    describe(chosen);
    say("Pick a class and a seed, and press Generate.", "idle");
    generateButton.disabled = false;
    document.body.dataset.ready = chosen;
    keepOnly(partsOf(model).map((part) => base + part.file));
    if (readWish(location.hash, names(), viewSets()).seed !== undefined) generate(); // a link to a scene
  } catch (error) {
    opening = false;
    say(sentence(error), "warning");
  }
}

/**
 * Says how much of the model is there, while somebody waits for it.
 *
 * @param {number} got  bytes
 * @param {number} total
 */
function showFetched(got, total) {
  const waiting = running === null ? opening : making?.scene.views.length === 1;
  if (waiting) say(`Fetching the model: ${megabytes(got)} of ${megabytes(total)} MB`, "busy", got / total);
}

/** @returns {string[]} of the classes */
const names = () => model.config.labels.classes;

const viewSets = () => VIEW_SETS.map(([name]) => name).filter((name) => name in model.view_sets);

/** Fills the fields with what the model knows, and with what the address asks for. */
function offerWishes() {
  const wish = readWish(location.hash, names(), viewSets());
  find("#ivid-class").hidden = !names().length;
  classes.set({ value: wish.className ?? names()[0] ?? "", choices: names() });
  mountClasses(/** @type {any} */ (classes.component));
  if (wish.seed !== undefined) seedField.value = String(wish.seed);
  for (const [name, label] of VIEW_SETS) if (name in model.view_sets) viewsField.add(new Option(label, name));
  viewsField.value = wish.viewSet ?? viewSets()[0];
  viewsField.addEventListener("change", showPlaces);
  showPlaces();
}

/** Draws the empty grid of the view set that is chosen, as long as there is no scene. */
function showPlaces() {
  if (making) return;
  const { rows, columns, cameras } = model.view_sets[viewsField.value];
  grid.set({ value: { scene: "", rows, columns, cells: cameras, making: null, preview: null } });
}

/** @param {string} evaluator */
function describe(evaluator) {
  const how = evaluator === "webgpu" ? "on the GPU" : threads() > 1 ? `in ${threads()} threads` : "in one thread";
  find("#ivid-about").textContent = `Everything happens in this browser, ${how}; nothing is sent anywhere.`;
}

async function generate() {
  if (running !== null) return;
  const seed = readSeed(seedField.value);
  if (seed === null) {
    seedField.focus();
    return say("A seed is a whole number from 0 to 4294967295.", "warning");
  }
  const className = classes.component.props.value ?? "";
  const wish = { className, seed, viewSet: viewsField.value };
  const viewSet = model.view_sets[wish.viewSet];
  const scene = {
    size: model.size,
    depthRange: model.config.depth.range,
    model: model.config.name,
    ...wish,
    settings: {},
    views: [],
  };
  making?.dispose();
  offer(null);
  making = new Making(scene, viewSet, viewer, (value) => grid.set({ value }));
  const own = making;
  if (!asksFor(location.hash, wish)) history.replaceState(null, "", hashOf(wish)); // with another scene, the camera goes home
  const classIndex = names().indexOf(className);
  const began = performance.now();
  say("The first view comes out of noise.", "busy");
  const request = {
    label: { classIndex: classIndex < 0 ? null : classIndex },
    seed,
    viewSet: wish.viewSet,
    options: {},
  };
  const { id, over } = generator.generate(request, {
    preview: (message) => own.preview(message),
    view: (message) => {
      own.add(message);
      offer(own.scene);
      const { index, count, secondsLeft } = message;
      if (index + 1 < count)
        say(progress(index + 1, count, secondsLeft), "busy", (index + 1) / count, `${index + 1} of ${count}`);
    },
  });
  working(id);
  try {
    const last = await over;
    if (last.type === "done") {
      own.finish(last.masks ?? []);
      say(`${own.scene.views.length} views in ${Math.round((performance.now() - began) / 1000)} s.`, "done");
    } else {
      own.stop();
      const { length } = own.scene.views;
      say(length ? `Stopped after ${length === 1 ? "the first view" : `${length} views`}.` : "Stopped.", "idle");
    }
  } catch (error) {
    own.stop();
    say(sentence(error), "warning");
  }
  working(null);
}

/** @param {number | null} id */
function working(id) {
  running = id;
  generateButton.disabled = id !== null;
  stopButton.disabled = id === null;
}

/**
 * @param {number} made
 * @param {number} count
 * @param {number | null | undefined} secondsLeft
 */
function progress(made, count, secondsLeft) {
  const left = typeof secondsLeft === "number" && Number.isFinite(secondsLeft) ? `, ${seconds(secondsLeft)} left` : "";
  return `View ${made + 1} of ${count}${left}`;
}

/** @param {number} value */
function seconds(value) {
  return value < 90 ? `${Math.max(1, Math.round(value))} s` : `${Math.round(value / 60)} min`;
}

/** @param {number} bytes */
function megabytes(bytes) {
  return Math.round(bytes / 1e6);
}

/** @param {unknown} error */
function sentence(error) {
  const { message } = /** @type {Error} */ (error);
  if (error instanceof RangeError || /out of memory|allocation failed/i.test(message)) {
    return "This browser ran out of memory; close other pages, and load this one again.";
  }
  return message;
}

/**
 * The files of the networks.
 *
 * @param {any} described
 * @returns {{file: string}[]}
 */
function partsOf(described) {
  return Object.values(described.networks).flatMap((/** @type {any} */ each) => [each.graph, ...each.weights.parts]);
}

generateButton.addEventListener("click", generate);
seedField.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
  if (event.key === "Enter" && !generateButton.disabled) generate();
});
stopButton.addEventListener("click", () => {
  stopButton.disabled = true;
  if (running !== null) generator.stop(running);
  say("Stopping …", "busy");
});
find("#ivid-dice").addEventListener("click", () => {
  seedField.value = String(Math.floor(Math.random() * DICE));
});
start();
