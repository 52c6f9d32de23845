/** Makes a scene: asks the generator, and shows in viewer and grid what comes of it. */

import { rgbPng } from "./png.js";
import { manifestOf } from "./scene.js";
import { packView } from "./view_file.js";

/** @typedef {import("./scene.js").Scene} Scene */
/** @typedef {import("./scene.js").ViewSet} ViewSet */
/** @typedef {import("../../../viewer/web/viewer.js").Viewer} Viewer */
/** @typedef {import("../../page/web/grid.js").Grid} Grid */
/** @typedef {import("../../page/web/grid.js").Cell} Cell */

let count = 0;

export class Making {
  /**
   * @param {Scene} scene  without views yet
   * @param {ViewSet} viewSet
   * @param {Viewer} viewer
   * @param {(grid: Grid) => void} drawGrid
   */
  constructor(scene, viewSet, viewer, drawGrid) {
    this.scene = scene;
    this.viewSet = viewSet;
    this.viewer = viewer;
    this.drawGrid = drawGrid;
    this.id = `${++count}`;
    /** @type {string[]} view files, of the browser's memory */
    this.urls = [];
    /** @type {Cell[]} */
    this.cells = viewSet.cameras.map(({ row, column }) => ({ row, column }));
    /** @type {Set<string>} */
    this.held = new Set();
    this.drawCells(0, null);
  }

  /** @param {any} message  a `preview` of the generator */
  preview({ view, step, steps, rgb, depth }) {
    const { scene, viewSet } = this;
    const picture = this.hold(rgbPng(rgb, scene.size), "image/png");
    const share = steps ? step / steps : 0;
    const depthUrl = depth
      ? this.hold(rgbPng(depthPicture(depth, scene.depthRange), scene.size), "image/png")
      : picture;
    this.drawCells(view, { colour: picture, depth: depthUrl, share });
    if (view !== 0 || !depth) return;
    const camera = viewSet.cameras[0];
    const unfinished = { rgb, depth, mask: null, camera, edgeThreshold: 0.03, trust: 1 };
    const url = this.hold(packView(unfinished, scene.size, scene.depthRange));
    const { world_to_view, fov_y_deg } = camera;
    this.show({ url, step, steps, world_to_view, fov_y_deg });
  }

  /** @param {any} message  a `view` of the generator */
  add({ index, camera, rgb, depth, mask, trust, edgeThreshold }) {
    const { scene } = this;
    const { world_to_view, fov_y_deg } = camera;
    scene.views.push({ rgb, depth, mask: mask ?? null, camera: { world_to_view, fov_y_deg }, edgeThreshold, trust });
    const view = scene.views[index];
    this.urls.push(this.hold(packView(view, scene.size, scene.depthRange)));
    this.cells[index].colour = this.hold(rgbPng(rgb, scene.size), "image/png");
    this.cells[index].depth = this.hold(rgbPng(depthPicture(depth, scene.depthRange), scene.size), "image/png");
    this.show();
    this.drawCells(index + 1, null);
  }

  /** @param {(Uint8Array | null)[]} masks  those of the finished scene */
  finish(masks) {
    const { scene } = this;
    scene.views.forEach((view, index) => {
      const mask = masks[index] ?? null;
      if (sameBytes(view.mask, mask)) return;
      scene.views[index] = { ...view, mask };
      this.urls[index] = this.hold(packView(scene.views[index], scene.size, scene.depthRange));
    });
    this.show();
    this.drawCells(null, null);
  }

  /** What is there stays; nothing more comes. */
  stop() {
    this.drawCells(null, null);
  }

  /** @param {object | null} [preview] */
  show(preview = null) {
    this.viewer.show(manifestOf(this.scene, this.urls, { id: this.id, planned: this.viewSet.cameras, preview }));
  }

  /**
   * @param {number | null} making  which view is on its way
   * @param {Grid["preview"]} preview
   */
  drawCells(making, preview) {
    const { rows, columns } = this.viewSet;
    const coming = making !== null && making < this.cells.length ? making : null;
    this.drawGrid({
      scene: this.id,
      rows,
      columns,
      cells: this.cells.map((cell) => ({ ...cell })),
      making: coming,
      preview,
    });
  }

  /**
   * @param {Uint8Array<ArrayBuffer>} bytes
   * @param {string} [type]
   */
  hold(bytes, type = "application/octet-stream") {
    const url = URL.createObjectURL(new Blob([bytes], { type }));
    this.held.add(url);
    return url;
  }

  /** Frees the memory of a scene that is not shown any more. */
  dispose() {
    for (const url of this.held) URL.revokeObjectURL(url);
    this.held.clear();
  }
}

/**
 * Near is bright, the far plane is black.
 *
 * @param {Float32Array} depth  metres
 * @param {[number, number]} range
 */
export function depthPicture(depth, [near, far]) {
  const rgb = new Uint8Array(3 * depth.length);
  depth.forEach((z, k) => {
    const d = (1 / near - 1 / Math.min(Math.max(z, near), far)) / (1 / near - 1 / far);
    rgb.fill(Math.round(255 * (1 - d)), 3 * k, 3 * k + 3);
  });
  return rgb;
}

/**
 * @param {Uint8Array | null} a
 * @param {Uint8Array | null} b
 */
function sameBytes(a, b) {
  if (!a || !b) return a === b;
  return a.every((value, k) => value === b[k]);
}
