/** The icons: one path each, drawn as a stroke. */

import { h, svg } from "./dom.js";

/** Paths on a 24 × 24 grid, drawn as strokes. */
const ICONS = {
  play: "M7 5.5v13l11-6.5z",
  pause: "M8 5.5v13M16 5.5v13",
  home: "M4 11.5 12 5l8 6.5M6.5 10v9h11v-9",
  looks: "M12 4 3.5 8.5 12 13l8.5-4.5zM4 12.5l8 4.3 8-4.3M4 16.3l8 4.2 8-4.2",
  cameras: "M4 7.5h10v9H4zM14 11l6-3.5v9L14 13z",
  timeline: "M3.5 12h17M7 12V8.5m5 6.8V12m5 0V8.5M12 17.5a1.4 1.4 0 1 1 0 .1z",
  settings: "M4 7h9m5 0h2M4 17h2m5 0h9M15.5 7a2.2 2.2 0 1 1 0 .1zM8.5 17a2.2 2.2 0 1 1 0 .1z",
  camera: "M4 8h3.5L9 5.5h6L16.500 8H20v10.500H4zM12 16a3 3 0 1 0 0-6 3 3 0 0 0 0 6z",
  link: "M10 14a4 4 0 0 0 5.700 0l3-3A4 4 0 0 0 13 5.300L11.800 6.500M14 10a4 4 0 0 0-5.700 0l-3 3A4 4 0 0 0 11 18.700l1.200-1.200",
  expand: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  shrink: "M9 4v5H4M15 4v5h5M9 20v-5H4M15 20v-5h5",
  help: "M9.200 9.200A2.900 2.900 0 1 1 13 12c-.7.300-1 .8-1 1.700M12 17v.1",
  close: "M6 6l12 12M18 6 6 18",
  add: "M12 5v14M5 12h14",
  remove: "M5 7h14M10 7V5h4v2M7 7l1 12h8l1-12",
  loop: "M17 3.500 20 6.500l-3 3M20 6.500H8a4 4 0 0 0-4 4v1M7 20.500l-3-3 3-3M4 17.500h12a4 4 0 0 0 4-4v-1",
  bounce: "M4 12h16M7.500 8.500 4 12l3.500 3.500M16.500 8.500 20 12l-3.500 3.500",
  once: "M4 12h14M14 7.500l4.500 4.500-4.500 4.500M21 6v12",
  headset: "M3.500 8h17v9h-5.500l-1.500-2.500h-3L9 17H3.500zM7 8V6.500h10V8",
  sun: "M12 7a5 5 0 1 0 0 10 5 5 0 0 0 0-10zM12 1v2M12 21v2M4.2 4.2l1.4 1.4M18.4 18.4l1.4 1.4M1 12h2M21 12h2M4.2 19.8l1.4-1.4M18.4 5.6l1.4-1.4",
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z",
  points:
    "M5 8h.01M9.5 5h.01M14.5 5h.01M19 8h.01M7 12.5h.01M12 10h.01M17 12.5h.01M5 17h.01M9.5 19h.01M14.5 19h.01M19 17h.01M12 15h.01",
  video: "M3 6h12v12H3zM15 10.5l6-3.5v10l-6-3.5",
  scene: "M12 2.8l8 4.6v9.2l-8 4.6-8-4.6V7.4zM4 7.4l8 4.6 8-4.6M12 12v9.2",
  more: "M5 12h.01M12 12h.01M19 12h.01",
  compare: "M12 4v16M9 6H4v12h5M15 6h5v12h-5",
};
/** @typedef {keyof typeof ICONS} Icon */

/** @param {Icon} name */
export function icon(name) {
  const path = svg("path", { d: ICONS[name] });
  return svg("svg", { viewBox: "0 0 24 24", "aria-hidden": "true", class: "ivid-icon" }, path);
}

/**
 * A button that is an icon, with a name for the eye and the ear.
 *
 * @param {Icon} name
 * @param {string} label
 * @param {(event: MouseEvent) => void} onclick
 * @param {Record<string, any>} [attributes]
 */
export function iconButton(name, label, onclick, attributes = {}) {
  const button = h("button", { type: "button", "aria-label": label, "data-tip": label, onclick, ...attributes });
  button.append(icon(name));
  return button;
}

/**
 * @param {HTMLElement} button
 * @param {Icon} name
 * @param {string} label
 */
export function relabel(button, name, label) {
  if (button.getAttribute("aria-label") === label) return;
  button.replaceChildren(icon(name));
  button.setAttribute("aria-label", label);
  button.setAttribute("data-tip", label);
}
