/** Standing in the scene, where the browser has WebXR. */

import { HOME, position } from "../camera.js";
import { Matrix4 } from "../vendor/three/three.core.min.js";

/** @typedef {import("../render/renderer.js").Renderer} Renderer */

/**
 * The small part of WebXR that is used here; the compiler's library does not know it.
 *
 * @typedef {{inverse: {matrix: Float32Array}}} XrTransform
 * @typedef {{projectionMatrix: Float32Array, transform: XrTransform}} XrView
 * @typedef {{framebuffer: WebGLFramebuffer, getViewport(view: XrView): {x: number, y: number, width: number, height: number}}} XrLayer
 * @typedef {{getViewerPose(space: object): {views: XrView[], transform: XrTransform} | null}} XrFrame
 */

const EYE_SIDE = 1024; // pixels drawn for an eye; the headset's own resolution is far above that of the views
const HEAD_VIEWS = 6;
/** @type {Record<string, string>} */
const REFUSALS = {
  NotAllowedError: "the browser did not allow it",
  SecurityError: "the browser did not allow it",
  NotSupportedError: "the browser does not find it any more",
  InvalidStateError: "it is in use already",
};

export class Headset {
  /**
   * @param {import("./orbit_controls.js").OrbitControls} controls
   * @param {import("../state.js").Observable<import("../state.js").State>} state
   * @param {(text: string) => void} say
   */
  constructor(controls, state, say) {
    this.controls = controls;
    this.state = state;
    this.say = say;
    /** @type {any} */
    this.session = null;
    this.xr = /** @type {any} */ (navigator).xr;
    this.xr?.addEventListener("devicechange", this.lookForOne);
    this.lookForOne();
  }

  lookForOne = async () => {
    if (!this.xr || this.session) return;
    const found = await this.xr.isSessionSupported("immersive-vr").catch(() => false); // a page that may not ask
    if (!this.session) this.state.set({ headset: found ? "ready" : "absent" });
  };

  /** @param {Renderer} renderer */
  async toggle(renderer) {
    if (this.session) return this.session.end();
    await this.start(renderer).catch((error) => {
      this.say(`The headset did not start: ${REFUSALS[error.name] ?? error.message}`);
    });
  }

  dispose() {
    this.xr?.removeEventListener("devicechange", this.lookForOne);
    this.session?.end();
  }

  /** @param {Renderer} renderer */
  async start(renderer) {
    const session = await this.xr.requestSession("immersive-vr");
    session.addEventListener("end", () => this.ended(renderer));
    this.session = session;
    try {
      await /** @type {any} */ (renderer.gl).makeXRCompatible();
      const Layer = /** @type {any} */ (globalThis).XRWebGLLayer;
      const layer = new Layer(session, renderer.gl, { antialias: false, depth: false });
      session.updateRenderState({ baseLayer: layer });
      const space = await session.requestReferenceSpace("local");
      const draw = (/** @type {number} */ _time, /** @type {XrFrame} */ frame) => {
        if (!this.session) return;
        session.requestAnimationFrame(draw);
        this.drawEyes(renderer, frame, layer, space);
      };
      session.requestAnimationFrame(draw);
      renderer.lend(true);
      this.state.set({ headset: "entered" });
    } catch (error) {
      await this.session?.end();
      throw error;
    }
  }

  /**
   * The head starts where the first view was taken from, upright; a scene is about two metres across.
   *
   * @param {Renderer} renderer
   * @param {XrFrame} frame
   * @param {XrLayer} layer
   * @param {object} space
   */
  drawEyes(renderer, frame, layer, space) {
    const seen = frame.getViewerPose(space);
    if (!seen || renderer.lost) return;
    const { compositor } = renderer;
    const { home } = this.controls;
    const start = new Matrix4()
      .makeTranslation(position(home).negate())
      .premultiply(new Matrix4().makeRotationY(-home.yaw));
    const from = (/** @type {XrTransform} */ { inverse }) => new Matrix4().fromArray(inverse.matrix).multiply(start);
    const now = performance.now();
    const selection = renderer.select(from(seen.transform).invert(), HEAD_VIEWS, now); // the same for both eyes
    for (const view of seen.views) {
      const { x, y, width, height } = layer.getViewport(view);
      if (!width || !height) continue; // an eye that is not there
      const clip = new Matrix4().fromArray(view.projectionMatrix);
      const scale = Math.min(1, EYE_SIDE / Math.max(width, height));
      const [columns, rows] = [width, height].map((n) => Math.round(n * scale));
      const room = compositor.targets[0] ?? { width: 0, height: 0 };
      compositor.resize(Math.max(room.width, columns), Math.max(room.height, rows));
      compositor.drawNow({
        ...renderer.frame(HOME, true, now),
        worldToView: from(view.transform),
        projection: clip,
        width: columns,
        height: rows,
        selection,
        anchor: null, // fixed to no head
        pointSize: renderer.pointPixels((clip.elements[5] * rows) / 2),
      });
      compositor.present(1, width, height, { framebuffer: layer.framebuffer, x, y });
    }
  }

  /** @param {Renderer} renderer */
  ended(renderer) {
    this.session = null;
    renderer.lend(false);
    this.state.set({ headset: "ready" });
  }
}
