/** Exports: a button for each preset, one click to a file. */

import { download, h } from "../../../viewer/web/ui/dom.js";
import { icon } from "../../../viewer/web/ui/icons.js";
import { viewer } from "./component.js";
import { recall, shownFile } from "./shown.js";

/**
 * @typedef {object} Preset
 * @property {string} name
 * @property {string} suffix
 * @property {string} label
 * @property {string} hint
 */
/**
 * @typedef {object} Exports
 * @property {Preset[]} presets  the first three are buttons, the others stand in a menu
 * @property {boolean} enabled
 * @property {{name: string, share: number | null} | null} running
 * @property {{path: string, name: string, number: number} | null} file  ready to be fetched
 * @property {{name: string, number: number} | null} missing  an export whose scene the server does not have any more
 */

/** @type {Record<string, import("../../../viewer/web/ui/icons.js").Icon>} */
const PICTURES = { points: "points", swing: "video", scene: "scene" };
const KEYFRAMES = "path"; // the preset that films the person's own camera path
const FEWEST_KEYS = 2;

/** @param {import("./component.js").Component<Exports>} component */
export function mount({ element, files, props, watch, trigger, upload }) {
  const presets = props.value?.presets ?? [];
  let fetched = props.value?.file?.number ?? 0;
  let restored = props.value?.missing?.number ?? 0;

  /** @param {Preset} preset */
  function button(preset) {
    const picture = PICTURES[preset.name];
    return h(
      "button",
      {
        type: "button",
        title: preset.hint,
        "data-preset": preset.name,
        onclick: () => {
          menu.open = false;
          start(preset.name);
        },
      },
      ...(picture ? [icon(picture)] : []),
      h("span", { class: "ivid-label" }, preset.label),
      h("small", {}, ` ${preset.suffix}`),
    );
  }

  const main = presets.slice(0, 3).map(button);
  const others = presets.slice(3).map(button);
  const summary = h("summary", { "aria-label": "Other formats", title: "Other formats" }, icon("more"));
  const menu = h("details", {}, summary, h("div", { class: "ivid-menu" }, ...others));
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
    trigger("export", { name, keyframes: viewer()?.timeline.keys ?? [], ...scene });
  }

  /** @param {string} name  of a preset */
  async function restore(name) {
    const example = recall()?.example;
    if (example) return start(name, { example });
    const kept = await shownFile().catch(() => null);
    if (kept) start(name, { path: (await upload(new File([kept.file], kept.name))).path });
    else start(name, { lost: true });
  }

  function draw() {
    const value = props.value;
    if (!value) return;
    const { enabled, running, file, missing } = value;
    for (const each of [...main, ...others]) {
      const own = running?.name === each.dataset.preset;
      each.disabled = !enabled || Boolean(running);
      each.dataset.running = String(own);
      each.style.setProperty("--share", String(own ? (running?.share ?? 0) : 0));
      if (each.dataset.preset === KEYFRAMES && (viewer()?.timeline.keys.length ?? 0) < FEWEST_KEYS) {
        each.disabled = true;
        each.title = "Add two keys or more in the viewer's timeline first";
      } else each.title = presets.find(({ name }) => name === each.dataset.preset)?.hint ?? "";
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
}
