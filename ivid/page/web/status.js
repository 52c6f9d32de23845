/** The status line: one sentence, and a bar while something is on its way. */

import { h } from "../../../viewer/web/ui/dom.js";

/**
 * @typedef {object} Status
 * @property {string} text
 * @property {string} tone  idle, busy, done, warning
 * @property {number | null} share  of the work, 0 to 1; null while it cannot be said
 * @property {string} [link]  query that makes the scene again
 */

/** @param {{element: HTMLElement, props: {value: Status | null}, watch: Function}} component */
export function mount({ element, props, watch }) {
  const text = h("p", { role: "status" });
  const bar = h("i");
  const track = h("div", { class: "ivid-track", "aria-hidden": "true" }, bar);
  element.append(text, track);

  function draw() {
    const value = props.value;
    if (!value) return;
    if (text.textContent !== value.text) text.textContent = value.text;
    element.dataset.tone = value.tone;
    element.dataset.endless = String(value.tone === "busy" && value.share == null);
    element.dataset.bare = String(value.tone !== "busy" && value.share == null);
    bar.style.width = `${100 * (value.share ?? 0)}%`;
    if (value.link && location.search !== value.link) history.replaceState(null, "", value.link + location.hash);
  }
  draw();
  watch("value", draw);
}
