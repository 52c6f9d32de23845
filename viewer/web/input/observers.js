/** What happens around a viewer: its size, the theme, whether motion is wanted, whether it is on screen, or gone. */

import { followTheme } from "../ui/theme.js";

/**
 * @typedef {object} Surroundings
 * @property {(width: number, height: number, ratio: number) => void} onSize  device pixels, and how many to a CSS pixel
 * @property {(calm: boolean) => void} onCalm  whether less motion is wanted
 * @property {() => void} onTheme  the host's `data-theme` changed
 * @property {(visible: boolean) => void} onVisible  whether any of it is on screen
 * @property {() => void} onGone  it is no part of the page any more
 */

const LOOK_EVERY_MS = 2000;

/**
 * @param {HTMLElement} host
 * @param {HTMLElement} surface  whose size counts
 * @param {Surroundings} events
 * @returns {() => void} stops it
 */
export function observe(host, surface, { onSize, onCalm, onTheme, onVisible, onGone }) {
  const size = new ResizeObserver((entries) => {
    const entry = entries[entries.length - 1];
    const ratio = window.devicePixelRatio || 1;
    const device = entry.devicePixelContentBoxSize?.[0];
    const width = device ? device.inlineSize : entry.contentRect.width * ratio;
    const height = device ? device.blockSize : entry.contentRect.height * ratio;
    if (width && height) onSize(width, height, ratio);
  });
  try {
    size.observe(surface, { box: "device-pixel-content-box" });
  } catch {
    size.observe(surface); // Safari does not measure device pixels
  }
  const visible = new IntersectionObserver((entries) => onVisible(entries[entries.length - 1].isIntersecting));
  visible.observe(host);
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const readCalm = () => onCalm(calm.matches);
  calm.addEventListener("change", readCalm);
  readCalm();
  const unfollowTheme = followTheme(host, onTheme);
  const looking = setInterval(() => {
    if (!host.isConnected) onGone();
  }, LOOK_EVERY_MS);
  return () => {
    size.disconnect();
    visible.disconnect();
    calm.removeEventListener("change", readCalm);
    unfollowTheme();
    clearInterval(looking);
  };
}
