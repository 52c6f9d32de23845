/** What the viewer has to say: passing notices, a sentence in the scene's place, and the picture that stands in for it. */

import { h } from "./dom.js";

/** @typedef {import("../render/renderer.js").Renderer} Renderer */

const STAY_MS = 4200;

export class Notices {
  /**
   * @param {HTMLElement} frame
   * @param {HTMLElement} surface  where the scene is
   */
  constructor(frame, surface) {
    this.surface = surface;
    this.list = h("div", { class: "notices", role: "status", "aria-live": "polite" });
    this.placed = h("div", { class: "placed", role: "alert", hidden: true });
    /** The last picture of the scene, shown while there is no graphics context. */
    this.still = h("canvas", { class: "still", role: "img" });
    this.kept = false; // whether there is anything in it
    this.settled = false; // ... and it is the best there is of this camera
    this.excused = "";
    frame.append(this.placed, this.list);
    /** @type {Set<string>} */
    this.said = new Set();
  }

  /** @param {string} text */
  say(text) {
    const known = [...this.list.children].find((child) => child.textContent === text);
    if (known) return;
    const notice = h("div", { class: "notice" }, text);
    this.list.append(notice);
    while (this.list.children.length > 3) this.list.firstChild?.remove();
    setTimeout(() => notice.classList.add("leaving"), STAY_MS);
    setTimeout(() => notice.remove(), STAY_MS + 400);
  }

  /**
   * @param {string} key
   * @param {string} text
   */
  once(key, text) {
    if (this.said.has(key)) return;
    this.said.add(key);
    this.say(text);
  }

  /**
   * @param {string} title
   * @param {string} text
   */
  place(title, text) {
    this.placed.replaceChildren(h("strong", {}, title), h("p", {}, text));
    this.placed.hidden = false;
  }

  clearPlace() {
    this.placed.hidden = true;
  }

  /** Nothing of the last scene is shown any more. */
  forget() {
    this.kept = this.settled = false;
    this.still.remove();
    if (this.excused) this.place("This needs WebGL2", this.excused);
    else this.clearPlace();
  }

  /** @param {string} reason  why nothing can be drawn, ever */
  excuse(reason) {
    this.excused = reason;
    this.place("This needs WebGL2", reason);
  }

  /**
   * The first view as a plain picture.
   *
   * @param {import("../protocol.js").DecodedView} view
   */
  showFirst(view) {
    this.drawFirst(view);
    this.show(`The first view. ${this.excused}`);
  }

  /** @param {import("../protocol.js").DecodedView} view */
  drawFirst(view) {
    this.still.width = this.still.height = view.size;
    this.still.getContext("2d")?.drawImage(view.colour, 0, 0);
    this.kept = true;
  }

  /** @param {string} label */
  show(label) {
    this.still.setAttribute("aria-label", label);
    this.surface.append(this.still);
  }

  /**
   * Keeps what is on screen, in case the graphics context goes.
   *
   * @param {Renderer} renderer  one that is open
   */
  keep(renderer) {
    const first = renderer.held.get(0);
    if (renderer.copyTo(this.still)) this.kept = true;
    else if (!this.kept && first) this.drawFirst(first.view);
  }

  /**
   * After every turn of the loop: keeps the best picture of a camera, and takes the stand-in away once there is one.
   *
   * @param {Renderer} renderer  one that is open
   */
  follow(renderer) {
    if (renderer.settled && !this.settled) this.keep(renderer);
    this.settled = renderer.settled;
    if (this.still.isConnected && !renderer.dirty) this.hideStill();
  }

  /** @param {boolean} lost  whether the browser took the graphics context, rather than the viewer let it go */
  showPaused(lost) {
    if (this.kept) this.show("The last picture of the scene");
    if (lost) {
      this.place("Paused: touch to go on", "The browser draws only so many 3D views at a time.");
    }
  }

  hideStill() {
    this.still.remove();
    this.clearPlace();
  }
}
