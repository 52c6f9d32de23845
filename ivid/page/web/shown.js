/** The scene on screen, as this tab remembers it: for a reload, and for a server that has forgotten it. */

import * as history from "./history.js";

/**
 * @typedef {object} Shown
 * @property {string | null} link  query that makes it again
 * @property {string} no_link  why there is none
 * @property {string} key  of it in the library
 * @property {string} example  its name, if it is an example
 * @property {boolean} opened  whether it came as a file
 */

const SLOT = "ivid-shown";

/** @param {Shown} shown */
export function remember(shown) {
  sessionStorage.setItem(SLOT, JSON.stringify(shown));
}

/** @returns {Shown | null} */
export function recall() {
  const stored = sessionStorage.getItem(SLOT);
  return stored ? JSON.parse(stored) : null;
}

/**
 * The file of the scene on screen: one of this browser's library, or the one that this tab has opened.
 *
 * @returns {Promise<{name: string, file: Blob} | null>}
 */
export async function shownFile() {
  const shown = recall();
  if (!shown || shown.example) return null;
  return (shown.key && (await history.find(shown.key))) || (shown.opened ? await history.opened() : null);
}
