/** Two scenes behind one another, seen by the same camera; a divider says how much of each. */

import { sourceCamera } from "../camera.js";
import { Loader } from "../loader.js";
import { readManifest } from "../protocol.js";
import { Renderer } from "../render/renderer.js";
import { h } from "./dom.js";

/** @typedef {import("../viewer.js").Viewer} Viewer */

export class Compare {
  /** @param {Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    /** @type {Renderer | null} */
    this.renderer = null;
    /** A scene that waits for another to stand beside. @type {import("../protocol.js").Manifest | null} */
    this.waiting = null;
    this.share = 0.5;
    this.canvas = h("canvas", { class: "second", "aria-hidden": "true" });
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
      const box = viewer.surface.getBoundingClientRect();
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

  /** Keeps this scene, to be shown beside the next one; or ends that. */
  toggle() {
    if (this.renderer) this.close();
    else {
      this.waiting = this.waiting ? null : this.viewer.manifest;
      if (this.waiting) this.viewer.notices.say("Open or make another scene: this one stays, beside it");
    }
    this.viewer.toolbar.refresh();
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
  open(value, base = this.viewer.options.base) {
    this.close();
    if (!this.viewer.renderer) return;
    let manifest;
    try {
      manifest = readManifest(value);
    } catch (error) {
      this.viewer.notices.say(`The other scene cannot be shown: ${/** @type {Error} */ (error).message}`);
      return;
    }
    this.viewer.surface.append(this.canvas, this.divider);
    this.viewer.frame.append(this.caption);
    this.caption.textContent = manifest.title;
    const renderer = new Renderer(this.canvas, this.viewer.wake);
    this.renderer = renderer;
    renderer.reserve(manifest.size, manifest.views.length, manifest.depth_range);
    this.loader = new Loader(
      {
        onView: (index, view, entry) => {
          renderer.setView(index, view, sourceCamera(entry));
          if (index === 0) this.viewer.set({}); // its colours are those of the backdrop
        },
        onPreview: () => {},
        onFailure: (index) => this.viewer.notices.say(`View ${index + 1} of the other scene did not load`),
      },
      base,
    );
    this.loader.update(manifest);
    renderer.resize(this.viewer.renderer.canvas.width, this.viewer.renderer.canvas.height);
    this.split(this.share);
    this.viewer.set({});
  }

  close() {
    if (!this.renderer) return;
    this.loader?.reset();
    this.renderer.dispose();
    this.renderer = null;
    this.canvas.remove();
    this.canvas = h("canvas", { class: "second", "aria-hidden": "true" }); // the old one's context is gone
    this.divider.remove();
    this.caption.remove();
    this.viewer.toolbar.refresh();
  }

  /** @param {number} share  of the width, for the first scene */
  split(share) {
    this.share = Math.min(Math.max(share, 0.02), 0.98);
    const percent = (this.share * 100).toFixed(1);
    this.canvas.style.clipPath = `inset(0 0 0 ${percent}%)`;
    this.divider.style.left = `${percent}%`;
    this.divider.setAttribute("aria-valuenow", String(Math.round(this.share * 100)));
  }
}
