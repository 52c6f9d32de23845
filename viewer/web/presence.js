/** When a viewer has a graphics context, and how large its pictures are: what follows from its place on the screen. */

/** @typedef {import("./viewer.js").Viewer} Viewer */

const MAX_SIDE = 1440; // device pixels; views of 128 pixels gain nothing beyond
const MAX_SIDE_SOFTWARE = 640;
const TOOLBAR_HEIGHT = 62; // CSS pixels, its distance from the rim included
const LOW_HEIGHT = 400; // viewers that are lower have no room to spare: the toolbar lies over the scene
const NARROW_WIDTH = 460;
const RELEASE_AFTER_MS = 1000; // off screen

export class Presence {
  /** @param {Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.visible = true;
  }

  /**
   * On screen the viewer has a graphics context; off screen it lets it go after a while, and its last picture stands in.
   *
   * @param {boolean} visible
   */
  setVisible(visible) {
    this.visible = visible;
    if (visible) this.open();
    else setTimeout(() => this.visible || this.close(), RELEASE_AFTER_MS);
  }

  /** Takes graphics contexts, if the viewer has none. */
  open() {
    const { renderer } = this.viewer;
    try {
      for (const each of this.viewer.renderers()) each.open();
    } catch (error) {
      if (renderer?.compositor) this.pause();
      else this.excuse(/** @type {Error} */ (error).message);
    }
  }

  /** The browser has taken the context: the last picture stands in, or the first view if none was drawn yet. */
  pause() {
    const { renderer, notices } = this.viewer;
    if (renderer) notices.keep(renderer);
    notices.showPaused(true);
  }

  close() {
    const { disposed, renderer, notices } = this.viewer;
    if (disposed || !renderer || renderer.lent) return;
    notices.keep(renderer);
    notices.showPaused(false);
    for (const each of this.viewer.renderers()) each.release();
  }

  /** @param {string} reason  why nothing can be drawn */
  excuse(reason) {
    const { renderer, notices } = this.viewer;
    const first = renderer?.held.get(0);
    renderer?.canvas.remove();
    this.viewer.renderer = null;
    notices.excuse(`The scene cannot be drawn in 3D here: ${reason}.`);
    if (first) notices.showFirst(first.view);
  }

  /**
   * @param {number} width  device pixels
   * @param {number} height
   * @param {number} ratio  device pixels to a CSS pixel
   */
  resize(width, height, ratio) {
    const { frame } = this.viewer;
    const low = height / ratio < LOW_HEIGHT;
    for (const renderer of this.viewer.renderers()) {
      const most = renderer.budget.software ? MAX_SIDE_SOFTWARE : MAX_SIDE;
      const scale = Math.min(1, most / Math.max(width, height));
      renderer.inset = low ? 0 : (TOOLBAR_HEIGHT * ratio) / height;
      renderer.resize(Math.max(Math.round(width * scale), 1), Math.max(Math.round(height * scale), 1));
    }
    frame.classList.toggle("narrow", width / ratio < NARROW_WIDTH);
    frame.classList.toggle("low", low);
    this.viewer.wake();
  }
}
