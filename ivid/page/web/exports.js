/** Taking the scene away: a button per kind, one click from wish to file. */

import { download, h } from "../../../viewer/web/ui/dom.js";
import { icon } from "../../../viewer/web/ui/icons.js";

/**
 * @typedef {object} Offer
 * @property {string} name
 * @property {string} suffix
 * @property {string} label
 * @property {string} hint
 */
/**
 * @typedef {object} Exports
 * @property {Offer[]} kinds  the first three are buttons, the others stand in a menu
 * @property {boolean} enabled
 * @property {{name: string, share: number | null} | null} running
 * @property {{path: string, name: string, number: number} | null} file  ready to be fetched
 */

/** @type {Record<string, import("../../../viewer/web/ui/icons.js").Icon>} */
const PICTURES = { points: "points", swing: "video", scene: "scene" };

/** @param {{element: HTMLElement, files: string, props: {value: Exports | null}, watch: Function, trigger: Function}} component */
export function mount({ element, files, props, watch, trigger }) {
  const kinds = props.value?.kinds ?? [];
  let fetched = props.value?.file?.number ?? 0;

  /** @param {Offer} offer */
  function button(offer) {
    const picture = PICTURES[offer.name];
    return h(
      "button",
      {
        type: "button",
        title: offer.hint,
        "data-offer": offer.name,
        onclick: () => {
          menu.open = false;
          trigger("export", { name: offer.name });
        },
      },
      ...(picture ? [icon(picture)] : []),
      h("span", { class: "ivid-label" }, offer.label),
      h("small", {}, ` ${offer.suffix}`),
    );
  }

  const main = kinds.slice(0, 3).map(button);
  const others = kinds.slice(3).map(button);
  const summary = h("summary", { "aria-label": "Other formats", title: "Other formats" }, icon("more"));
  const menu = h("details", {}, summary, h("div", { class: "ivid-menu" }, ...others));
  element.append(...main, menu);
  document.addEventListener("pointerdown", (event) => {
    if (menu.open && !menu.contains(/** @type {Node} */ (event.target))) menu.open = false;
  });
  menu.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Escape" && menu.open) {
      menu.open = false;
      summary.focus();
    }
  });

  function draw() {
    const value = props.value;
    if (!value) return;
    const { enabled, running, file } = value;
    for (const each of [...main, ...others]) {
      const own = running?.name === each.dataset.offer;
      each.disabled = !enabled || Boolean(running);
      each.dataset.running = String(own);
      each.style.setProperty("--share", String(own ? (running?.share ?? 0) : 0));
    }
    summary.toggleAttribute("data-disabled", !enabled);
    menu.dataset.running = String(others.some((each) => each.dataset.running === "true"));
    if (file && file.number > fetched) {
      fetched = file.number;
      download(files + file.path, file.name);
    }
  }
  draw();
  watch("value", draw);
}
