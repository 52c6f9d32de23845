/**
 * The viewer: a scene in an element, with its tools.
 *
 *     import { mount } from "./viewer.js";
 *     const viewer = mount(element, { base: "/files/" });
 *     viewer.show(manifest);          // again whenever it grew
 *
 * The element gets `element.ividViewer` and fires `ivid-camera` with {nearest, pose} when the camera came to rest
 * elsewhere, `ivid-keyframes` with the list when a person's camera path changed.
 */

import { coveredRange, poseOf, sourceCamera } from "./camera.js";
import { Input } from "./input/input.js";
import { observe } from "./input/observers.js";
import { OrbitControls } from "./input/orbit_controls.js";
import { Loader } from "./loader.js";
import { readManifest } from "./protocol.js";
import { surfacePoint } from "./render/pick.js";
import { Renderer } from "./render/renderer.js";
import { Compare } from "./ui/compare.js";
import { h } from "./ui/dom.js";
import { clearStill, Notices, showStill } from "./ui/notices.js";
import { Overview } from "./ui/overview.js";
import { CameraLink, saveScreenshot } from "./ui/share.js";
import { backdropOf, rimColours } from "./ui/theme.js";
import { Timeline } from "./ui/timeline.js";
import { Toolbar } from "./ui/toolbar.js";

/** @typedef {import("./protocol.js").Manifest} Manifest */
/** @typedef {import("./protocol.js").Keyframe} Keyframe */
/** @typedef {import("./camera.js").Pose} Pose */
/** @typedef {import("./render/fusion.js").Look} Look */
/**
 * @typedef {object} Options
 * @property {string} [base]  put before relative URLs of a manifest
 * @property {boolean} [link]  keep the camera in the page's address
 * @property {boolean} [compare]  offer to compare: other scenes can be opened in this viewer
 * @property {boolean} [eager]  take the focus at once: the viewer is the page
 * @property {string} [style]  the style sheet's text, where it cannot be fetched
 */
/**
 * @typedef {object} Settings
 * @property {Look} look
 * @property {boolean} enhanced  soft rims and smooth pictures on top of the method's
 * @property {number} pointSize
 * @property {"scene" | "dark" | "light"} background
 * @property {boolean} rate  show the frame rate
 * @property {boolean} overview
 */

export class Viewer {
  /**
   * @param {HTMLElement} host
   * @param {Options} options
   */
  constructor(host, options) {
    this.host = host;
    this.options = options;
    this.root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
    this.root.replaceChildren(
      options.style
        ? h("style", {}, options.style)
        : h("link", { rel: "stylesheet", href: new URL("./style.css", import.meta.url).href }),
    );
    this.surface = h("div", { class: "surface" });
    this.frame = h(
      "div",
      {
        class: "viewer",
        tabindex: 0,
        role: "group",
        "aria-roledescription": "3D scene viewer",
        "aria-label": "3D scene",
      },
      this.surface,
    );
    this.root.append(this.frame);
    this.notices = new Notices(this.frame);
    /** @type {Settings} */
    this.settings = { look: "fused", enhanced: true, pointSize: 1, background: "scene", rate: false, overview: false };
    this.controls = new OrbitControls();
    /** @type {Manifest | null} */
    this.manifest = null;
    /** @type {Renderer | null} */
    this.renderer = null;
    this.frameRequest = 0;
    this.lastTick = 0;
    this.resting = true;
    this.disposed = false;
    /** @type {(() => void)[]} */
    this.cleanups = [];

    const canvas = h("canvas", { "aria-hidden": "true" });
    this.surface.append(canvas);
    try {
      this.renderer = new Renderer(canvas, this.wake);
    } catch (error) {
      canvas.remove();
      this.excuse = `The scene cannot be drawn in 3D here: ${/** @type {Error} */ (error).message}.`;
    }
    this.loader = new Loader(
      {
        onView: (index, view, entry) => this.addView(index, view, entry),
        onPreview: (view, entry) => this.addPreview(view, entry),
        onFailure: (index, willRetry) => this.reportFailure(index, willRetry),
      },
      options.base,
    );
    this.overview = new Overview(this.frame, (camera) => this.flyTo(poseOf(camera)));
    this.timeline = new Timeline(this);
    this.compare = new Compare(this);
    this.toolbar = new Toolbar(this);
    this.input = new Input(this.surface, this.frame, this.controls, {
      onActivity: () => {
        this.timeline.pause();
        this.wake();
      },
      onCentre: (x, y) => this.centre(x, y),
      onKey: (key) => this.toolbar.command(key),
      onIgnoredWheel: () => this.notices.once("wheel", "Click the picture first to zoom with the wheel"),
    });
    this.surface.addEventListener("pointerdown", () => this.frame.focus({ preventScroll: true }));
    this.link = options.link ? new CameraLink(this) : null;
    this.cleanups.push(observe(this));
    this.set({});
    if (options.eager) this.frame.focus({ preventScroll: true });
  }

  /** @returns {Renderer[]} */
  renderers() {
    return [this.renderer, this.compare?.renderer].filter((renderer) => renderer instanceof Renderer);
  }

  /**
   * Shows a manifest: a new scene, or the same one with more views.
   *
   * @param {unknown} value  a manifest, its JSON, or null for nothing
   */
  show(value) {
    if (value === null || value === undefined || value === "") {
      this.reset();
      this.manifest = null;
      this.notices.place("No scene yet", "Pick a class and a seed and generate one, or open a scene file.");
      return;
    }
    let manifest;
    try {
      manifest = readManifest(value);
    } catch (error) {
      this.fail(`This scene cannot be shown: ${/** @type {Error} */ (error).message}.`);
      return;
    }
    const another = !this.grows(manifest);
    if (another) {
      this.reset(true);
      this.controls.jump(this.controls.home);
    }
    this.manifest = manifest;
    if (another) this.compare.onScene();
    this.frame.setAttribute("aria-label", `3D scene ${manifest.title}`.trim());
    this.toolbar.setTitle(manifest.title);
    this.timeline.load(manifest.keyframes);
    if (this.renderer) {
      this.notices.clearPlace();
      if (manifest.size && (manifest.views.length || manifest.preview)) {
        this.renderer.reserve(
          manifest.size,
          Math.max(manifest.planned.length, manifest.views.length, 1),
          manifest.depth_range,
        );
      }
    }
    this.loader.update(manifest);
    this.updateCameras();
  }

  /**
   * Whether a manifest continues the scene on screen.
   *
   * @param {Manifest} next
   */
  grows(next) {
    const now = this.manifest;
    if (!now || now.size !== next.size || now.views.length > next.views.length) return false;
    if (now.views.length) return now.views.every((view, k) => view.url === next.views[k].url);
    return now.title === next.title && now.preview !== null;
  }

  /** @param {boolean} keeping  whether the picture stays until there is another */
  reset(keeping = false) {
    this.loader.reset();
    this.renderer?.clear(keeping);
    clearStill(this.surface);
    if (this.excuse) this.notices.place("This needs WebGL2", this.excuse);
    else this.notices.clearPlace();
    this.wake();
  }

  /**
   * One sentence in the scene's place.
   *
   * @param {string} message
   */
  fail(message) {
    this.reset();
    this.manifest = null;
    this.notices.place("This scene did not open", message);
  }

  /**
   * @param {number} index
   * @param {import("./protocol.js").DecodedView} view
   * @param {import("./protocol.js").ViewEntry} entry
   */
  addView(index, view, entry) {
    if (!this.renderer) {
      if (index === 0) showStill(this.surface, view, this.excuse ?? "");
      return;
    }
    if (view.size !== this.renderer.size) return this.reportFailure(index, false);
    this.renderer.setView(index, view, sourceCamera(entry));
    if (index === 0) {
      this.setHome();
      this.set({});
    }
    this.updateCameras();
  }

  /**
   * @param {import("./protocol.js").DecodedView} view
   * @param {import("./protocol.js").PreviewEntry} entry
   */
  addPreview(view, entry) {
    if (!this.renderer) return showStill(this.surface, view, this.excuse ?? "");
    if (view.size !== this.renderer.size)
      this.renderer.reserve(view.size, this.renderer.capacity, this.renderer.depthRange);
    this.renderer.setView(0, view, sourceCamera(entry), true);
    this.set({});
    this.updateCameras();
  }

  /** The first view's camera is where the scene is at home; a link may say otherwise. */
  setHome() {
    const first = this.renderer?.held.get(0);
    if (!first) return;
    const moved = !this.controls.atHome();
    this.controls.home = poseOf(first.camera);
    if (!moved) this.controls.jump(this.controls.home);
    this.link?.restore();
  }

  /** What the views cover bounds the camera; what is made and what is to come shows in the overview. */
  updateCameras() {
    if (!this.manifest) return;
    const done = new Set(
      [...(this.renderer?.held ?? [])].filter(([, { preview }]) => !preview).map(([index]) => index),
    );
    const planned = this.manifest.planned.length ? this.manifest.planned : this.manifest.views;
    // Views on their way count: the camera of a link may look from where one of them will be.
    const covering = this.manifest.views.length
      ? this.manifest.views.map(sourceCamera)
      : (this.renderer?.cameras() ?? []);
    if (covering.length) this.controls.bounds = coveredRange(covering);
    this.overview.setCameras(planned.map(sourceCamera), done);
    this.toolbar.setProgress(done.size, planned.length);
    this.wake();
  }

  /**
   * @param {number} index
   * @param {boolean} willRetry
   */
  reportFailure(index, willRetry) {
    const next = willRetry ? "trying again" : "the scene is shown without it";
    this.notices.say(`View ${index + 1} did not load; ${next}`);
    if (this.renderer && !willRetry) {
      this.renderer.keeping = false; // that picture was of another scene
      this.wake();
    }
  }

  /** @param {Partial<Settings>} change */
  set(change) {
    Object.assign(this.settings, change);
    const { look, enhanced, pointSize, background } = this.settings;
    for (const renderer of this.renderers()) {
      const first = renderer.held.get(0)?.view.colour;
      const backdrop = backdropOf(background, this.host, first ? rimColours(first) : null);
      Object.assign(renderer, { look, exact: !enhanced, pointSize, backdrop }).invalidate();
    }
    this.overview.show(this.settings.overview);
    this.toolbar.refresh();
    this.wake();
  }

  /** @param {Pose} pose */
  flyTo(pose) {
    this.timeline.pause();
    this.controls.flyTo({ ...pose, fov: this.controls.fov });
    this.wake();
  }

  /**
   * Flies to a view of the scene, by its place in the order of making.
   *
   * @param {number} index
   */
  flyToView(index) {
    const entry = this.manifest?.planned[index] ?? this.manifest?.views[index];
    if (entry) this.flyTo(poseOf(sourceCamera(entry)));
  }

  /**
   * Looks at what is under a point of the picture from now on.
   *
   * @param {number} x  0 to 1 from the left
   * @param {number} y  0 to 1 from the top
   */
  centre(x, y) {
    const pose = this.controls.pose();
    const point = this.renderer && surfacePoint(this.renderer, pose, x, y);
    if (!point) return;
    const reach = this.controls.bounds.panMax;
    const [px, py, pz] = [point.x, point.y, point.z].map((v) => Math.min(Math.max(v, -reach), reach));
    this.flyTo({ ...pose, x: px, y: py, z: pz });
  }

  wake = () => {
    if (!this.frameRequest && !this.disposed) {
      this.lastTick = performance.now();
      this.frameRequest = requestAnimationFrame(this.tick);
    }
  };

  /** @param {number} time */
  tick = (time) => {
    this.frameRequest = 0;
    const now = performance.now();
    const seconds = Math.max((time - this.lastTick) / 1000, 0.001);
    this.lastTick = time;
    let active = this.input.advance(seconds);
    active = this.timeline.advance(seconds) || active;
    active = this.controls.advance(seconds) || active;
    const pose = this.controls.pose();
    let drawing = false;
    for (const renderer of this.renderers()) drawing = renderer.tick(pose, now) || drawing;
    this.overview.update(pose);
    this.toolbar.update(now);
    if (active || this.controls.held) this.resting = false;
    else if (!this.resting) this.rest(pose);
    if (active || drawing) this.frameRequest = requestAnimationFrame(this.tick);
  };

  /** @param {Pose} pose */
  rest(pose) {
    this.resting = true;
    this.link?.write(pose);
    const nearest = this.renderer?.nearest(pose)[0]?.index ?? 0;
    this.host.dispatchEvent(new CustomEvent("ivid-camera", { bubbles: true, detail: { nearest, pose } }));
  }

  /** @param {Keyframe[]} keyframes */
  keyframesChanged(keyframes) {
    this.host.dispatchEvent(new CustomEvent("ivid-keyframes", { bubbles: true, detail: keyframes }));
  }

  /** @param {number} scale  1 to 4 times the picture on screen */
  screenshot(scale) {
    return saveScreenshot(this, scale);
  }

  dispose() {
    if (this.disposed) return;
    this.disposed = true;
    cancelAnimationFrame(this.frameRequest);
    for (const cleanup of this.cleanups) cleanup();
    this.link?.dispose();
    this.loader.reset();
    for (const renderer of this.renderers()) renderer.dispose();
    this.root.replaceChildren();
  }
}

/**
 * @param {HTMLElement} host
 * @param {Options} [options]
 * @returns {Viewer}
 */
export function mount(host, options = {}) {
  const element = /** @type {HTMLElement & {ividViewer?: Viewer}} */ (host);
  element.ividViewer?.dispose();
  element.ividViewer = new Viewer(host, options);
  return element.ividViewer;
}
