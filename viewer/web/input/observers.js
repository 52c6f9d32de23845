/** What a viewer follows: its size, the theme, whether motion is wanted, and whether it is still part of the page. */

import { followTheme } from "../ui/theme.js";

/** @typedef {import("../viewer.js").Viewer} Viewer */

const MAX_SIDE = 1440; // device pixels; views of 128 pixels gain nothing beyond
const MAX_SIDE_SOFTWARE = 640;
const LOOK_EVERY_MS = 2000;

/**
 * @param {Viewer} viewer
 * @returns {() => void} stops it
 */
export function observe(viewer) {
  const size = new ResizeObserver((entries) => resize(viewer, entries[entries.length - 1]));
  try {
    size.observe(viewer.surface, { box: "device-pixel-content-box" });
  } catch {
    size.observe(viewer.surface); // Safari does not measure device pixels
  }
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const onCalm = () => {
    viewer.controls.still = calm.matches;
    if (viewer.renderer) viewer.renderer.fade = !calm.matches;
  };
  calm.addEventListener("change", onCalm);
  onCalm();
  const unfollowTheme = followTheme(viewer.host, () => viewer.set({}));
  const gone = setInterval(() => {
    if (!viewer.host.isConnected) viewer.dispose();
  }, LOOK_EVERY_MS);
  return () => {
    size.disconnect();
    calm.removeEventListener("change", onCalm);
    unfollowTheme();
    clearInterval(gone);
  };
}

/**
 * @param {Viewer} viewer
 * @param {ResizeObserverEntry} entry
 */
function resize(viewer, entry) {
  const ratio = window.devicePixelRatio || 1;
  const device = entry.devicePixelContentBoxSize?.[0];
  const width = device ? device.inlineSize : entry.contentRect.width * ratio;
  const height = device ? device.blockSize : entry.contentRect.height * ratio;
  if (!width || !height) return;
  for (const renderer of viewer.renderers()) {
    const most = renderer.budget.software ? MAX_SIDE_SOFTWARE : MAX_SIDE;
    const scale = Math.min(1, most / Math.max(width, height));
    renderer.resize(Math.max(Math.round(width * scale), 1), Math.max(Math.round(height * scale), 1));
  }
  viewer.frame.classList.toggle("narrow", width / ratio < 460);
  viewer.wake();
}
