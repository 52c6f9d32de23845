/** The viewer as an exported page, alone or in a frame of another page. */

import { answerParent } from "./messages.js";
import { mount } from "./viewer.js";

/**
 * @param {HTMLElement} host
 * @param {string} manifest  JSON
 * @param {string} style  the style sheet's text
 */
export function showAlone(host, manifest, style) {
  const viewer = mount(host, { style, link: true, eager: true });
  answerParent(viewer);
  viewer.show(manifest);
  return viewer;
}
