/** Light and dark: from the page's own switch where it has one, else from the system. */

/** @typedef {import("./fusion.js").Backdrop} Backdrop */

/** @type {Record<string, Backdrop>} */
const BACKDROPS = {
  dark: { bottom: [0.055, 0.06, 0.075], top: [0.12, 0.13, 0.16] },
  light: { bottom: [0.83, 0.845, 0.87], top: [0.95, 0.955, 0.965] },
  sky: { bottom: [0.78, 0.84, 0.88], top: [0.4, 0.6, 0.82] },
};

/**
 * @param {string} background
 * @param {HTMLElement} host
 */
export function backdropOf(background, host) {
  return BACKDROPS[background] ?? BACKDROPS[host.dataset.theme ?? "dark"];
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
    const switched = marked ? (marked.dataset.theme ?? "dark") : document.querySelector("gradio-app, .gradio-container") ? "light" : null;
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
