/**
 * `<ivid-viewer src="scene.html">`: an exported page inside another page (docs/embedding.md). Needs no other file.
 *
 * Fires `load` with {title, views} when the scene is on screen, `view` with {nearest, camera} when the camera came to rest.
 */

/** @typedef {{yaw?: number, pitch?: number, radius?: number, x?: number, y?: number, z?: number, fov?: number}} Camera */

class IvidViewer extends HTMLElement {
  static observedAttributes = ["src"];

  constructor() {
    super();
    this.frame = document.createElement("iframe");
    this.frame.setAttribute("loading", "lazy");
    this.frame.allow = "fullscreen; xr-spatial-tracking; clipboard-write";
    this.frame.style.cssText = "display: block; border: 0; width: 100%; height: 100%";
    const style = document.createElement("style");
    style.textContent = ":host { display: block; width: 100%; aspect-ratio: 1 }";
    this.attachShadow({ mode: "open" }).append(style, this.frame);
    /** @type {Map<string, {resolve: (picture: Blob) => void, reject: (reason: Error) => void}>} */
    this.waiting = new Map();
    /** @type {object[]} */
    this.early = []; // messages from before the scene was there
    this.ready = false;
  }

  connectedCallback() {
    window.addEventListener("message", this.onMessage);
    this.frame.title = this.title || "3D scene";
  }

  disconnectedCallback() {
    window.removeEventListener("message", this.onMessage);
  }

  /** @param {string} _name @param {string | null} _before @param {string | null} src */
  attributeChangedCallback(_name, _before, src) {
    this.ready = false;
    this.frame.src = src ?? "about:blank";
  }

  /**
   * @param {Camera} camera  radians and world units; what it leaves out stays
   * @param {{fly?: boolean}} [how]  fly there, or be there at once
   */
  setCamera(camera, { fly = true } = {}) {
    this.tell({ ivid: "setCamera", camera, fly });
  }

  /**
   * @param {number} [scale]  1 to 4 times the picture on screen
   * @returns {Promise<Blob>} a PNG
   */
  takePicture(scale = 1) {
    const id = `${Date.now()}-${Math.random()}`;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.tell({ ivid: "takePicture", scale, id });
    });
  }

  /** @param {object} message */
  tell(message) {
    if (this.ready) this.frame.contentWindow?.postMessage(message, "*");
    else this.early.push(message);
  }

  /** @param {MessageEvent} event */
  onMessage = ({ data, source }) => {
    if (source !== this.frame.contentWindow || typeof data !== "object" || !data) return;
    const { ivid, ...detail } = data;
    if (ivid === "load") {
      this.ready = true;
      for (const message of this.early.splice(0)) this.tell(message);
    }
    if (ivid === "load" || ivid === "view") this.dispatchEvent(new CustomEvent(ivid, { detail }));
    if (ivid !== "picture") return;
    const waiting = this.waiting.get(detail.id);
    this.waiting.delete(detail.id);
    if (detail.picture) waiting?.resolve(detail.picture);
    else waiting?.reject(new Error(detail.error));
  };
}

customElements.define("ivid-viewer", IvidViewer);
