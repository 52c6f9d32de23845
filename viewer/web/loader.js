/** Fetches the views a manifest names, each once, and tries again where one fails. */

import { decodeView } from "./protocol.js";

/** @typedef {import("./protocol.js").Manifest} Manifest */
/** @typedef {import("./protocol.js").ViewEntry} ViewEntry */
/** @typedef {import("./protocol.js").DecodedView} DecodedView */
/**
 * @typedef {object} LoaderEvents
 * @property {(index: number, view: DecodedView, entry: ViewEntry) => void} onView
 * @property {(view: DecodedView, entry: import("./protocol.js").PreviewEntry) => void} onPreview
 * @property {(index: number, willRetry: boolean, error: Error) => void} onFailure
 */

const RETRY_AFTER_MS = [800, 2500, 8000];
const AT_ONCE = 6;

export class Loader {
  /**
   * @param {LoaderEvents} events
   * @param {string} base  put before URLs that are not complete themselves
   */
  constructor(events, base = "") {
    this.events = events;
    this.base = base;
    /** @type {Map<number, {url: string, state: "waiting" | "loading" | "done" | "failed", attempt: number}>} */
    this.entries = new Map();
    /** @type {Manifest | null} */
    this.manifest = null;
    this.running = 0;
    this.generation = 0;
    /** @type {import("./protocol.js").PreviewEntry | null} */
    this.nextPreview = null;
    this.reading = false; // a preview
  }

  /** @param {Manifest} manifest */
  update(manifest) {
    this.manifest = manifest;
    manifest.views.forEach(({ url }, index) => {
      const known = this.entries.get(index);
      if (!known || known.url !== url) this.entries.set(index, { url, state: "waiting", attempt: 0 });
    });
    this.work();
    if (manifest.preview && !manifest.views.length) this.follow(manifest.preview);
  }

  /**
   * Previews are read one after the other; of those that come meanwhile the last one counts.
   *
   * @param {import("./protocol.js").PreviewEntry} preview
   */
  async follow(preview) {
    this.nextPreview = preview;
    if (this.reading) return;
    this.reading = true;
    while (this.nextPreview) {
      const current = this.nextPreview;
      const { generation } = this;
      this.nextPreview = null;
      const view = await this.fetchView(current.url).catch(() => null); // if it is bad, the next one is on its way
      const wanted = generation === this.generation && this.entries.get(0)?.state !== "done";
      if (view && wanted) this.events.onPreview(view, current);
    }
    this.reading = false;
  }

  reset() {
    this.generation++;
    this.entries.clear();
    this.running = 0;
    this.nextPreview = null;
  }

  work() {
    for (const [index, entry] of this.entries) {
      if (this.running >= AT_ONCE) return;
      if (entry.state === "waiting") this.load(index, entry);
    }
  }

  /**
   * @param {number} index
   * @param {{url: string, state: string, attempt: number}} entry
   */
  async load(index, entry) {
    const { generation } = this;
    entry.state = "loading";
    this.running++;
    try {
      const view = await this.fetchView(entry.url);
      if (generation !== this.generation || this.entries.get(index) !== entry) return;
      entry.state = "done";
      const described = /** @type {Manifest} */ (this.manifest).views[index];
      this.events.onView(index, view, described);
    } catch (error) {
      if (generation !== this.generation || this.entries.get(index) !== entry) return;
      entry.state = "failed";
      const wait = RETRY_AFTER_MS[entry.attempt++];
      this.events.onFailure(index, wait !== undefined, /** @type {Error} */ (error));
      if (wait !== undefined) {
        setTimeout(() => {
          if (generation !== this.generation || entry.state !== "failed") return;
          entry.state = "waiting";
          this.work();
        }, wait);
      }
    } finally {
      if (generation === this.generation) {
        this.running--;
        this.work();
      }
    }
  }

  /** @param {string} url */
  async fetchView(url) {
    if (url.startsWith("data:")) return decodeView(bytesOf(url));
    const complete = /^[a-z]+:/i.test(url) ? url : this.base + url;
    const response = await fetch(complete);
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    return decodeView(await response.arrayBuffer());
  }
}

/**
 * A data URL's bytes, without a request: pages opened from disk may not fetch.
 *
 * @param {string} url
 */
export function bytesOf(url) {
  const text = atob(url.slice(url.indexOf(",") + 1));
  const bytes = new Uint8Array(text.length);
  for (let k = 0; k < text.length; k++) bytes[k] = text.charCodeAt(k);
  return bytes.buffer;
}
