/** What the parts of the viewer share: two plain objects whose listeners hear of every change. */

/** @typedef {import("./render/fusion.js").Look} Look */
/**
 * @typedef {object} Settings  what a person chose
 * @property {Look} look
 * @property {boolean} enhanced  soft rims and smooth pictures on top of the method's
 * @property {number} pointSize
 * @property {"scene" | "dark" | "light"} background
 * @property {number} fov  degrees, of the square in the middle of the picture
 * @property {number} pictureScale  of saved pictures, 1 to 4
 * @property {boolean} rate  show the frame rate
 * @property {boolean} overview  show the map of cameras
 * @property {boolean} timeline  show the timeline
 */
/**
 * @typedef {object} State  what is the case
 * @property {string} title
 * @property {number} done  views that are here
 * @property {number} planned  views there will be
 * @property {boolean} playing  a camera path
 * @property {boolean} comparable  whether another scene can be opened beside this one
 * @property {"no" | "waiting" | "yes"} comparing
 * @property {"absent" | "ready" | "entered"} headset
 * @property {boolean} fullScreen
 * @property {string} rate  the frame rate in words
 */

/** @returns {Settings} */
export const defaultSettings = () => ({
  look: "fused",
  enhanced: true,
  pointSize: 1,
  background: "scene",
  fov: 45,
  pictureScale: 2,
  rate: false,
  overview: false,
  timeline: false,
});

/** @returns {State} */
export const initialState = () => ({
  title: "",
  done: 0,
  planned: 0,
  playing: false,
  comparable: false,
  comparing: "no",
  headset: "absent",
  fullScreen: false,
  rate: "",
});

/** @template {object} T */
export class Observable {
  /** @param {T} value */
  constructor(value) {
    /** @type {Readonly<T>} */
    this.value = value;
    /** @type {Set<(value: Readonly<T>) => void>} */
    this.listeners = new Set();
  }

  /** @param {Partial<T>} change */
  set(change) {
    const differs = Object.entries(change).some(([name, value]) => this.value[/** @type {keyof T} */ (name)] !== value);
    if (!differs) return;
    this.value = { ...this.value, ...change };
    for (const listener of this.listeners) listener(this.value);
  }

  /**
   * Calls a listener now and after every change.
   *
   * @param {(value: Readonly<T>) => void} listener
   */
  watch(listener) {
    this.listeners.add(listener);
    listener(this.value);
  }
}
