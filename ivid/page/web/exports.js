/** Exports: a button for each preset, one click to a file; its menu has what can be chosen of the files. */

import { download, h } from "../../../viewer/web/ui/dom.js";
import { icon } from "../../../viewer/web/ui/icons.js";
import { viewer } from "./component.js";
import { bytes, readable } from "./file_size.js";
import { recall, shownFile } from "./shown.js";

/**
 * @typedef {object} Preset
 * @property {string} name
 * @property {string} suffix
 * @property {string} label
 * @property {string} hint
 * @property {string} group  of the menu
 * @property {string[]} knobs  that it heeds
 * @property {import("./file_size.js").Size | null} size
 */
/**
 * @typedef {object} Knob  a choice; the first is the default
 * @property {string} name
 * @property {string} label
 * @property {string} group
 * @property {[any, string][]} choices  value and label
 * @property {Record<string, number>} most  largest value that files of a suffix take
 */
/**
 * @typedef {object} Exports
 * @property {Preset[]} presets  the first three are buttons, the others stand in a menu
 * @property {Knob[]} knobs
 * @property {boolean} enabled
 * @property {{name: string, share: number | null} | null} running
 * @property {{path: string, name: string, number: number} | null} file  ready to be fetched
 * @property {{name: string, number: number} | null} missing  an export whose scene the server does not have any more
 */

/** @type {Record<string, import("../../../viewer/web/ui/icons.js").Icon>} */
const PICTURES = { points: "points", swing: "video", scene: "scene" };
const KEYFRAMES = "path"; // the preset that films the person's own camera path
const FEWEST_KEYS = 2;
const FIRST = 3; // presets that are buttons

/** @param {import("./component.js").Component<Exports>} component */
export function mount({ element, files, props, watch, trigger, upload }) {
  const presets = props.value?.presets ?? [];
  const knobs = props.value?.knobs ?? [];
  let fetched = props.value?.file?.number ?? 0;
  let restored = props.value?.missing?.number ?? 0;

  /** @type {Record<string, any>} */
  const wishes = {};

  /** @param {Preset} preset */
  function button(preset) {
    const picture = PICTURES[preset.name];
    return h(
      "button",
      {
        type: "button",
        "data-preset": preset.name,
        onclick: () => {
          menu.open = false;
          start(preset.name);
        },
      },
      ...(picture ? [icon(picture)] : []),
      h("span", { class: "ivid-label" }, preset.label),
      h("small", {}, preset.suffix),
    );
  }

  /** @param {Knob} knob */
  function choice(knob) {
    const select = h("select", {}, ...knob.choices.map(([, label], place) => h("option", { value: place }, label)));
    select.addEventListener("change", () => {
      wishes[knob.name] = knob.choices[select.selectedIndex][0];
      draw();
    });
    return h("label", {}, knob.label, select);
  }

  /** @param {string} name  of the group */
  function group(name) {
    const id = `ivid-exports-${name}`;
    return h(
      "section",
      { "aria-labelledby": id },
      h("h2", { id }, name),
      h("div", { class: "ivid-knobs" }, ...knobs.filter((knob) => knob.group === name).map(choice)),
      ...others.filter((_, place) => presets[FIRST + place].group === name),
    );
  }

  const main = presets.slice(0, FIRST).map(button);
  const others = presets.slice(FIRST).map(button);
  const groups = [...new Set(presets.map((preset) => preset.group))].map(group);
  const summary = h(
    "summary",
    { "aria-keyshortcuts": "Escape", "aria-label": "Other formats", title: "Other formats" },
    icon("more"),
  );
  const menu = h("details", {}, summary, h("div", { class: "ivid-menu" }, ...groups));
  element.append(...main, menu);
  menu.addEventListener("toggle", draw);
  document.addEventListener("pointerdown", (event) => {
    if (menu.open && !menu.contains(/** @type {Node} */ (event.target))) menu.open = false;
  });
  menu.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Escape" && menu.open) {
      menu.open = false;
      summary.focus();
    }
  });

  /**
   * @param {string} name  of a preset
   * @param {object} [scene]  where the server finds the scene, if it has forgotten it
   */
  function start(name, scene = {}) {
    trigger("export", { name, wishes, keyframes: viewer()?.timeline.keys ?? [], ...scene });
  }

  /** @param {string} name  of a preset */
  async function restore(name) {
    const example = recall()?.example;
    if (example) return start(name, { example });
    const kept = await shownFile().catch(() => null);
    if (kept) start(name, { path: (await upload(new File([kept.file], kept.name))).path });
    else start(name, { lost: true });
  }

  /** @param {string} name  of a knob */
  const wish = (name) => wishes[name] ?? knobs.find((knob) => knob.name === name)?.choices[0][0];

  /** @param {Preset} preset  @returns {string} why it cannot be made now; "" if it can */
  function reason(preset) {
    if (preset.name === KEYFRAMES && (viewer()?.timeline.keys.length ?? 0) < FEWEST_KEYS) {
      return "Add two keys or more in the viewer's timeline first";
    }
    for (const { name, label, most } of knobs) {
      const limit = preset.knobs.includes(name) ? most[preset.suffix] : undefined;
      if (limit !== undefined && wish(name) > limit) return `${label}: at most ${limit} in ${preset.suffix} files`;
    }
    return "";
  }

  function draw() {
    const value = props.value;
    if (!value) return;
    const { enabled, running, file, missing } = value;
    for (const [place, each] of [...main, ...others].entries()) {
      const preset = presets[place];
      const own = running?.name === preset.name;
      const refusal = reason(preset);
      each.disabled = !enabled || Boolean(running) || Boolean(refusal);
      each.dataset.running = String(own);
      each.style.setProperty("--share", String(own ? (running?.share ?? 0) : 0));
      each.title = refusal || preset.hint;
      const about = enabled ? bytes(preset.size, viewer()?.manifest, wish) : null;
      const small = /** @type {HTMLElement} */ (each.querySelector("small"));
      small.textContent = about ? `${preset.suffix} · ${readable(about)}` : preset.suffix;
    }
    summary.toggleAttribute("data-disabled", !enabled);
    menu.dataset.running = String(others.some((each) => each.dataset.running === "true"));
    if (file && file.number > fetched) {
      fetched = file.number;
      download(files + file.path, file.name);
    }
    if (missing && missing.number > restored) {
      restored = missing.number;
      restore(missing.name);
    }
  }
  draw();
  watch("value", draw);
  document.addEventListener("ivid-manifest", draw); // now it is known how large files will be
}
