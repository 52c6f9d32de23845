/** Scenes to open: the examples, those made in this browser, and files, dropped anywhere on the page. */

import { h } from "../../../viewer/web/ui/dom.js";
import { icon } from "../../../viewer/web/ui/icons.js";
import * as history from "./history.js";

/**
 * @typedef {object} Example
 * @property {string} name
 * @property {string} title
 * @property {string} note
 * @property {string} picture  data URL
 */
/**
 * @typedef {object} Finished
 * @property {number} number  counts up, so that each is kept once
 * @property {string} path  of the scene file
 * @property {string} name
 * @property {string} title
 * @property {string} note
 * @property {string} picture
 * @property {string} link
 */
/**
 * @typedef {object} Library
 * @property {Example[]} examples
 * @property {Finished | null} finished
 * @property {boolean} begin  the page was opened by a link to a scene: show it, make it if need be
 */

/** @param {{element: HTMLElement, files: string, props: {value: Library | null}, watch: Function, trigger: Function}} component */
export function mount({ element, files, props, watch, trigger }) {
  const strip = h("div", { class: "ivid-strip" });
  element.append(h("header", {}, h("h2", {}, "Scenes")), strip);
  let kept = 0;
  let begun = false;

  async function redraw() {
    /** @type {history.Entry[]} */
    let made = [];
    try {
      made = await history.entries();
    } catch (error) {
      console.warn("scenes cannot be kept in this browser", error);
    }
    const examples = props.value?.examples ?? [];
    strip.replaceChildren(...made.map(ownTile), ...examples.map(exampleTile));
    element.dataset.empty = String(!made.length && !examples.length);
  }

  /** @param {Example} example */
  function exampleTile(example) {
    return h(
      "figure",
      {},
      tile(example.picture, `Open the example ${example.title}`, () => trigger("example", { name: example.name })),
      h("figcaption", {}, example.title, h("small", {}, example.note || "example")),
    );
  }

  /** @param {history.Entry} entry */
  function ownTile(entry) {
    const remove = async () => {
      await history.remove(entry.link);
      await redraw();
    };
    return h(
      "figure",
      {},
      tile(entry.picture, `Open ${entry.title}, ${entry.note}`, () => openFile(entry.file, entry.name)),
      h(
        "button",
        { type: "button", class: "ivid-remove", "aria-label": `Forget ${entry.title}`, onclick: remove },
        icon("close"),
      ),
      h("figcaption", {}, entry.title, h("small", {}, entry.note)),
    );
  }

  /** @param {Finished} finished */
  async function keep(finished) {
    try {
      const response = await fetch(files + finished.path);
      if (!response.ok) throw new Error(`${response.status} for ${finished.name}`);
      const { link, title, note, picture, name } = finished;
      await history.add({ link, title, note, picture, name, file: await response.blob(), made: Date.now() });
    } catch (error) {
      console.warn("the scene could not be kept in this browser", error);
    }
    await redraw();
  }

  async function begin() {
    const made = await history.entries().catch(() => []);
    const known = made.find((entry) => entry.link === location.search);
    if (known) openFile(known.file, known.name);
    else trigger("begin");
  }

  function draw() {
    const value = props.value;
    if (value?.finished && value.finished.number > kept) {
      kept = value.finished.number;
      keep(value.finished);
    }
    if (value?.begin && !begun) {
      begun = true;
      begin();
    }
  }

  redraw();
  draw();
  watch("value", () => {
    if (strip.childElementCount === 0) redraw();
    draw();
  });
  acceptDrops();
}

/**
 * @param {string} picture
 * @param {string} label
 * @param {() => void} onclick
 */
function tile(picture, label, onclick) {
  return h(
    "button",
    { type: "button", "aria-label": label, title: label, onclick },
    h("img", { src: picture, alt: "" }),
  );
}

/**
 * Hand a file to the page's own way of opening files.
 *
 * @param {Blob} content
 * @param {string} name
 */
export function openFile(content, name) {
  const input = /** @type {HTMLInputElement | null} */ (
    document.getElementById("ivid-open")?.parentElement?.querySelector(":scope > input[type=file]") ?? null
  );
  if (!input) return;
  const transfer = new DataTransfer();
  transfer.items.add(new File([content], name));
  input.files = transfer.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}

/** Files may be dropped anywhere; a field that is waiting for one keeps its own. */
function acceptDrops() {
  const veil = h("div", { class: "ivid-veil", hidden: true }, h("p", {}, "Drop a scene file to open it"));
  document.body.append(veil);
  /** @param {DragEvent} event */
  const inField = ({ target }) => target instanceof Element && target.closest("[aria-dropeffect]") !== null;
  /**
   * @param {"dragenter" | "dragover" | "dragleave" | "drop"} kind
   * @param {(event: DragEvent) => void} heed
   */
  const listen = (kind, heed) => {
    const ofFiles = (/** @type {DragEvent} */ event) => {
      if (event.dataTransfer?.types.includes("Files")) heed(event);
    };
    window.addEventListener(kind, ofFiles, { capture: true }); // fields let nothing through to the window
  };
  listen("dragenter", (event) => {
    event.preventDefault(); // else the drop is lost when what lies under the pointer changes before the next dragover
    veil.hidden = inField(event);
  });
  listen("dragover", (event) => event.preventDefault());
  listen("dragleave", (event) => {
    if (!event.relatedTarget) veil.hidden = true;
  });
  listen("drop", (event) => {
    veil.hidden = true;
    event.preventDefault();
    const file = event.dataTransfer?.files[0];
    if (file && !inField(event)) openFile(file, file.name);
  });
}
