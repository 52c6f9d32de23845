/** Light and dark: from the page's own switch where it has one, else from the system. */

/** @typedef {import("../render/fusion.js").Backdrop} Backdrop */

/** @type {Record<string, Backdrop>} */
const BACKDROPS = {
  dark: { bottom: [0.055, 0.06, 0.075], top: [0.12, 0.13, 0.16] },
  light: { bottom: [0.83, 0.845, 0.87], top: [0.95, 0.955, 0.965] },
};
const OF_THEME = 0.15; // how much of the theme is in the scene's own backdrop

/**
 * @param {string} background  "scene", "dark" or "light"
 * @param {HTMLElement} host
 * @param {Backdrop | null} own  the scene's colours at its upper and lower rim
 * @returns {Backdrop}
 */
export function backdropOf(background, host, own) {
  const theme = BACKDROPS[host.dataset.theme ?? "dark"];
  if (background !== "scene") return BACKDROPS[background] ?? theme;
  if (!own) return theme;
  /** @param {number[]} a @param {number[]} b */
  const mixed = (a, b) =>
    /** @type {[number, number, number]} */ (a.map((value, k) => value + (b[k] - value) * OF_THEME));
  return { bottom: mixed(own.bottom, theme.bottom), top: mixed(own.top, theme.top) };
}

/**
 * The colours of a picture's upper and lower rim: behind a scene they leave no hole where its views end.
 *
 * @param {ImageBitmap} picture
 * @returns {Backdrop}
 */
export function rimColours(picture) {
  const rows = 12;
  const canvas = new OffscreenCanvas(1, rows);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, 0, 0, 1, rows);
  const { data } = context.getImageData(0, 0, 1, rows);
  /** @param {number} row @returns {[number, number, number]} */
  const at = (row) => [data[4 * row] / 255, data[4 * row + 1] / 255, data[4 * row + 2] / 255];
  return { bottom: at(rows - 1), top: at(0) };
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
