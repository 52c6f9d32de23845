/** The timeline: plays paths, and keeps a person's own. */

import { mixPoses } from "../camera.js";
import { keyPose, pathLength, poseOfKey, swingPose, withKey, withoutKey } from "../input/path.js";
import { h } from "./dom.js";
import { iconButton, relabel } from "./icons.js";

/** @typedef {import("../input/orbit_controls.js").OrbitControls} OrbitControls */
/** @typedef {import("../input/path.js").PathName} PathName */
/** @typedef {import("../protocol.js").Keyframe} Keyframe */
/** @typedef {"loop" | "bounce" | "once"} Repeat */
/**
 * @typedef {object} TimelineEvents
 * @property {() => void} onMove  the camera was moved, or will be
 * @property {(keys: Keyframe[]) => void} onKeyframes  a person changed their path
 * @property {(text: string) => void} say
 */

const SWING_S = 6;
const SECONDS_PER_KEY = 1.6;
const EASE_IN_S = 0.8;
const TRACK = 1000; // steps of the slider along a path
const REPEATS = /** @type {Repeat[]} */ (["loop", "bounce", "once"]);
const REPEAT_NAMES = { loop: "Repeats in a loop", bounce: "Plays forth and back", once: "Plays once" };

export class Timeline {
  /**
   * @param {OrbitControls} controls
   * @param {import("../state.js").Observable<import("../state.js").Settings>} settings
   * @param {import("../state.js").Observable<import("../state.js").State>} state
   * @param {TimelineEvents} events
   */
  constructor(controls, settings, state, events) {
    this.controls = controls;
    this.settings = settings;
    this.state = state;
    this.events = events;
    /** @type {PathName} */
    this.path = "swing";
    /** @type {Repeat} */
    this.repeat = "loop";
    this.forward = true;
    this.at = 0;
    this.eased = 0;
    /** @type {Keyframe[]} */
    this.keys = [];
    this.edited = false; // by the person who looks, since the scene was opened
    this.chosen = -1;

    this.playButton = iconButton("play", "Play", () => this.toggle());
    this.select = h(
      "select",
      { "aria-label": "Path", onchange: () => this.choose(/** @type {PathName} */ (this.select.value)) },
      h("option", { value: "swing" }, "Swing"),
      h("option", { value: "orbit" }, "Orbit"),
      h("option", { value: "keys" }, "My path"),
    );
    this.slider = h("input", {
      type: "range",
      min: 0,
      max: TRACK,
      step: 1,
      "aria-label": "Time",
      oninput: () => this.scrub(),
    });
    this.marks = h("div", { class: "marks" });
    this.repeatButton = iconButton("loop", REPEAT_NAMES.loop, () => this.nextRepeat());
    this.removeButton = iconButton("remove", "Remove the chosen key", () => this.removeKey());
    this.element = h(
      "div",
      { class: "timeline glass", role: "group", "aria-label": "Timeline", hidden: true },
      this.playButton,
      this.select,
      h("div", { class: "track" }, this.slider, this.marks),
      iconButton("add", "Add a key at this camera (K)", () => this.addKey()),
      this.removeButton,
      this.repeatButton,
    );
    settings.watch(({ timeline }) => {
      this.element.hidden = !timeline;
    });
    this.refresh();
  }

  get playing() {
    return this.state.value.playing;
  }

  /**
   * @param {Keyframe[]} keys  saved with the scene
   * @param {boolean} another  whether it is another scene; else keys that a person set here meanwhile stay
   */
  load(keys, another) {
    if (!another && this.edited) return;
    this.edited = false;
    this.keys = keys.map((key) => ({ ...key }));
    this.chosen = -1;
    if (keys.length > 1) this.path = "keys";
    else if (another && this.path === "keys") this.path = "swing";
    this.refresh();
  }

  length() {
    return this.path === "keys" ? pathLength(this.keys, this.repeat === "loop") : 1;
  }

  seconds() {
    return this.path === "keys" ? SECONDS_PER_KEY * Math.max(this.keys.length - 1, 1) : SWING_S;
  }

  /** @param {number} t */
  poseAt(t) {
    const { controls } = this;
    if (this.path === "keys" && this.keys.length) return keyPose(this.keys, t, this.repeat === "loop");
    const home = { ...controls.home, fov: controls.fov };
    return swingPose(this.path === "orbit" ? "orbit" : "swing", t, controls.bounds, home);
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  play() {
    if (this.path === "keys" && this.keys.length < 2) {
      this.events.say("A path of your own needs two keys: add them with the plus, each from another side");
      return;
    }
    if (this.path !== "keys") this.at = this.nearestTime();
    else if (this.at >= this.length()) this.at = 0;
    this.state.set({ playing: true });
    this.forward = true;
    this.eased = 0;
    this.refresh();
    this.events.onMove();
  }

  pause() {
    if (!this.playing) return;
    this.state.set({ playing: false });
    this.refresh();
  }

  /** Where on the path the camera is nearest now, so that playing does not begin with a jump. */
  nearestTime() {
    const pose = this.controls.pose();
    let best = 0;
    let least = Infinity;
    for (let k = 0; k < 60; k++) {
      const on = this.poseAt(k / 60);
      const gap = (on.yaw - pose.yaw) ** 2 + (on.pitch - pose.pitch) ** 2;
      if (gap < least) [least, best] = [gap, k / 60];
    }
    return best;
  }

  /**
   * @param {number} seconds
   * @returns {boolean} whether it moved the camera
   */
  advance(seconds) {
    if (!this.playing) return false;
    const step = Math.min(seconds, 0.1) / this.seconds();
    const length = this.length();
    this.at += this.forward ? step : -step;
    if (this.repeat === "bounce" && this.path === "keys") {
      if (this.at > length) [this.at, this.forward] = [2 * length - this.at, false];
      if (this.at < 0) [this.at, this.forward] = [-this.at, true];
    } else if (this.at >= length) {
      if (this.repeat === "once") {
        this.at = length;
        this.pause();
      } else this.at -= length;
    }
    this.eased = Math.min(this.eased + seconds / EASE_IN_S, 1);
    const { controls } = this;
    const pull = this.eased >= 1 ? 1 : this.eased ** 2 * (3 - 2 * this.eased);
    controls.jump(mixPoses(controls.pose(), this.poseAt(this.at), pull));
    this.slider.value = String(Math.round((this.at / length) * TRACK));
    return true;
  }

  scrub() {
    this.pause();
    if (this.path === "keys" && !this.keys.length) return;
    this.at = (Number(this.slider.value) / TRACK) * this.length();
    this.controls.jump(this.poseAt(this.at));
    this.events.onMove();
  }

  /** @param {PathName} path */
  choose(path) {
    this.pause();
    this.path = path;
    this.at = 0;
    this.slider.value = "0";
    this.refresh();
  }

  nextRepeat() {
    this.repeat = REPEATS[(REPEATS.indexOf(this.repeat) + 1) % REPEATS.length];
    this.refresh();
  }

  addKey() {
    this.settings.set({ timeline: true });
    this.pause();
    this.keys = withKey(this.keys, this.controls.pose());
    this.path = "keys";
    this.chosen = this.keys.length - 1;
    this.changed();
    this.events.say(
      this.keys.length < 2 ? "First key set; go elsewhere and add another" : `Key ${this.keys.length} added`,
    );
  }

  removeKey() {
    if (!this.keys.length) return;
    this.keys = withoutKey(this.keys, this.chosen < 0 ? this.keys.length - 1 : this.chosen);
    this.chosen = Math.min(this.chosen, this.keys.length - 1);
    this.pause();
    this.changed();
  }

  changed() {
    this.edited = true;
    this.refresh();
    this.events.onKeyframes(this.keys);
  }

  refresh() {
    relabel(this.playButton, this.playing ? "pause" : "play", this.playing ? "Pause (space)" : "Play (space)");
    this.select.value = this.path;
    relabel(this.repeatButton, this.repeat, REPEAT_NAMES[this.repeat]);
    this.removeButton.hidden = this.path !== "keys" || !this.keys.length;
    this.marks.hidden = this.path !== "keys";
    this.marks.replaceChildren(...this.keys.map((key, index) => this.mark(key, index)));
  }

  /**
   * @param {Keyframe} key
   * @param {number} index
   */
  mark(key, index) {
    const place = () => `calc(8px + ${key.t / this.length()} * (100% - 16px))`;
    const mark = h("button", {
      type: "button",
      class: index === this.chosen ? "mark chosen" : "mark",
      "aria-label": `Key ${index + 1}`,
      "data-tip": `Key ${index + 1}: drag to move it`,
      style: `left:${place()}`,
    });
    let dragged = false;
    mark.addEventListener("pointerdown", (event) => {
      mark.setPointerCapture(event.pointerId);
      dragged = false;
    });
    mark.addEventListener("pointermove", (event) => {
      if (!mark.hasPointerCapture(event.pointerId) || index === 0 || index === this.keys.length - 1) return;
      const box = this.marks.getBoundingClientRect();
      const t = ((event.clientX - box.left - 8) / (box.width - 16)) * this.length();
      const [before, after] = [this.keys[index - 1].t + 0.01, this.keys[index + 1].t - 0.01];
      key.t = Math.min(Math.max(t, before), after);
      mark.style.left = place();
      dragged = true;
    });
    mark.addEventListener("click", () => {
      this.chosen = index;
      if (dragged) this.changed();
      else {
        this.at = key.t;
        this.slider.value = String(Math.round((this.at / this.length()) * TRACK));
        this.pause();
        this.controls.flyTo({ ...poseOfKey(key), fov: this.controls.fov });
        this.events.onMove();
        this.refresh();
      }
    });
    return mark;
  }
}
