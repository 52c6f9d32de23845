/** A small map of the cameras: made, still to come, and where one stands. A click flies there. */

import { HOME, poseOf, projection, worldToView } from "../camera.js";
import { Matrix4, Vector3 } from "../vendor/three/three.core.min.js";
import { h, svg } from "./dom.js";

/** @typedef {import("../camera.js").SourceCamera} SourceCamera */

const WIDTH = 190;
const HEIGHT = 116;
const FRUSTUM = 0.11; // how deep a frustum is drawn, in world units
const MARGIN = 8;

export class Overview {
  /**
   * @param {HTMLElement} frame
   * @param {(camera: SourceCamera) => void} onPick
   */
  constructor(frame, onPick) {
    this.onPick = onPick;
    this.svg = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "overview-map" });
    this.element = h("div", { class: "overview", role: "group", "aria-label": "Cameras of the scene", hidden: true });
    this.element.append(this.svg);
    frame.append(this.element);
    /** @type {{camera: SourceCamera, shape: SVGElement}[]} */
    this.entries = [];
    this.marker = svg("path", { class: "here" });
    this.signature = "";
    this.fit = { scale: 1, x: 0, y: 0 };
  }

  /** @param {boolean} visible */
  show(visible) {
    this.element.hidden = !visible;
  }

  /**
   * @param {SourceCamera[]} cameras
   * @param {Set<number>} done
   */
  setCameras(cameras, done) {
    const signature = `${cameras.length}:${[...done].join()}`;
    if (signature === this.signature) return;
    this.signature = signature;
    this.toMap = this.mapFor(cameras);
    this.fit = this.fitTo(cameras);
    const order = cameras
      .map((camera, index) => ({ camera, index, depth: this.depth(camera) }))
      .sort((a, b) => b.depth - a.depth);
    this.entries = order.map(({ camera, index }) => {
      const made = done.has(index);
      const { yaw, pitch } = poseOf(camera);
      const degrees = (/** @type {number} */ radians) => Math.round((radians * 180) / Math.PI);
      const label = `View ${index + 1}, yaw ${degrees(yaw)}°, pitch ${degrees(pitch)}°${made ? "" : ", still to come"}`;
      const shape = svg("path", {
        class: made ? "made" : "planned",
        d: this.outline(camera),
        tabindex: 0,
        role: "button",
        "aria-label": label,
      });
      shape.append(Object.assign(svg("title"), { textContent: label }));
      shape.addEventListener("click", () => this.onPick(camera));
      shape.addEventListener("keydown", (event) => {
        const { key } = /** @type {KeyboardEvent} */ (event);
        if (key === "Enter" || key === " ") {
          event.preventDefault();
          this.onPick(camera);
        }
      });
      return { camera, shape };
    });
    this.svg.replaceChildren(...this.entries.map(({ shape }) => shape), this.marker);
  }

  /**
   * A camera behind and above the ring that has all of it in the picture.
   *
   * @param {SourceCamera[]} cameras
   */
  mapFor(cameras) {
    const around = cameras.some((camera) => camera.position.z < -0.3);
    const pose = { ...HOME, pitch: around ? 0.75 : 0.42, radius: around ? 3.4 : 2.35, z: around ? 0 : 0.75, fov: 38 };
    return new Matrix4().multiplyMatrices(projection(pose.fov, WIDTH, HEIGHT), worldToView(pose));
  }

  /**
   * What makes the cameras fill the map, with room for one beside them.
   *
   * @param {SourceCamera[]} cameras
   */
  fitTo(cameras) {
    this.fit = { scale: 1, x: 0, y: 0 };
    const corners = cameras.map((camera) => this.project(camera.position));
    const [xs, ys] = [corners.map(({ x }) => x), corners.map(({ y }) => y)];
    const [left, right] = [Math.min(...xs) - MARGIN, Math.max(...xs) + MARGIN];
    const [top, bottom] = [Math.min(...ys) - MARGIN, Math.max(...ys) + MARGIN];
    const scale = Math.min(WIDTH / (right - left), HEIGHT / (bottom - top), 3);
    return { scale, x: WIDTH / 2 - (scale * (left + right)) / 2, y: HEIGHT / 2 - (scale * (top + bottom)) / 2 };
  }

  /** @param {SourceCamera} camera */
  depth(camera) {
    return this.project(camera.position).z;
  }

  /** @param {Vector3} point */
  project(point) {
    const at = point.clone().applyMatrix4(/** @type {Matrix4} */ (this.toMap));
    const { scale, x, y } = this.fit;
    return { x: x + (scale * (at.x + 1) * WIDTH) / 2, y: y + (scale * (1 - at.y) * HEIGHT) / 2, z: at.z };
  }

  /**
   * @param {{viewToWorld: Matrix4, focal: number}} camera
   */
  outline(camera) {
    const half = (0.5 / camera.focal) * FRUSTUM;
    /** @param {number} x @param {number} y @param {number} z */
    const at = (x, y, z) => {
      const p = this.project(new Vector3(x, y, z).applyMatrix4(camera.viewToWorld));
      return `${p.x.toFixed(1)} ${p.y.toFixed(1)}`;
    };
    const eye = at(0, 0, 0);
    const [a, b, c, d] = [
      [-1, 1],
      [1, 1],
      [1, -1],
      [-1, -1],
    ].map(([x, y]) => at(x * half, y * half, -FRUSTUM));
    return `M${a}L${b}L${c}L${d}ZM${eye}L${a}M${eye}L${b}M${eye}L${c}M${eye}L${d}`;
  }

  /** @param {import("../camera.js").Pose} pose */
  update(pose) {
    if (this.element.hidden || !this.toMap) return;
    const viewToWorld = worldToView(pose).invert();
    this.marker.setAttribute("d", this.outline({ viewToWorld, focal: 0.5 / Math.tan((pose.fov * Math.PI) / 360) }));
  }
}
