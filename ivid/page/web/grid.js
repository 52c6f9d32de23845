/** The grid of views: empty places that fill one by one, in colour or depth; a click flies the viewer there. */

import { h } from "../../../viewer/web/ui/dom.js";
import { viewer } from "./component.js";

/**
 * @typedef {object} Cell
 * @property {number} row
 * @property {number} column
 * @property {string} [colour]  path of the picture, once the view is finished
 * @property {string} [depth]
 */
/**
 * @typedef {object} Grid
 * @property {string} scene
 * @property {number} rows
 * @property {number} columns
 * @property {Cell[]} cells  in the order of making
 * @property {number | null} making  which one is on its way
 * @property {{colour: string, depth: string, share: number} | null} preview  of that one
 */

/** @param {import("./component.js").Component<Grid>} component */
export function mount({ element, files, props, watch }) {
  /** @type {"colour" | "depth"} */
  let channel = "colour";
  let drawn = "";
  /** @type {{button: any, picture: HTMLImageElement, live: HTMLImageElement}[]} */
  let places = [];

  const count = h("span", { class: "ivid-count" });
  const choices = ["colour", "depth"].map((name) =>
    h("button", { type: "button", "aria-pressed": String(name === channel), onclick: () => choose(name) }, name),
  );
  const field = h("div", { class: "ivid-field", role: "group", "aria-label": "Views" });
  element.append(
    h(
      "header",
      {},
      h("h2", {}, "Views"),
      count,
      h("div", { class: "ivid-switch", role: "group", "aria-label": "Show" }, ...choices),
    ),
    field,
  );

  /** @param {string} name */
  function choose(name) {
    channel = name === "depth" ? "depth" : "colour";
    for (const button of choices) button.setAttribute("aria-pressed", String(button.textContent === channel));
    draw();
  }

  /** @param {Grid} grid */
  function layOut(grid) {
    field.style.setProperty("--rows", String(grid.rows));
    field.style.setProperty("--columns", String(grid.columns));
    places = grid.cells.map((cell, index) => {
      const picture = h("img", { alt: "", draggable: "false" });
      const live = h("img", { alt: "", draggable: "false", class: "ivid-live" });
      const button = h(
        "button",
        {
          type: "button",
          style: `grid-area: ${cell.row + 1} / ${cell.column + 1}`,
          onclick: () => viewer()?.flyToView(index),
        },
        live,
        picture,
      );
      return { button, picture, live };
    });
    field.replaceChildren(...places.map((place) => place.button));
  }

  function draw() {
    const grid = props.value;
    if (!grid) return;
    const layout = `${grid.scene} ${grid.rows} ${grid.columns} ${grid.cells.length}`;
    if (layout !== drawn) layOut(grid);
    drawn = layout;
    let finished = 0;
    grid.cells.forEach((cell, index) => {
      const { button, picture, live } = places[index];
      const done = Boolean(cell.colour);
      const state = grid.making === index ? "making" : done ? "done" : "empty";
      finished += done ? 1 : 0;
      if (button.dataset.state !== state) {
        button.dataset.state = state;
        button.disabled = !done;
        button.setAttribute(
          "aria-label",
          `View ${index + 1}: ${{ done: "look from here", making: "being made", empty: "to come" }[state]}`,
        );
      }
      const wanted = files + cell[channel];
      if (done && picture.getAttribute("src") !== wanted) show(picture, wanted);
      const preview = state === "making" ? grid.preview : null;
      if (preview) live.src = preview[channel];
      button.style.setProperty("--share", String(preview ? preview.share : 0));
    });
    count.textContent = finished === grid.cells.length ? String(finished) : `${finished} of ${grid.cells.length}`;
    element.dataset.alone = String(grid.cells.length === 1);
  }

  draw();
  watch("value", draw);
  document.addEventListener("ivid-camera", (event) => {
    const { nearest } = /** @type {CustomEvent} */ (event).detail;
    places.forEach(({ button }, index) => {
      button.toggleAttribute("data-here", index === nearest);
    });
  });
}

/**
 * Swap a picture once the new one is decoded, so that the place is never blank in between.
 *
 * @param {HTMLImageElement} picture
 * @param {string} url
 */
async function show(picture, url) {
  picture.setAttribute("src", url);
  try {
    await picture.decode();
  } catch {
    if (picture.getAttribute("src") !== url) return; // another one was wanted meanwhile
    setTimeout(() => picture.getAttribute("src") === url && picture.setAttribute("src", url), 1000);
  }
  picture.dataset.shown = "";
}
