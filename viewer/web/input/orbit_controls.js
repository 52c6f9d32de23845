/** The viewer's camera under a hand: inertia, a rubber edge around what the views cover, flights from pose to pose. */

import { HOME, mixPoses, rubber, samePose } from "../camera.js";

/** @typedef {import("../camera.js").Pose} Pose */
/** @typedef {import("../camera.js").Bounds} Bounds */
/** @typedef {"yaw" | "pitch" | "zoom" | "x" | "y" | "z"} Axis */

// How far the camera can be pulled past its bounds: little where it turns, for hardly two views see anything there.
const GIVE = { yaw: 0.08, pitch: 0.07, zoom: 0.2, x: 0.1, y: 0.1, z: 0.1 };
const AXES = /** @type {Axis[]} */ (["yaw", "pitch", "zoom", "x", "y", "z"]);
const COAST_PER_S = 5; // how fast thrown motion dies away
const SPRING_PER_S = 14; // how fast the camera comes back from beyond the edge
const FLIGHT_S = 0.7;

export class OrbitControls {
  constructor() {
    /** What the hand asked for; the pose shown is this with the rubber edge. @type {Record<Axis, number>} */
    this.wanted = { yaw: 0, pitch: 0, zoom: 0, x: 0, y: 0, z: 0 };
    this.fov = HOME.fov;
    /** @type {Record<Axis, number>} */
    this.speed = { yaw: 0, pitch: 0, zoom: 0, x: 0, y: 0, z: 0 };
    this.held = false;
    this.still = false; // motion is reduced: no coasting, no flights
    /** @type {Bounds} */
    this.bounds = {
      yawMin: -0.3,
      yawMax: 0.3,
      around: false,
      pitchMin: -0.3,
      pitchMax: 0.3,
      radiusMin: 0.55,
      radiusMax: 1.6,
      panMax: 0.3,
    };
    /** @type {Pose} */
    this.home = { ...HOME };
    /** @type {{from: Pose, to: Pose, t: number} | null} */
    this.flight = null;
    this.moved = 0; // when a hand last moved it, in milliseconds of the page's clock
  }

  /**
   * @param {Axis} axis
   * @returns {[number, number]}
   */
  limits(axis) {
    const b = this.bounds;
    if (axis === "yaw") return b.around ? [-Infinity, Infinity] : [b.yawMin, b.yawMax];
    if (axis === "pitch") return [b.pitchMin, b.pitchMax];
    if (axis === "zoom") return [Math.log(b.radiusMin), Math.log(b.radiusMax)];
    return [-b.panMax, b.panMax];
  }

  /** @returns {Pose} */
  pose() {
    /** @param {Axis} axis */
    const at = (axis) => rubber(this.wanted[axis], ...this.limits(axis), GIVE[axis]);
    return {
      yaw: at("yaw"),
      pitch: at("pitch"),
      radius: Math.exp(at("zoom")),
      x: at("x"),
      y: at("y"),
      z: at("z"),
      fov: this.fov,
    };
  }

  /** @param {Pose} pose */
  jump(pose) {
    const { yaw, pitch, radius, x, y, z, fov } = pose;
    this.wanted = { yaw, pitch, zoom: Math.log(radius), x, y, z };
    this.fov = fov;
    this.flight = null;
    this.stop();
  }

  stop() {
    for (const axis of AXES) this.speed[axis] = 0;
  }

  /**
   * @param {Pose} pose
   */
  flyTo(pose) {
    if (this.still) this.jump(pose);
    else {
      this.stop();
      this.flight = { from: this.pose(), to: pose, t: 0 };
    }
  }

  /**
   * Motion by a hand or a key, in radians, octaves of e, and world units.
   *
   * @param {Partial<Record<Axis, number>>} delta
   * @param {number} seconds  the time it took, for the speed to coast on with; 0 adds none
   */
  move(delta, seconds = 0) {
    this.flight = null;
    this.moved = performance.now();
    for (const axis of AXES) {
      const step = delta[axis];
      if (step === undefined) continue;
      this.wanted[axis] += step;
      if (seconds > 0) this.speed[axis] = 0.6 * this.speed[axis] + 0.4 * (step / seconds);
    }
  }

  /**
   * Shifts the point looked at along the picture, by parts of its height.
   *
   * @param {number} right
   * @param {number} up
   */
  pan(right, up) {
    const { yaw, pitch, radius, fov } = this.pose();
    const reach = 2 * radius * Math.tan((fov * Math.PI) / 360);
    const [sy, cy, sp, cp] = [Math.sin(yaw), Math.cos(yaw), Math.sin(pitch), Math.cos(pitch)];
    this.move({
      x: reach * (-right * cy + up * sp * sy),
      y: reach * (-up * cp),
      z: reach * (right * sy + up * sp * cy),
    });
  }

  goHome() {
    this.flyTo(this.home);
  }

  /**
   * Lets time pass.
   *
   * @param {number} seconds
   * @returns {boolean} whether the camera moved or will
   */
  advance(seconds) {
    const dt = Math.min(seconds, 0.1);
    if (this.flight) {
      this.flight.t = Math.min(this.flight.t + dt / FLIGHT_S, 1);
      const { from, to, t } = this.flight;
      const eased = t < 0.5 ? 4 * t ** 3 : 1 - (-2 * t + 2) ** 3 / 2;
      const pose = mixPoses(from, to, eased);
      const flight = t < 1 ? this.flight : null;
      this.jump(pose);
      this.flight = flight;
      return true;
    }
    if (this.held) {
      // A hand that rests before letting go throws nothing.
      for (const axis of AXES) this.speed[axis] *= Math.exp(-dt * 12);
      return false;
    }
    let moving = false;
    for (const axis of AXES) {
      const [low, high] = this.limits(axis);
      if (this.still) this.speed[axis] = 0;
      if (Math.abs(this.speed[axis]) > 1e-3) {
        this.wanted[axis] += this.speed[axis] * dt;
        this.speed[axis] *= Math.exp(-COAST_PER_S * dt);
        moving = true;
      } else this.speed[axis] = 0;
      const inside = Math.min(Math.max(this.wanted[axis], low), high);
      if (inside === this.wanted[axis]) continue;
      this.speed[axis] *= Math.exp(-SPRING_PER_S * dt);
      const gap = (this.wanted[axis] - inside) * (this.still ? 0 : Math.exp(-SPRING_PER_S * dt));
      this.wanted[axis] = Math.abs(gap) < 2e-4 ? inside : inside + gap;
      moving = true;
    }
    return moving;
  }

  atHome() {
    return samePose(this.pose(), this.home);
  }
}
