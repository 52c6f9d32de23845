/**
 * One scene on one canvas: decides what to draw when, from the camera it is given. Draws only when something changed.
 */

import { blendedSelection, findAnchor, samePose, worldToView } from "../camera.js";
import { Budget } from "./budget.js";
import { Compositor } from "./compositor.js";
import { isSoftware } from "./gl.js";
import { GraphicsContext } from "./graphics_context.js";
import { HeldViews } from "./held_views.js";

/** @typedef {import("../camera.js").Pose} Pose */
/** @typedef {import("../camera.js").SourceCamera} SourceCamera */
/** @typedef {import("./fusion.js").Frame} Frame */
/** @typedef {import("./fusion.js").Look} Look */
/** @typedef {import("../protocol.js").DecodedView} DecodedView */

const FADE_IN_MS = 450;
const CROSSFADE_MS = 140;
const SETTLE_MS = 90; // of rest before a still picture is begun
const PATIENCE_MS = 2500; // ... while views are to come and the processor draws: it has these views to make

export class Renderer extends GraphicsContext {
  /**
   * Holds views at once; draws after `open`.
   *
   * @param {HTMLCanvasElement} canvas
   * @param {import("./graphics_context.js").ContextEvents} events
   */
  constructor(canvas, events) {
    super(canvas, events);
    /** @type {Compositor} */
    this.compositor = /** @type {any} */ (null);
    this.budget = new Budget(false);
    this.held = new HeldViews();
    this.size = 0;
    this.capacity = 1;
    this.expected = 1; // views, those to come included
    this.grewAt = -Infinity;
    this.keeping = false; // the picture on screen, of a scene that is gone
    this.sized = false; // whether anything has said how large the canvas is
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.patience = undefined;
    this.depthRange = /** @type {[number, number]} */ ([0.6, 5]);
    /** @type {Look} */
    this.look = "fused";
    this.exact = false;
    this.pointSize = 1;
    this.inset = 0; // the share of the height that tools cover at the bottom
    this.fade = true; // soft changes; off where motion is reduced
    /** @type {import("./fusion.js").Backdrop} */
    this.backdrop = { bottom: [0.07, 0.08, 0.1], top: [0.13, 0.14, 0.17] };
    this.dirty = true; // the picture on screen is not that of this camera and these views
    this.settled = false; // ... or is, but not yet the best there is
    this.movedAt = -Infinity;
    this.fadeFrom = 0;
    /** @type {Generator<"step" | "picture", void> | null} */
    this.refining = null;
    this.refineStarted = 0;
    /** @type {{sync: WebGLSync, started: number, moving: boolean} | null} */
    this.pending = null;
    /** @type {Pose | null} */
    this.pose = null;
    this.frames = 0; // drawn so far, of any kind
    this.stepsPerTick = 24; // of a still picture, so that a hand never waits long
  }

  /** Puts on the card what is to be drawn. */
  begin() {
    if (!this.compositor) {
      this.budget = new Budget(isSoftware(this.gl));
      this.stepsPerTick = this.budget.software ? 2 : 24;
    }
    this.compositor = new Compositor(this.gl, this.budget.software);
    if (this.size) this.compositor.views.reserve(this.size, this.capacity, this.depthRange);
    for (const [index, { view, camera }] of this.held) this.compositor.views.set(index, view, camera);
    if (this.sized) this.resize(this.canvas.width, this.canvas.height);
  }

  end() {
    this.compositor.dispose();
  }

  stop() {
    this.refining = null;
    this.pending = null;
  }

  /**
   * @param {number} size
   * @param {number} expected  how many views there will be
   * @param {[number, number]} depthRange
   */
  reserve(size, expected, depthRange) {
    this.expected = expected;
    this.capacity = Math.max(expected, this.capacity);
    this.depthRange = depthRange;
    if (!this.lost) this.compositor.views.reserve(size, this.capacity, depthRange);
    if (size === this.size) return;
    this.size = size;
    this.held.clear();
    this.invalidate();
  }

  /**
   * Drops all views.
   *
   * @param {boolean} keeping  whether the picture stays until another scene's first view is here
   */
  clear(keeping = false) {
    this.held.clear();
    if (!this.lost) this.compositor.views.clear();
    this.keeping = keeping;
    this.invalidate();
  }

  /**
   * @param {number} index
   * @param {DecodedView} view
   * @param {SourceCamera} camera
   * @param {boolean} preview
   */
  setView(index, view, camera, preview = false) {
    const now = performance.now();
    const soft = this.fade && !this.budget.software && !preview && this.held.size > 0 && !this.held.has(index);
    this.held.set(index, { view, camera, preview, born: soft ? now : -Infinity });
    this.grewAt = now;
    if (!this.lost) this.compositor.views.set(index, view, camera);
    this.invalidate();
  }

  /**
   * @param {number} width pixels
   * @param {number} height pixels
   */
  resize(width, height) {
    this.canvas.width = width;
    this.canvas.height = height;
    this.sized = true;
    this.keeping = false;
    if (!this.lost) this.compositor.resize(width, height);
    this.refining = null;
    this.invalidate();
  }

  /**
   * Leaves the compositor to a headset, or takes it back.
   *
   * @param {boolean} lent
   */
  lend(lent) {
    this.lent = lent;
    if (lent) this.refining = null;
    else this.resize(this.canvas.width, this.canvas.height);
  }

  invalidate() {
    this.dirty = true;
    this.settled = false;
    this.refining = null;
    this.events.wake();
  }

  /**
   * @param {Pose} pose
   * @param {boolean} moving
   * @param {number} now
   * @returns {Frame}
   */
  frame(pose, moving, now) {
    const level = moving ? this.budget.current() : { views: this.held.size, scale: 1 };
    const scale = this.exact ? 1 : level.scale;
    const [width, height] = [this.canvas.width, this.canvas.height].map((n) => Math.max(Math.round(n * scale), 1));
    const eye = worldToView(pose);
    const inset = this.exact ? 0 : this.inset;
    const viewToWorld = eye.clone().invert();
    return {
      worldToView: eye,
      projection: null,
      fov: pose.fov,
      width,
      height,
      shift: { x: 0, y: 0 },
      inset,
      selection: this.select(viewToWorld, this.exact ? this.held.size : level.views, now),
      anchor: this.look === "fused" && !this.exact ? this.anchor(viewToWorld, now) : null,
      look: this.look,
      exact: this.exact,
      quick: moving && !this.exact,
      pointSize: this.pointPixels(Math.min(width, height * (1 - inset)) / (2 * Math.tan((pose.fov * Math.PI) / 360))),
      backdrop: this.backdrop,
    };
  }

  /**
   * The views to blend for a camera; those that have just come count for less.
   *
   * @param {import("../vendor/three/three.core.min.js").Matrix4} viewToWorld  of that camera
   * @param {number} wanted  how many, if the look allows
   * @param {number} now
   */
  select(viewToWorld, wanted, now) {
    const alone = this.look === "nearest" || this.look === "mesh";
    const views = alone ? 1 : this.look === "points" ? Math.min(2 * wanted, 12) : wanted;
    return blendedSelection(this.held.nearestTo(viewToWorld), views).map(({ index, gain }) => ({
      index,
      gain: this.look === "nearest" ? 1 : gain * this.grown(index, now),
    }));
  }

  /**
   * The view to lay over the fused picture; one that has just come counts for less.
   *
   * @param {import("../vendor/three/three.core.min.js").Matrix4} viewToWorld
   * @param {number} now
   */
  anchor(viewToWorld, now) {
    const found = findAnchor(this.held.nearestTo(viewToWorld));
    if (!found) return null;
    const grown = this.grown(found.index, now);
    return { ...found, weight: found.weight * grown, edgeWeight: found.edgeWeight * grown };
  }

  /**
   * How much a view counts that has come some time ago, 0 to 1.
   *
   * @param {number} index
   * @param {number} now
   */
  grown(index, now) {
    const age = (now - /** @type {import("./held_views.js").Held} */ (this.held.get(index)).born) / FADE_IN_MS;
    return Math.min(Math.max(age, 0.01), 1) ** 2;
  }

  /**
   * The pixels a point takes where its own camera saw it.
   *
   * @param {number} focal  of the picture, in its pixels
   */
  pointPixels(focal) {
    return (1.5 * this.pointSize * focal * 2 * Math.tan(Math.PI / 8)) / Math.max(this.size, 1);
  }

  /**
   * One turn of the loop.
   *
   * @param {Pose} pose
   * @param {number} now milliseconds
   * @returns {boolean} whether there is more to do
   */
  tick(pose, now) {
    if (this.lost || this.lent || !this.compositor.targets.length || this.gl.isContextLost()) return false;
    if (this.waiting()) return true;
    const growing = [...this.held.values()].some(({ born }) => now - born < FADE_IN_MS + 50);
    if (!this.pose || !samePose(pose, this.pose) || growing) {
      this.pose = { ...pose };
      this.dirty = true;
      this.settled = false;
      this.refining = null;
      this.movedAt = now;
    }
    if (!this.held.size) {
      if (this.dirty && !this.keeping) this.drawNow(pose, now, false);
      return false;
    }
    if (this.dirty) {
      this.drawNow(pose, now, true);
      return true;
    }
    if (!this.settled) {
      if (now - this.movedAt < SETTLE_MS) return true;
      const patience = this.grewAt + PATIENCE_MS - now;
      if (this.budget.software && patience > 0 && this.incomplete()) {
        clearTimeout(this.patience);
        this.patience = setTimeout(this.events.wake, patience);
        return false;
      }
      this.refine(pose, now);
    }
    if (this.compositor.next) {
      const progress = this.fade && !this.exact ? Math.min((now - this.fadeFrom) / CROSSFADE_MS, 1) : 1;
      this.compositor.present(progress, this.canvas.width, this.canvas.height);
    }
    return !this.settled || this.compositor.next !== null;
  }

  /**
   * @param {Pose} pose
   * @param {number} now
   * @param {boolean} measured
   */
  drawNow(pose, now, measured) {
    this.compositor.drawNow(this.frame(pose, true, now));
    this.compositor.present(1, this.canvas.width, this.canvas.height);
    this.canvas.dataset.drawn = ""; // before, it is black
    this.dirty = false;
    this.frames++;
    if (measured) this.fence(true);
  }

  /**
   * @param {Pose} pose
   * @param {number} now
   */
  refine(pose, now) {
    if (!this.refining) {
      this.refining = this.compositor.refine(this.frame(pose, false, now), () =>
        this.exact ? 5 : this.budget.samples(performance.now() - this.refineStarted),
      );
      this.refineStarted = performance.now();
    }
    for (let k = 0; k < this.stepsPerTick; k++) {
      const { value, done } = this.refining.next();
      if (done) {
        this.refining = null;
        this.settled = true;
        break;
      }
      if (value === "picture") {
        this.fadeFrom = now;
        this.frames++;
        break;
      }
    }
    this.fence(false);
  }

  /** @param {boolean} moving */
  fence(moving) {
    const { gl } = this;
    const sync = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    gl.flush();
    if (sync) this.pending = { sync, started: performance.now(), moving };
  }

  /** Whether the card is still busy with the last commands; if not, how long they took is noted. */
  waiting() {
    if (!this.pending) return false;
    const { gl } = this;
    const { sync, started, moving } = this.pending;
    const state = gl.clientWaitSync(sync, 0, 0);
    const ms = performance.now() - started;
    if (state === gl.TIMEOUT_EXPIRED && ms < 5000) return true;
    gl.deleteSync(sync);
    this.pending = null;
    if (moving) this.budget.observeFrame(ms);
    else if (ms > 24) this.stepsPerTick = Math.max(1, Math.floor(this.stepsPerTick * 0.6));
    else if (ms < 18) this.stepsPerTick = Math.min(this.stepsPerTick + 2, 96);
    return false;
  }

  /** @returns {boolean} whether views are to come */
  incomplete() {
    return this.held.finished().size < this.expected;
  }

  /**
   * The picture on screen, to be shown while there is no graphics context.
   *
   * @param {HTMLCanvasElement} still  gets it
   * @returns {boolean} whether there was any
   */
  copyTo(still) {
    if (this.lost || this.lent || !this.held.size || this.dirty || !this.compositor.shown) return false;
    const { width, height } = this.canvas;
    this.compositor.present(1, width, height); // a canvas can be read only where it was just drawn
    Object.assign(still, { width, height });
    still.getContext("2d")?.drawImage(this.canvas, 0, 0);
    return true;
  }

  dispose() {
    clearTimeout(this.patience);
    this.lent = false;
    this.release();
  }
}
