/** A scene that is being made: its views as they come from the generator, and what the viewer is told of them. */

/**
 * @typedef {object} Place  a camera of a view set (`view_sets` in ivid/site/contents.py)
 * @property {number[]} world_to_view  16 numbers, row by row
 * @property {number} fov_y_deg
 * @property {number} row  in the grid
 * @property {number} column
 */
/**
 * @typedef {object} ViewSet
 * @property {number} rows
 * @property {number} columns
 * @property {Place[]} cameras  in the order of making
 */
/**
 * @typedef {object} View
 * @property {Uint8Array} rgb  [S·S·3]
 * @property {Float32Array} depth  [S·S] metres
 * @property {Uint8Array | null} mask  [S·S] 0 for pixels that are left out; null: none is
 * @property {{world_to_view: number[], fov_y_deg: number}} camera
 * @property {number} edgeThreshold  of its mesh
 * @property {number} trust
 */
/**
 * @typedef {object} Scene
 * @property {number} size  S
 * @property {[number, number]} depthRange  metres
 * @property {string} model
 * @property {string} className
 * @property {number} seed
 * @property {string} viewSet
 * @property {object} settings
 * @property {View[]} views  in the order of making
 */

/** @param {Pick<Scene, "className" | "model" | "seed">} scene  @returns {string} what it is called above its picture */
export function titleOf({ className, model, seed }) {
  return `${className || model} · seed ${seed}`;
}

/** @param {Scene} scene  @returns {string} the beginning of its files' names */
export function stemOf({ className, model, seed }) {
  const name = (className || model || "scene").replace(/[^\p{L}\p{N}]+/gu, "_").replace(/^_|_$/g, "");
  return `${name}_seed${String(seed).padStart(5, "0")}`;
}

/**
 * A manifest for the viewer (viewer/protocol.py).
 *
 * @param {Scene} scene
 * @param {string[]} urls  of the view files
 * @param {{id?: string, planned?: {world_to_view: number[], fov_y_deg: number}[], preview?: object | null}} [options]
 */
export function manifestOf(scene, urls, { id, planned, preview = null } = {}) {
  /** @param {{world_to_view: number[], fov_y_deg: number}} camera */
  const entry = ({ world_to_view, fov_y_deg }) => ({ world_to_view, fov_y_deg });
  return {
    format: "ivid-view-manifest",
    version: 1,
    id,
    title: titleOf(scene),
    size: scene.size,
    depth_range: scene.depthRange,
    views: urls.map((url, k) => ({ url, ...entry(scene.views[k].camera) })),
    planned: (planned ?? scene.views.map((view) => view.camera)).map(entry),
    preview,
    keyframes: [],
  };
}
