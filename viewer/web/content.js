/** What a viewer shows: follows manifests, fetches their views and hands them to the renderer. */

import { coveredRange, poseOf, sourceCamera } from "./camera.js";
import { Loader } from "./loader.js";
import { readManifest } from "./protocol.js";

/** @typedef {import("./protocol.js").Manifest} Manifest */

export class Content {
  /** @param {import("./viewer.js").Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    /** @type {Manifest | null} */
    this.manifest = null;
    this.announced = false; // that the scene is on screen
    this.loader = new Loader(
      {
        onView: (index, view, entry) => this.addView(index, view, entry),
        onPreview: (view, entry) => this.addPreview(view, entry),
        onFailure: (index, willRetry) => this.reportFailure(index, willRetry),
      },
      viewer.options.base,
    );
  }

  /** @param {any} value  a manifest, its JSON, {coming: true} for one that is on its way, or null for nothing */
  show(value) {
    const { viewer } = this;
    if (value?.coming) {
      this.clear();
      viewer.notices.place("A scene is on its way", "It shows here with its first picture.");
      return;
    }
    if (value === null || value === undefined || value === "") {
      this.clear();
      viewer.notices.place("No scene yet", "Pick a class and a seed and generate one, or open a scene file.");
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
      viewer.controls.jump(viewer.controls.home);
    }
    this.manifest = manifest;
    if (another) viewer.compare.onScene();
    viewer.frame.setAttribute("aria-label", `3D scene ${manifest.title}`.trim());
    viewer.timeline.load(manifest.keyframes, another);
    viewer.state.set({ title: manifest.title, comparable: Boolean(viewer.options.compare) });
    if (viewer.renderer) {
      viewer.notices.clearPlace();
      if (manifest.size && (manifest.views.length || manifest.preview)) {
        const expected = Math.max(manifest.planned.length, manifest.views.length, 1);
        viewer.renderer.reserve(manifest.size, expected, manifest.depth_range);
      }
    }
    this.loader.update(manifest);
    this.updateCameras();
    viewer.dispatch("ivid-manifest", { views: manifest.views.length });
  }

  /**
   * Whether a manifest continues the scene on screen.
   *
   * @param {Manifest} next
   */
  grows(next) {
    const now = this.manifest;
    if (!now || now.size !== next.size || now.views.length > next.views.length) return false;
    if (next.id !== undefined) return next.id === now.id;
    if (now.views.length) return now.views.every((view, k) => view.url === next.views[k].url);
    return now.title === next.title && now.preview !== null;
  }

  /** @param {boolean} keeping  whether the picture stays until there is another */
  reset(keeping = false) {
    const { renderer, notices } = this.viewer;
    this.loader.reset();
    this.announced = false;
    renderer?.clear(keeping);
    notices.forget();
    this.viewer.wake();
  }

  clear() {
    this.reset();
    this.manifest = null;
    this.viewer.state.set({ title: "", done: 0, planned: 0, comparable: false });
  }

  /** @param {string} message  one sentence in the scene's place */
  fail(message) {
    this.clear();
    this.viewer.notices.place("This scene did not open", message);
  }

  /**
   * @param {number} index
   * @param {import("./protocol.js").DecodedView} view
   * @param {import("./protocol.js").ViewEntry} entry
   */
  addView(index, view, entry) {
    const { renderer, notices } = this.viewer;
    if (!renderer) {
      if (index === 0) notices.showFirst(view);
      return;
    }
    if (view.size !== renderer.size) return this.reportFailure(index, false);
    renderer.setView(index, view, sourceCamera(entry));
    if (index === 0) {
      if (renderer.lost) notices.showFirst(view);
      this.setHome();
      this.viewer.applySettings();
    }
    this.updateCameras();
  }

  /**
   * @param {import("./protocol.js").DecodedView} view
   * @param {import("./protocol.js").PreviewEntry} entry
   */
  addPreview(view, entry) {
    const { renderer, notices } = this.viewer;
    if (!renderer) return notices.showFirst(view);
    if (view.size !== renderer.size) renderer.reserve(view.size, renderer.capacity, renderer.depthRange);
    renderer.setView(0, view, sourceCamera(entry), true);
    this.viewer.applySettings();
    this.updateCameras();
  }

  /** The first view's camera is where the scene is at home; a link may say otherwise. */
  setHome() {
    const { renderer, controls, link } = this.viewer;
    const first = renderer?.held.get(0);
    if (!first) return;
    const moved = !controls.atHome();
    controls.home = poseOf(first.camera);
    if (!moved) controls.jump(controls.home);
    link?.restore();
    this.viewer.followFov();
  }

  /** What the views cover bounds the camera; what is made and what is to come shows in the overview. */
  updateCameras() {
    const { manifest } = this;
    const { renderer, controls, overview, state } = this.viewer;
    if (!manifest) return;
    const done = renderer?.held.finished() ?? new Set();
    const planned = manifest.planned.length ? manifest.planned : manifest.views;
    // Views on their way count: the camera of a link may look from where one of them will be.
    const covering = manifest.views.length ? manifest.views.map(sourceCamera) : (renderer?.held.cameras() ?? []);
    if (covering.length) controls.bounds = coveredRange(covering);
    overview.setCameras(planned.map(sourceCamera), done);
    state.set({ done: done.size, planned: planned.length });
    this.viewer.wake();
  }

  /**
   * @param {number} index
   * @param {boolean} willRetry
   */
  reportFailure(index, willRetry) {
    const { renderer, notices } = this.viewer;
    const next = willRetry ? "trying again" : "the scene is shown without it";
    notices.say(`View ${index + 1} did not load; ${next}`);
    if (renderer && !willRetry) {
      renderer.keeping = false; // that picture was of another scene
      this.viewer.wake();
    }
  }

  /** Says, once for every scene, that all its views are on screen. */
  onTick() {
    const { manifest } = this;
    const { renderer } = this.viewer;
    if (this.announced || !manifest?.views.length || !renderer || renderer.dirty) return;
    if (renderer.held.finished().size < manifest.views.length) return;
    this.announced = true;
    this.viewer.dispatch("ivid-load", { title: manifest.title, views: manifest.views.length });
  }

  dispose() {
    this.loader.reset();
  }
}
