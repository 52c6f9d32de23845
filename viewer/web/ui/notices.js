/** What the viewer has to say: passing notices, and a sentence in the scene's place. */

import { h } from "./dom.js";

const STAY_MS = 4200;

export class Notices {
  /** @param {HTMLElement} frame */
  constructor(frame) {
    this.list = h("div", { class: "notices", role: "status", "aria-live": "polite" });
    this.placed = h("div", { class: "placed", role: "alert", hidden: true });
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
}

/**
 * The first view as a plain picture, where nothing can be drawn in 3D.
 *
 * @param {HTMLElement} surface
 * @param {import("../protocol.js").DecodedView} view
 * @param {string} reason
 */
export function showStill(surface, view, reason) {
  const canvas = h("canvas", { class: "still", role: "img", "aria-label": `The first view. ${reason}` });
  canvas.width = canvas.height = view.size;
  canvas.getContext("2d")?.drawImage(view.colour, 0, 0);
  clearStill(surface);
  surface.append(canvas);
}

/** @param {HTMLElement} surface */
export function clearStill(surface) {
  surface.querySelector(".still")?.remove();
}
