/** The viewer as a page of its own, served by `python -m viewer`. */

import { answerParent } from "./messages.js";
import { mount } from "./viewer.js";

const host = /** @type {HTMLElement} */ (document.getElementById("viewer"));
const viewer = mount(host, { link: true, eager: true });
answerParent(viewer);

try {
  const response = await fetch("/scenes.json");
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  const [first, second] = await response.json();
  document.title = first.title || "Scene";
  viewer.show(first);
  if (second) viewer.compare.open(second);
} catch (error) {
  viewer.fail(`The scene could not be fetched: ${/** @type {Error} */ (error).message}.`);
}

host.addEventListener("ivid-keyframes", async (event) => {
  const keyframes = /** @type {CustomEvent} */ (event).detail;
  const response = await fetch("/keyframes", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(keyframes),
  }).catch(() => null);
  if (!response?.ok)
    viewer.notices.once("unsaved", "The path could not be saved with the scene; it lasts until you close this page");
});
