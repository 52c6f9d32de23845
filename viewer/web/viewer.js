/**
 * The viewer: a scene in an element, with its tools.
 *
 *     import { mount } from "./viewer.js";
 *     const viewer = mount(element, { base: "/files/" });
 *     viewer.show(manifest);          // again whenever it grew
 *
 * The element gets `element.ividViewer`. It fires `ivid-manifest` whenever it is told of a scene or of more views of it,
 * `ivid-load` when the scene is on screen, `ivid-camera` with {nearest, pose} when the camera came to rest elsewhere, and
 * `ivid-keyframes` with the list when a person's camera path changed. `docs/embedding.md` describes what other pages may rely on.
 */

import { run, runKey } from "./actions.js";
import { poseOf, sourceCamera } from "./camera.js";
import { Content } from "./content.js";
import { Headset } from "./input/headset.js";
import { markIdle } from "./input/idle.js";
import { Input } from "./input/input.js";
import { observe } from "./input/observers.js";
import { OrbitControls } from "./input/orbit_controls.js";
import { Presence } from "./presence.js";
import { FrameRate } from "./render/frame_rate.js";
import { surfacePoint } from "./render/pick.js";
import { takePicture } from "./render/picture.js";
import { Renderer } from "./render/renderer.js";
import { defaultSettings, initialState, Observable } from "./state.js";
import { Compare } from "./ui/compare.js";
import { h } from "./ui/dom.js";
import { Notices } from "./ui/notices.js";
import { Overview } from "./ui/overview.js";
import { CameraLink } from "./ui/share.js";
import { backdropOf, rimColours } from "./ui/theme.js";
import { Timeline } from "./ui/timeline.js";
import { Toolbar } from "./ui/toolbar.js";

/** @typedef {import("./camera.js").Pose} Pose */
/** @typedef {import("./state.js").Settings} Settings */
/**
 * @typedef {object} Options
 * @property {string} [base]  put before relative URLs of a manifest
 * @property {boolean} [link]  keep the camera in the page's address
 * @property {boolean} [compare]  offer to compare: other scenes can be opened in this viewer
 * @property {boolean} [eager]  the viewer is the page: it hears every key
 * @property {string} [style]  the style sheet's text, where it cannot be fetched
 */

export class Viewer {
  /**
   * @param {HTMLElement} host
   * @param {Options} options
   */
  constructor(host, options) {
    this.host = host;
    this.options = options;
    this.settings = new Observable(defaultSettings());
    this.state = new Observable(initialState());
    this.root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
    const style = options.style
      ? h("style", {}, options.style)
      : h("link", { rel: "stylesheet", href: new URL("./style.css", import.meta.url).href });
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
    if (style instanceof HTMLLinkElement) hideUntilStyled(this.frame, style);
    this.root.replaceChildren(style, this.frame);
    this.notices = new Notices(this.frame, this.surface);
    this.controls = new OrbitControls();
    this.frameRequest = 0;
    this.lastTick = 0;
    this.resting = true;
    this.presence = new Presence(this);
    this.disposed = false;
    this.frameRate = new FrameRate();
    this.fov = this.settings.value.fov; // the one that was chosen last

    /** Null where there is no WebGL. @type {Renderer | null} */
    this.renderer = new Renderer(h("canvas", { "aria-hidden": "true" }), {
      wake: this.wake,
      onLost: () => this.presence.pause(),
      onBack: () => this.notices.hideStill(),
    });
    this.surface.prepend(this.renderer.canvas);
    this.content = new Content(this);
    this.overview = new Overview(this.frame, (camera) => this.flyTo(poseOf(camera)));
    const say = (/** @type {string} */ text) => this.notices.say(text);
    this.timeline = new Timeline(this.controls, this.settings, this.state, {
      onMove: () => this.moved(),
      onKeyframes: (keyframes) => this.dispatch("ivid-keyframes", keyframes),
      say,
    });
    this.compare = new Compare(this.state, {
      frame: this.frame,
      surface: this.surface,
      notices: this.notices,
      base: options.base,
      wake: this.wake,
      onChange: () => this.applySettings(),
    });
    this.headset = new Headset(this.controls, this.state, say);
    this.toolbar = new Toolbar(this.settings, this.state, (command) => run(this, command));
    this.frame.append(this.timeline.element, ...this.toolbar.elements);
    this.input = new Input(this.surface, this.frame, this.controls, {
      onActivity: () => {
        this.timeline.pause();
        this.moved();
      },
      onCentre: (x, y) => this.centre(x, y),
      onKey: (key) => runKey(this, key),
      onIgnoredWheel: () => this.notices.once("wheel", "Click the picture first to zoom with the wheel"),
    });
    this.frame.addEventListener("pointerdown", () => this.presence.visible && this.presence.open());
    this.surface.addEventListener("pointerdown", () => {
      this.frame.focus({ preventScroll: true });
      this.toolbar.closePanels();
    });
    this.link = options.link ? new CameraLink(this.controls, () => this.moved()) : null;
    this.cleanups = [
      markIdle(this.frame, () => this.toolsInUse()),
      observe(host, this.surface, {
        onSize: (width, height, ratio) => this.presence.resize(width, height, ratio),
        onCalm: (calm) => this.setCalm(calm),
        onTheme: () => this.applySettings(),
        onVisible: (visible) => this.presence.setVisible(visible),
        onGone: () => this.dispose(),
      }),
      options.eager ? this.input.listenTo(document) : () => {},
      () => this.headset.dispose(),
      () => this.link?.dispose(),
    ];
    document.addEventListener("fullscreenchange", this.onFullScreen);
    this.settings.watch(() => this.applySettings());
  }

  /** The scene's manifest, or null. */
  get manifest() {
    return this.content.manifest;
  }

  /** @returns {Renderer[]} */
  renderers() {
    return [this.renderer, this.compare.renderer].filter((renderer) => renderer instanceof Renderer);
  }

  /**
   * Shows a manifest: a new scene, or the same one with more views.
   *
   * @param {unknown} value  a manifest, its JSON, {coming: true} for one that is on its way, or null for nothing
   */
  show(value) {
    this.content.show(value);
  }

  /** @param {string} message  one sentence in the scene's place */
  fail(message) {
    this.content.fail(message);
  }

  /** @param {Partial<Settings>} change */
  set(change) {
    this.settings.set(change);
  }

  applySettings() {
    const { look, enhanced, pointSize, background, fov, overview, timeline } = this.settings.value;
    for (const renderer of this.renderers()) {
      const first = renderer.held.get(0)?.view.colour;
      const backdrop = backdropOf(background, this.host, first ? rimColours(first) : null);
      Object.assign(renderer, { look, exact: !enhanced, pointSize, backdrop }).invalidate();
    }
    if (this.compare.renderer && this.renderer) {
      const { width, height } = this.renderer.canvas;
      this.compare.renderer.inset = this.renderer.inset;
      if (this.compare.renderer.canvas.width !== width) this.compare.renderer.resize(width, height);
    }
    if (fov !== this.fov) {
      this.fov = this.controls.fov = fov;
      this.moved();
    }
    this.overview.show(overview);
    this.frame.classList.toggle("with-timeline", timeline);
    this.wake();
  }

  /** @param {boolean} calm  whether less motion is wanted */
  setCalm(calm) {
    this.controls.still = calm;
    for (const renderer of this.renderers()) renderer.fade = !calm;
  }

  /** Whether something is open that must stay in sight. */
  toolsInUse() {
    const { looks, options, bar } = this.toolbar;
    return !looks.hidden || !options.hidden || this.settings.value.timeline || bar.matches(":has(:focus-visible)");
  }

  onFullScreen = () => this.state.set({ fullScreen: document.fullscreenElement === this.host });

  /** @param {Pose} pose  its field of view stays the one chosen */
  flyTo(pose) {
    this.timeline.pause();
    this.controls.flyTo({ ...pose, fov: this.controls.fov });
    this.moved();
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

  /** Where the camera stands. */
  get camera() {
    return this.controls.pose();
  }

  /**
   * Puts the camera elsewhere; it springs back into the range that the views cover.
   *
   * @param {Partial<Pose>} pose  what it leaves out stays
   * @param {{fly?: boolean}} [how]  fly there, or be there at once
   */
  setCamera(pose, { fly = true } = {}) {
    const to = { ...this.controls.pose(), ...pose };
    this.timeline.pause();
    if (fly) this.controls.flyTo(to);
    else this.controls.jump(to);
    this.moved();
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

  /** A person or a program moves the camera. */
  moved() {
    this.resting = false;
    if (this.presence.visible) this.presence.open();
    this.wake();
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
    if (this.renderer && this.settings.value.rate) this.state.set({ rate: this.frameRate.read(this.renderer, now) });
    if (active || this.controls.held) this.resting = false;
    else if (!this.resting) this.rest(pose);
    if (this.renderer && !this.renderer.lost) this.notices.follow(this.renderer);
    this.content.onTick();
    if ((active || drawing) && !this.frameRequest) this.frameRequest = requestAnimationFrame(this.tick);
  };

  /** The camera's field of view, however it came about, is the chosen one from now on. */
  followFov() {
    this.fov = this.controls.fov;
    this.settings.set({ fov: this.fov });
  }

  /** @param {Pose} pose */
  rest(pose) {
    this.resting = true;
    this.followFov();
    this.link?.write(pose);
    this.dispatch("ivid-camera", { nearest: this.renderer?.held.nearest(pose)[0]?.index ?? 0, pose });
  }

  /**
   * @param {string} name
   * @param {unknown} detail
   */
  dispatch(name, detail) {
    this.host.dispatchEvent(new CustomEvent(name, { bubbles: true, detail }));
  }

  /**
   * @param {number} [scale]  1 to 4 times the picture on screen
   * @returns {Promise<Blob | null>} a PNG without the tools, or null where nothing can be drawn
   */
  async takePicture(scale = 1) {
    this.presence.open();
    const picture = this.renderer && (await takePicture(this.renderer, this.controls.pose(), scale));
    if (!this.presence.visible) this.presence.close();
    return picture;
  }

  dispose() {
    if (this.disposed) return;
    this.disposed = true;
    cancelAnimationFrame(this.frameRequest);
    document.removeEventListener("fullscreenchange", this.onFullScreen);
    for (const cleanup of this.cleanups) cleanup();
    this.content.dispose();
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

/**
 * Nothing is painted before its style sheet is there: parts without it would lie below one another, and then jump.
 *
 * @param {HTMLElement} element
 * @param {HTMLLinkElement} link
 */
function hideUntilStyled(element, link) {
  element.style.visibility = "hidden";
  for (const event of ["load", "error"]) {
    link.addEventListener(event, () => element.style.removeProperty("visibility"), { once: true });
  }
}
