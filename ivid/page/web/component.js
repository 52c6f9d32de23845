/**
 * What a module of the page is given to draw a component with (`ivid/page/modules.py`).
 *
 * @template T
 * @typedef {object} Component
 * @property {HTMLElement} element  to draw in
 * @property {string} files  stands before the path of a file on the server
 * @property {{value: T | null, [name: string]: any}} props  changes of `value` travel back to the server
 * @property {(names: string | string[], changed: () => void) => void} watch  for values the server sends
 * @property {(event: string, data?: object) => void} trigger  an event of the component
 * @property {(file: File) => Promise<{path: string, url: string}>} upload  to the server
 */

/** @returns {any} the page's viewer, once it is there */
export function viewer() {
  return /** @type {any} */ (document.querySelector("#ivid-viewer .ivid-viewer"))?.ividViewer;
}
