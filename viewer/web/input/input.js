/** Pointers, wheel and keys: what a person does to the picture becomes motion of the orbit controls. */

/** @typedef {import("./orbit_controls.js").OrbitControls} OrbitControls */
/**
 * @typedef {object} InputEvents
 * @property {() => void} onActivity  something began to move
 * @property {(x: number, y: number) => void} onCentre  double click; picture coordinates, 0 to 1 from the top left
 * @property {(key: string) => boolean} onKey  a command key; true if it meant something
 * @property {() => void} onIgnoredWheel
 */

const RADIANS_PER_PICTURE = 1.7; // of orbit when dragging across the whole height
const KEY_SPEED = 0.45; // radians a second, and as much again from coasting
const HELD_KEYS = new Map([
  ["arrowleft", { yaw: -1 }],
  ["a", { yaw: -1 }],
  ["arrowright", { yaw: 1 }],
  ["d", { yaw: 1 }],
  ["arrowup", { pitch: 1 }],
  ["w", { pitch: 1 }],
  ["arrowdown", { pitch: -1 }],
  ["s", { pitch: -1 }],
  ["+", { zoom: -1 }],
  ["=", { zoom: -1 }],
  ["-", { zoom: 1 }],
]);

export class Input {
  /**
   * @param {HTMLElement} surface  what is dragged
   * @param {HTMLElement} root  what has the focus
   * @param {OrbitControls} controls
   * @param {InputEvents} events
   */
  constructor(surface, root, controls, events) {
    this.surface = surface;
    this.root = root;
    this.controls = controls;
    this.events = events;
    /** @type {Map<number, {x: number, y: number}>} */
    this.pointers = new Map();
    this.panning = false;
    this.throwing = false; // whether the motion goes on when the hand lets go
    this.last = 0;
    /** @type {Set<string>} */
    this.keys = new Set();
    surface.addEventListener("pointerdown", this.onDown);
    surface.addEventListener("pointermove", this.onMove);
    surface.addEventListener("pointerup", this.onUp);
    surface.addEventListener("pointercancel", this.onUp); // the system has taken the gesture for itself
    surface.addEventListener("wheel", this.onWheel, { passive: false });
    surface.addEventListener("dblclick", this.onDouble);
    surface.addEventListener("contextmenu", (event) => event.preventDefault());
    this.listenTo(root);
    root.addEventListener("focusout", () => this.keys.clear());
  }

  /**
   * Hears keys.
   *
   * @param {HTMLElement | Document} target
   * @returns {() => void} stops it
   */
  listenTo(target) {
    const [down, up] = /** @type {EventListener[]} */ ([this.onKeyDown, this.onKeyUp]);
    target.addEventListener("keydown", down);
    target.addEventListener("keyup", up);
    return () => {
      target.removeEventListener("keydown", down);
      target.removeEventListener("keyup", up);
    };
  }

  /** @param {PointerEvent} event */
  onDown = (event) => {
    if (event.button > 2) return;
    this.surface.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    this.panning = event.button !== 0 || event.shiftKey;
    this.throwing = this.pointers.size === 1; // fingers never leave at once, and the last one of two means nothing
    this.controls.held = true;
    this.controls.flight = null;
    this.controls.stop();
    this.last = event.timeStamp;
    this.surface.classList.add("held");
    this.events.onActivity();
  };

  /** @param {PointerEvent} event */
  onMove = (event) => {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const box = this.surface.getBoundingClientRect();
    const unit = Math.min(box.width, box.height);
    const here = { x: event.clientX, y: event.clientY };
    const [dx, dy] = [(here.x - before.x) / unit, (here.y - before.y) / unit];
    if (this.pointers.size === 1) {
      const seconds = Math.max((event.timeStamp - this.last) / 1000, 1e-3);
      this.last = event.timeStamp;
      if (this.panning) this.controls.pan(dx, -dy);
      else
        this.controls.move(
          { yaw: -dx * RADIANS_PER_PICTURE, pitch: dy * RADIANS_PER_PICTURE },
          this.throwing ? seconds : 0,
        );
    } else {
      const [other] = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
      const spread =
        Math.hypot(here.x - other.x, here.y - other.y) / Math.hypot(before.x - other.x, before.y - other.y);
      if (spread > 0 && Number.isFinite(spread)) this.controls.move({ zoom: -Math.log(spread) });
      this.controls.pan(dx / 2, -dy / 2);
    }
    this.pointers.set(event.pointerId, here);
    this.events.onActivity();
  };

  /** @param {PointerEvent} event */
  onUp = (event) => {
    if (!this.pointers.delete(event.pointerId)) return;
    this.controls.held = this.pointers.size > 0;
    const rested = event.timeStamp - this.last > 80;
    if (this.controls.held || rested || event.type === "pointercancel") this.controls.stop();
    this.last = event.timeStamp;
    if (!this.controls.held) this.surface.classList.remove("held");
    this.events.onActivity();
  };

  /** @param {WheelEvent} event */
  onWheel = (event) => {
    const focused = this.root.contains(/** @type {any} */ (this.root.getRootNode()).activeElement);
    if (!focused && mayScroll(this.surface)) {
      this.events.onIgnoredWheel();
      return; // the page scrolls
    }
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 200 : 1;
    const amount = Math.max(-120, Math.min(120, event.deltaY * lines));
    this.controls.move({ zoom: amount * (event.ctrlKey ? 0.008 : 0.0012) });
    this.controls.speed.zoom += this.controls.still ? 0 : amount * 0.003;
    this.events.onActivity();
  };

  /** @param {MouseEvent} event */
  onDouble = (event) => {
    const box = this.surface.getBoundingClientRect();
    this.events.onCentre((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  };

  /** @param {KeyboardEvent} event */
  onKeyDown = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const target = /** @type {HTMLElement} */ (event.composedPath()[0]);
    const key = event.key.toLowerCase();
    if (target.matches("input, select, textarea") && key !== "escape") return;
    if (target.matches("button, a, [role=button]") && (key === " " || key === "enter")) return;
    if (HELD_KEYS.has(key)) {
      this.keys.add(key);
      this.events.onActivity();
    } else if (event.repeat || !this.events.onKey(key)) return;
    event.preventDefault();
  };

  /** @param {KeyboardEvent} event */
  onKeyUp = (event) => {
    this.keys.delete(event.key.toLowerCase());
  };

  /**
   * @param {number} seconds
   * @returns {boolean} whether keys are moving the camera
   */
  advance(seconds) {
    for (const key of this.keys) {
      for (const [axis, way] of Object.entries(/** @type {object} */ (HELD_KEYS.get(key)))) {
        this.controls.move({ [axis]: way * KEY_SPEED * seconds }, seconds);
      }
    }
    return this.keys.size > 0;
  }
}

/**
 * Whether the wheel over an element may be meant for the page around it.
 *
 * @param {HTMLElement} element
 */
function mayScroll(element) {
  if (window.parent !== window) return true; // whether the page around a frame scrolls cannot be known
  for (let at = /** @type {Node | null} */ (element); at; at = at instanceof ShadowRoot ? at.host : at.parentNode) {
    if (!(at instanceof Element) || at.scrollHeight <= at.clientHeight + 1) continue;
    const { overflowY } = getComputedStyle(at);
    const page = at === document.scrollingElement;
    if (page ? overflowY !== "hidden" : overflowY === "auto" || overflowY === "scroll") return true;
  }
  return false;
}
