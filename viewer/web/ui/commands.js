/** Everything that a key or a button does: one table, for the keyboard, the toolbar's tips, the help and the docs. */

/** @typedef {import("../render/fusion.js").Look} Look */
/**
 * @typedef {"play" | "home" | "look" | "overview" | "timeline" | "key" | "picture" | "link" | "compare" | "headset"
 *   | "fullScreen" | "help" | "close"} CommandName
 */
/**
 * @typedef {object} Command
 * @property {CommandName} name
 * @property {string} label  of its button
 * @property {string} does  in the help
 * @property {string[]} keys  as the browser calls them, in lower case
 */

export const LOOKS = /** @type {[Look, string][]} */ ([
  ["fused", "Fused colour"],
  ["depth", "Depth"],
  ["normals", "Normals"],
  ["nearest", "Nearest view"],
  ["points", "Point cloud"],
  ["mesh", "Wireframe"],
]);

/** What moves the camera; `input/input.js` does it. */
export const MOTIONS = [
  { keys: "Drag, arrows, W A S D", does: "look around" },
  { keys: "Wheel, pinch, + −", does: "nearer, farther" },
  { keys: "Right button, two fingers, Shift + drag", does: "move sideways" },
  { keys: "Double click", does: "centre what is there" },
];

/** @type {Command[]} */
export const COMMANDS = [
  { name: "home", label: "Back to the first view", does: "back to the first view", keys: ["r"] },
  { name: "play", label: "Play", does: "play the path, pause", keys: [" "] },
  {
    name: "look",
    label: "Ways of looking",
    does: LOOKS.map(([, label]) => label.toLowerCase()).join(", "),
    keys: LOOKS.map((_, k) => String(k + 1)),
  },
  { name: "overview", label: "Cameras", does: "the map of cameras", keys: ["c"] },
  { name: "timeline", label: "Timeline", does: "the timeline of camera paths", keys: ["t"] },
  { name: "key", label: "Add a key at this camera", does: "add this camera to your path", keys: ["k"] },
  { name: "picture", label: "Save a picture", does: "save a picture", keys: ["p"] },
  { name: "link", label: "Copy a link to this view", does: "copy a link to this view", keys: ["l"] },
  { name: "compare", label: "Compare with another scene", does: "compare with another scene", keys: ["x"] },
  { name: "headset", label: "View in VR", does: "view in VR, where there is a headset", keys: ["v"] },
  { name: "fullScreen", label: "Full screen", does: "full screen", keys: ["f"] },
  { name: "help", label: "Help", does: "this help", keys: ["h", "?"] },
  { name: "close", label: "Close", does: "close what is open", keys: ["escape"] },
];

/** @param {string[]} keys  as a person calls them */
export function keyNames(keys) {
  const names = keys.map((key) => ({ " ": "Space", escape: "Esc" })[key] ?? key.toUpperCase());
  return names.length > 2 ? `${names[0]} … ${names[names.length - 1]}` : names.join(", ");
}

/**
 * @param {CommandName} name
 * @returns {string} its label and its first key
 */
export function tip(name) {
  const { label, keys } = /** @type {Command} */ (COMMANDS.find((command) => command.name === name));
  return `${label} (${keyNames(keys.slice(0, 1))})`;
}

/** @param {string} key  in lower case */
export function commandOf(key) {
  return COMMANDS.find(({ keys }) => keys.includes(key));
}
