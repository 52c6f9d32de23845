/** A canvas whose WebGL context comes and goes: browsers keep about sixteen of them for all viewers of a page. */

/**
 * @typedef {object} ContextEvents
 * @property {() => void} wake  called when there is something to draw
 * @property {() => void} [onLost]  the browser took the graphics context away
 * @property {() => void} [onBack]  ... and gave it back of its own accord
 */

export class GraphicsContext {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {ContextEvents} events
   */
  constructor(canvas, events) {
    this.canvas = canvas;
    this.events = events;
    /** The canvas's, while `lost` is false. @type {WebGL2RenderingContext} */
    this.gl = /** @type {any} */ (null);
    this.lost = true;
    this.lent = false; // to a headset: nothing is drawn on the canvas
  }

  /**
   * Takes a graphics context; does nothing while there is one.
   *
   * @throws {Error} the browser has none to give
   */
  open() {
    if (!this.lost) return;
    if (this.gl) {
      // A context that was taken away cannot be asked back: another canvas gets another one.
      const canvas = /** @type {HTMLCanvasElement} */ (this.canvas.cloneNode());
      delete canvas.dataset.drawn;
      this.unlisten();
      this.canvas.replaceWith(canvas);
      this.canvas = canvas;
    }
    const gl = this.canvas.getContext("webgl2", {
      alpha: false,
      antialias: false,
      depth: false,
      powerPreference: "high-performance",
    });
    if (!gl) throw new Error("this browser offers no WebGL2");
    this.gl = gl;
    this.canvas.addEventListener("webglcontextlost", this.onLost);
    this.canvas.addEventListener("webglcontextrestored", this.onRestored);
    this.lost = false;
    this.begin();
  }

  /** Gives the graphics context back, so that other viewers of the page may have it. */
  release() {
    if (this.lost || this.lent) return;
    this.lost = true;
    this.unlisten();
    this.end();
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }

  /** There is a new context. */
  begin() {}

  /** The context is about to be given back. */
  end() {}

  /** The context is gone, for whatever reason. */
  stop() {}

  unlisten() {
    this.stop();
    this.canvas.removeEventListener("webglcontextlost", this.onLost);
    this.canvas.removeEventListener("webglcontextrestored", this.onRestored);
  }

  /** @param {Event} event */
  onLost = (event) => {
    event.preventDefault();
    this.lost = true;
    this.stop();
    this.events.onLost?.();
  };

  onRestored = () => {
    this.lost = false;
    this.begin();
    this.events.onBack?.();
  };
}
