/** The help overlay: what hands and keys do. */

import { h } from "./dom.js";
import { iconButton } from "./icons.js";

const KEYS = [
  ["Drag, arrows, W A S D", "look around"],
  ["Wheel, pinch, + −", "nearer, farther"],
  ["Right button, two fingers, Shift + drag", "move sideways"],
  ["Double click", "centre what is there"],
  ["R", "back to the first view"],
  ["Space", "play the path, pause"],
  ["1 … 6", "colour, depth, normals, nearest view, points, wireframe"],
  ["C", "the map of cameras"],
  ["T, K", "the timeline; add a key at this camera"],
  ["P", "save a picture"],
  ["F", "full screen"],
  ["H, ?", "this help"],
];

export function helpDialog() {
  const rows = KEYS.map(([keys, what]) => h("div", {}, h("dt", {}, keys), h("dd", {}, what)));
  const dialog = h("dialog", { class: "help", "aria-label": "Help" });
  dialog.append(
    h(
      "header",
      {},
      h("strong", {}, "Looking around"),
      iconButton("close", "Close", () => dialog.close()),
    ),
    h("dl", {}, ...rows),
  );
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close(); // the backdrop
  });
  dialog.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key.toLowerCase() === "h") dialog.close();
  });
  return dialog;
}
