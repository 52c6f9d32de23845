/** The status line: one sentence, and a bar while something is on its way; the window's title tells it too. */

import { h } from "../../../viewer/web/ui/dom.js";

/**
 * @typedef {object} Status
 * @property {string} text
 * @property {string} tone  idle, busy, done, warning
 * @property {number | null} share  of the work, 0 to 1; null while it cannot be said
 * @property {string} title  of the window; "" for the page's own
 */

/** @param {import("./component.js").Component<Status>} component */
export function mount({ element, props, watch }) {
  const text = h("p", { role: "status" });
  const bar = h("i");
  const track = h("div", { class: "ivid-track", "aria-hidden": "true" }, bar);
  const title = document.title;
  let tone = "";
  element.append(text, track);

  function draw() {
    const value = props.value;
    if (!value) return;
    if (text.textContent !== value.text) text.textContent = value.text;
    if (tone === "busy" && value.tone === "done") notify(value.text);
    tone = value.tone;
    element.dataset.tone = tone;
    element.dataset.endless = String(tone === "busy" && value.share == null);
    element.dataset.bare = String(tone !== "busy" && value.share == null);
    bar.style.width = `${100 * (value.share ?? 0)}%`;
    document.title = value.title || title;
  }
  draw();
  watch("value", draw);
}

/**
 * Tells a person who looks elsewhere, if they have allowed it.
 *
 * @param {string} text
 */
function notify(text) {
  if (document.hidden && "Notification" in window && Notification.permission === "granted") {
    new Notification("ivid", { body: text });
  }
}
