/** The worker that makes scenes (`generator/worker.js`), as the page speaks to it. */

/**
 * @typedef {object} Events  what it tells while a scene is made
 * @property {(message: any) => void} preview  {view, step, steps, rgb, depth}
 * @property {(message: any) => void} view  {index, count, camera, rgb, depth, trust, edgeThreshold, mask, secondsLeft}
 */

export class Generator {
  constructor() {
    /** @type {(loaded: number, total: number) => void} of fetching the model, in bytes */
    this.onProgress = () => {};
    /** @type {(error: Error) => void} of what goes on in the background, when it fails */
    this.onFailure = () => {};
    this.worker = new Worker(new URL("./generator/worker.js", import.meta.url), { type: "module" });
    this.next = 0;
    /** @type {Map<number | "load", {resolve: (value: any) => void, reject: (error: Error) => void, events?: Events}>} */
    this.waiting = new Map();
    this.worker.onmessage = ({ data }) => this.receive(data);
    this.worker.onerror = (event) => {
      event.preventDefault();
      this.fail(new Error(`The generator stopped: ${event.message || "its program could not be loaded"}.`));
    };
  }

  /**
   * Fetches the model and makes it ready for a first view; the rest comes in the background.
   *
   * @param {{base: string, ort: string, threads: number, backend: "webgpu" | "wasm"}} how  URLs of the model's folder and
   *   of ONNX Runtime's, ending in "/"
   * @returns {Promise<string>} what evaluates the networks
   */
  async load(how) {
    const ready = await this.ask("load", { type: "load", ...how });
    return ready.backend;
  }

  /**
   * @param {object} wish  {label: {classIndex}, seed, viewSet, options}
   * @param {Events} events
   * @returns {{id: number, over: Promise<any>}} `over` is the `done` or the `stopped` message
   */
  generate(wish, events) {
    const id = this.next++;
    return { id, over: this.ask(id, { type: "generate", id, ...wish }, events) };
  }

  /** @param {number} id */
  stop(id) {
    this.worker.postMessage({ type: "stop", id });
  }

  /**
   * @param {number | "load"} key
   * @param {object} message
   * @param {Events} [events]
   * @returns {Promise<any>}
   */
  ask(key, message, events) {
    return new Promise((resolve, reject) => {
      this.waiting.set(key, { resolve, reject, events });
      this.worker.postMessage(message);
    });
  }

  /** @param {any} message */
  receive(message) {
    const { type } = message;
    if (type === "progress") return this.onProgress(message.loaded, message.total);
    const key = type === "ready" ? "load" : (message.id ?? "load");
    const asked = this.waiting.get(key);
    if (!asked) {
      if (type === "error") this.onFailure(new Error(message.message));
      return;
    }
    if (type === "preview" || type === "view") return asked.events?.[/** @type {"preview" | "view"} */ (type)](message);
    this.waiting.delete(key);
    if (type === "error") asked.reject(new Error(message.message));
    else asked.resolve(message);
  }

  /** @param {Error} error */
  fail(error) {
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
  }
}
