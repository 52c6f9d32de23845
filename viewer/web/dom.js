/** Building elements, and the icons. */

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, any>} [attributes]  `on…` are listeners, `class` and `aria-…` as in HTML; false and null are left out
 * @param {...(Node | string | null)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" && "value" in element) element.value = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/**
 * @param {string} tag
 * @param {Record<string, string | number>} [attributes]
 * @param {...Element} children
 * @returns {SVGElement}
 */
export function svg(tag, attributes = {}, ...children) {
  const element = /** @type {SVGElement} */ (document.createElementNS(SVG, tag));
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

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
  compare: "M12 4v16M9 6H4v12h5M15 6h5v12h-5",
};
/** @typedef {keyof typeof ICONS} Icon */

/** @param {Icon} name */
export function icon(name) {
  const path = svg("path", { d: ICONS[name] });
  return svg("svg", { viewBox: "0 0 24 24", "aria-hidden": "true", class: "icon" }, path);
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
