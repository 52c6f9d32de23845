/** Two scenes behind one another, seen by the same camera; a divider says how much of each. */

import { sourceCamera } from "../camera.js";
import { Loader } from "../loader.js";
import { readManifest } from "../protocol.js";
import { Renderer } from "../render/renderer.js";
import { h } from "./dom.js";

/** @typedef {import("../protocol.js").Manifest} Manifest */
/**
 * @typedef {object} Around  where the second scene is shown
 * @property {HTMLElement} frame
 * @property {HTMLElement} surface
 * @property {import("./notices.js").Notices} notices
 * @property {string} [base]  put before relative URLs of a manifest
 * @property {() => void} wake
 * @property {() => void} onChange  the second scene came, went, or has its first view
 */

export class Compare {
  /**
   * @param {import("../state.js").Observable<import("../state.js").State>} state
   * @param {Around} around
   */
  constructor(state, around) {
    this.state = state;
    this.around = around;
    /** @type {Renderer | null} */
    this.renderer = null;
    /** A scene that waits for another to stand beside. @type {Manifest | null} */
    this.waiting = null;
    this.share = 0.5;
    this.divider = h("div", {
      class: "divider",
      role: "slider",
      tabindex: 0,
      "aria-label": "How much of the first scene",
      "aria-valuemin": 0,
      "aria-valuemax": 100,
    });
    this.caption = h("div", { class: "chip second-title" });
    this.divider.addEventListener("pointerdown", (event) => {
      event.stopPropagation();
      this.divider.setPointerCapture(event.pointerId);
    });
    this.divider.addEventListener("pointermove", (event) => {
      if (!this.divider.hasPointerCapture(event.pointerId)) return;
      const box = around.surface.getBoundingClientRect();
      this.split((event.clientX - box.left) / box.width);
    });
    this.divider.addEventListener("keydown", (event) => {
      const step = event.key === "ArrowLeft" ? -0.05 : event.key === "ArrowRight" ? 0.05 : 0;
      if (!step) return;
      event.preventDefault();
      event.stopPropagation();
      this.split(this.share + step);
    });
  }

  /**
   * Keeps a scene, to be shown beside the next one; or ends that.
   *
   * @param {Manifest | null} current
   */
  toggle(current) {
    if (this.renderer) return this.close();
    this.waiting = this.waiting ? null : current;
    if (this.waiting) this.around.notices.say("Open or make another scene: this one stays, beside it");
    this.state.set({ comparing: this.waiting ? "waiting" : "no" });
  }

  /** Another scene has come. */
  onScene() {
    const { waiting } = this;
    this.waiting = null;
    if (waiting) this.open(waiting);
  }

  /**
   * Shows another scene beside this one.
   *
   * @param {unknown} value  its manifest
   * @param {string} [base]
   */
  open(value, base = this.around.base) {
    this.close();
    const { frame, surface, notices, wake, onChange } = this.around;
    let manifest;
    try {
      manifest = readManifest(value);
    } catch (error) {
      notices.say(`The other scene cannot be shown: ${/** @type {Error} */ (error).message}`);
      return;
    }
    const renderer = new Renderer(h("canvas", { class: "second", "aria-hidden": "true" }), { wake });
    try {
      renderer.open();
    } catch (error) {
      notices.say(`The other scene cannot be shown: ${/** @type {Error} */ (error).message}`);
      return;
    }
    this.renderer = renderer;
    surface.append(renderer.canvas, this.divider);
    frame.append(this.caption);
    this.caption.textContent = manifest.title;
    renderer.reserve(manifest.size, manifest.views.length, manifest.depth_range);
    this.loader = new Loader(
      {
        onView: (index, view, entry) => {
          renderer.setView(index, view, sourceCamera(entry));
          if (index === 0) onChange(); // its colours are those of the background
        },
        onPreview: () => {},
        onFailure: (index) => notices.say(`View ${index + 1} of the other scene did not load`),
      },
      base,
    );
    this.loader.update(manifest);
    this.split(this.share);
    this.state.set({ comparing: "yes" });
    onChange();
  }

  close() {
    this.state.set({ comparing: this.waiting ? "waiting" : "no" });
    if (!this.renderer) return;
    this.loader?.reset();
    this.renderer.canvas.remove();
    this.renderer.dispose();
    this.renderer = null;
    this.divider.remove();
    this.caption.remove();
    this.around.onChange();
  }

  /** @param {number} share  of the width, for the first scene */
  split(share) {
    this.share = Math.min(Math.max(share, 0.02), 0.98);
    const percent = (this.share * 100).toFixed(1);
    if (this.renderer) this.renderer.canvas.style.clipPath = `inset(0 0 0 ${percent}%)`;
    this.divider.style.left = `${percent}%`;
    this.divider.setAttribute("aria-valuenow", String(Math.round(this.share * 100)));
  }
}
