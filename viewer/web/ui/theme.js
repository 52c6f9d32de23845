/** Light and dark: from the page's own switch where it has one, else from the system. */

/** @typedef {import("../render/fusion.js").Backdrop} Backdrop */

/** @type {Record<string, Backdrop>} */
const BACKDROPS = {
  dark: { bottom: [0.055, 0.06, 0.075], top: [0.12, 0.13, 0.16] },
  light: { bottom: [0.83, 0.845, 0.87], top: [0.95, 0.955, 0.965] },
};
const RIM = 0.04; // of the picture's height
/** @type {WeakMap<ImageBitmap, Backdrop>} */
const KNOWN_RIMS = new WeakMap();

/**
 * @param {string} background  "scene", "dark" or "light"
 * @param {HTMLElement} host
 * @param {Backdrop | null} own  the scene's colours at its upper and lower rim
 * @returns {Backdrop}
 */
export function backdropOf(background, host, own) {
  const theme = BACKDROPS[host.dataset.theme ?? "dark"];
  if (background !== "scene") return BACKDROPS[background] ?? theme;
  return own ?? theme;
}

/**
 * The mean colours of a picture's upper and lower rim: behind a scene they leave no hole where its views end.
 *
 * @param {ImageBitmap} picture
 * @returns {Backdrop}
 */
export function rimColours(picture) {
  const known = KNOWN_RIMS.get(picture);
  if (known) return known;
  const { width, height } = picture;
  const rim = Math.max(1, Math.round(height * RIM));
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (
    new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true })
  );
  context.drawImage(picture, 0, 0);
  /** @param {number} top @returns {[number, number, number]} */
  const mean = (top) => {
    const { data } = context.getImageData(0, top, width, rim);
    const sum = [0, 0, 0];
    for (let k = 0; k < data.length; k++) if (k % 4 < 3) sum[k % 4] += data[k];
    const [red, green, blue] = sum.map((value) => value / (255 * width * rim));
    return [red, green, blue];
  };
  const rims = { bottom: mean(height - rim), top: mean(0) };
  KNOWN_RIMS.set(picture, rims);
  return rims;
}

/**
 * Keeps `data-theme` of the element at "dark" or "light".
 *
 * @param {HTMLElement} host
 * @param {() => void} onChange
 * @returns {() => void} stops it
 */
export function followTheme(host, onChange) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const read = () => {
    const { body, documentElement } = document;
    const marked = [body, documentElement].find((e) => e.dataset.theme || e.classList.contains("dark"));
    const switched = marked
      ? (marked.dataset.theme ?? "dark")
      : document.querySelector("gradio-app, .gradio-container")
        ? "light"
        : null;
    const theme = switched ?? (system.matches ? "dark" : "light");
    if (host.dataset.theme === theme) return;
    host.dataset.theme = theme;
    onChange();
  };
  const observer = new MutationObserver(read);
  for (const element of [document.body, document.documentElement]) {
    observer.observe(element, { attributes: true, attributeFilter: ["class", "data-theme"] });
  }
  system.addEventListener("change", read);
  read();
  return () => {
    observer.disconnect();
    system.removeEventListener("change", read);
  };
}
