/** Standing in the scene, where the browser has WebXR. */

import { Matrix4, Vector3 } from "./vendor/three/three.core.min.js";
import { iconButton } from "./dom.js";

/** @typedef {import("./viewer.js").Viewer} Viewer */

/**
 * The small part of WebXR that is used here; the compiler's library does not know it.
 *
 * @typedef {{projectionMatrix: Float32Array, transform: {inverse: {matrix: Float32Array}}}} XrView
 * @typedef {{framebuffer: WebGLFramebuffer, getViewport(view: XrView): {x: number, y: number, width: number, height: number}}} XrLayer
 * @typedef {{getViewerPose(space: object): {views: XrView[]} | null}} XrFrame
 */

const EYE_SIDE = 1024; // pixels drawn for an eye; the headset's own resolution is far above that of the views

export class Headset {
  /** @param {Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.button = iconButton("headset", "View in VR", () => this.toggle(), { hidden: true });
    /** @type {any} */
    this.session = null;
    const xr = /** @type {any} */ (navigator).xr;
    xr?.isSessionSupported("immersive-vr").then(
      (/** @type {boolean} */ supported) => {
        this.button.hidden = !supported || !viewer.stage;
      },
      () => {}, // a page that may not ask has no headset
    );
  }

  async toggle() {
    if (this.session) {
      await this.session.end();
      return;
    }
    const { stage, notices } = this.viewer;
    if (!stage) return;
    try {
      const session = await /** @type {any} */ (navigator).xr.requestSession("immersive-vr");
      await /** @type {any} */ (stage.gl).makeXRCompatible();
      const Layer = /** @type {any} */ (globalThis).XRWebGLLayer;
      await session.updateRenderState({ baseLayer: new Layer(session, stage.gl, { antialias: false, depth: false }) });
      const space = await session.requestReferenceSpace("local");
      this.session = session;
      session.addEventListener("end", () => this.ended());
      const draw = (/** @type {number} */ _time, /** @type {XrFrame} */ frame) => {
        if (!this.session) return;
        session.requestAnimationFrame(draw);
        this.drawEyes(frame, session.renderState.baseLayer, space);
      };
      session.requestAnimationFrame(draw);
    } catch (error) {
      notices.say(`The headset did not start: ${/** @type {Error} */ (error).message}`);
    }
  }

  /**
   * The head starts where the first view was taken from, so a scene is about two metres across.
   *
   * @param {XrFrame} frame
   * @param {XrLayer} layer
   * @param {object} space
   */
  drawEyes(frame, layer, space) {
    const { stage, rig } = this.viewer;
    const seen = frame.getViewerPose(space);
    if (!stage || !seen || stage.lost) return;
    const start = new Matrix4().makeTranslation(new Vector3(rig.home.x, rig.home.y, rig.home.z + rig.home.radius).negate());
    for (const view of seen.views) {
      const { x, y, width, height } = layer.getViewport(view);
      const scale = Math.min(1, EYE_SIDE / Math.max(width, height));
      stage.drawEye(
        new Matrix4().fromArray(view.transform.inverse.matrix).multiply(start),
        new Matrix4().fromArray(view.projectionMatrix),
        { width: Math.round(width * scale), height: Math.round(height * scale) },
        { framebuffer: layer.framebuffer, x, y, width, height },
      );
    }
  }

  ended() {
    this.session = null;
    const { stage } = this.viewer;
    stage?.resize(stage.canvas.width, stage.canvas.height);
  }
}
