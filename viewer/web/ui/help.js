/** The help overlay: what pointers and keys do. */

import { COMMANDS, keyNames, MOTIONS } from "./commands.js";
import { h } from "./dom.js";
import { iconButton } from "./icons.js";

export function helpDialog() {
  const commands = COMMANDS.map(({ keys, does }) => ({ keys: keyNames(keys), does }));
  const rows = [...MOTIONS, ...commands].map(({ keys, does }) => h("div", {}, h("dt", {}, keys), h("dd", {}, does)));
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
