/** Scenes to open: those generated in this browser, the examples, and files, dropped anywhere on the page. */

import { h } from "../../../viewer/web/ui/dom.js";
import { icon } from "../../../viewer/web/ui/icons.js";
import * as history from "./history.js";
import { recall, shownFile } from "./shown.js";

/**
 * @typedef {object} Example
 * @property {string} name
 * @property {string} title
 * @property {string} note
 * @property {string} picture  data URL
 */
/**
 * @typedef {object} Finished  a scene that was generated, all of it or some views
 * @property {number} number  counts up, so that each is kept once
 * @property {string} path  of the scene file
 * @property {string} name
 * @property {string} title
 * @property {string} note
 * @property {string} picture
 * @property {string} key
 * @property {number} views
 * @property {number} planned
 */
/**
 * @typedef {object} Library
 * @property {Example[]} examples
 * @property {Finished | null} finished
 * @property {boolean | null} begin  whether the page was opened by a link to a scene; null until the server has said so
 */

/** @param {import("./component.js").Component<Library>} component */
export function mount({ element, files, props, watch, trigger, upload }) {
  const strip = h("div", { class: "ivid-strip" });
  element.append(h("header", {}, h("h2", {}, "Scenes")), strip);
  let kept = 0;
  let begun = false;
  let drawn = "";

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
    const unfinished = history.isUnfinished(entry);
    const note = unfinished ? `${entry.note}, ${entry.views} of ${entry.planned} views` : entry.note;
    return h(
      "figure",
      {},
      tile(entry.picture, `Open ${entry.title}, ${note}`, () => openFile(entry.file, entry.name)),
      h(
        "button",
        { type: "button", class: "ivid-remove", "aria-label": `Forget ${entry.title}`, onclick: remove },
        icon("close"),
      ),
      h("figcaption", {}, entry.title, h("small", {}, note)),
      unfinished
        ? h("button", { type: "button", class: "ivid-resume", onclick: () => resume(entry) }, "Continue")
        : null,
    );
  }

  /**
   * Makes the views that are missing.
   *
   * @param {history.Entry} entry
   */
  async function resume(entry) {
    const { path } = await upload(new File([entry.file], entry.name));
    trigger("resume", { path });
  }

  /** @param {Finished} finished */
  async function keep(finished) {
    try {
      const response = await fetch(files + finished.path);
      if (!response.ok) throw new Error(`${response.status} for ${finished.name}`);
      const { key, title, note, picture, name, views, planned } = finished;
      const file = await response.blob();
      await history.add({ link: key, title, note, picture, name, file, views, planned, made: Date.now() });
    } catch (error) {
      console.warn("the scene could not be kept in this browser", error);
    }
    await redraw();
  }

  /** The page was opened by a link: show its scene if it is here, go on with it, or make it. */
  async function begin() {
    const entry = await history.find(location.search).catch(() => undefined);
    if (entry) return history.isUnfinished(entry) ? resume(entry) : openFile(entry.file, entry.name);
    const shown = recall();
    if (shown?.link === location.search) {
      if (shown.example) return trigger("example", { name: shown.example });
      const file = await shownFile().catch(() => null);
      if (file) return openFile(file.file, file.name);
    }
    trigger("begin");
  }

  /** The page was opened by no link: after a reload, show again what no link can show. */
  async function reopen() {
    const [how] = /** @type {PerformanceNavigationTiming[]} */ (performance.getEntriesByType("navigation"));
    const shown = recall();
    if (how?.type !== "reload" || !shown) return;
    if (shown.example) return trigger("example", { name: shown.example });
    const file = await shownFile().catch(() => null);
    if (file) openFile(file.file, file.name);
  }

  function draw() {
    const value = props.value;
    if (!value) return;
    const examples = JSON.stringify(value.examples);
    if (examples !== drawn) redraw();
    drawn = examples;
    if (value.finished && value.finished.number > kept) {
      kept = value.finished.number;
      keep(value.finished);
    }
    if (value.begin !== null && !begun) {
      begun = true;
      if (value.begin) begin();
      else reopen();
    }
  }

  draw();
  watch("value", draw);
  acceptDrops();
  keepWhatIsOpened();
  nameFields();
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

/** Keeps every file that is opened, however it was chosen, for a reload and for a server that forgets it. */
function keepWhatIsOpened() {
  const keep = (/** @type {Event} */ { target }) => {
    const input = target instanceof HTMLInputElement && target.parentElement?.querySelector(":scope > #ivid-open");
    const file = input ? target.files?.[0] : null;
    if (!file) return;
    history.keepOpened(file, file.name).catch((error) => console.warn("the file is not kept for a reload", error));
  };
  document.addEventListener("change", keep, { capture: true }); // before the field is emptied
}

/** Fields for files are called what they show; Gradio's own name for them says something else. */
function nameFields() {
  const controls = document.getElementById("ivid-controls");
  const name = () => {
    for (const field of controls?.querySelectorAll("button.upload-container[aria-label]") ?? [])
      field.removeAttribute("aria-label");
  };
  name();
  if (controls) new MutationObserver(name).observe(controls, { childList: true, subtree: true });
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
