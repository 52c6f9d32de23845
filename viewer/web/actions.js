/** What the commands of keys and buttons do to a viewer. */

import { commandOf, LOOKS } from "./ui/commands.js";
import { copyLink, savePicture } from "./ui/share.js";

/** @typedef {import("./viewer.js").Viewer} Viewer */
/** @typedef {import("./ui/commands.js").CommandName} CommandName */

/** @type {Partial<Record<CommandName, (viewer: Viewer) => unknown>>} */
const ACTIONS = {
  home: (viewer) => {
    viewer.set({ fov: viewer.controls.home.fov });
    viewer.flyTo(viewer.controls.home);
  },
  play: ({ timeline }) => timeline.toggle(),
  overview: ({ settings }) => settings.set({ overview: !settings.value.overview }),
  timeline: ({ settings }) => settings.set({ timeline: !settings.value.timeline }),
  key: ({ timeline }) => timeline.addKey(),
  picture: async (viewer) => {
    const picture = await viewer.takePicture(viewer.settings.value.pictureScale);
    if (!picture) return;
    savePicture(picture, viewer.state.value.title);
    viewer.notices.say("The picture is saved");
  },
  link: async ({ controls, notices }) => notices.say(await copyLink(controls.pose())),
  compare: ({ state, compare, manifest }) => {
    if (state.value.comparable || state.value.comparing !== "no") compare.toggle(manifest);
  },
  headset: (viewer) => {
    viewer.presence.open();
    if (viewer.renderer && viewer.state.value.headset !== "absent") viewer.headset.toggle(viewer.renderer);
  },
  fullScreen: async ({ host, notices }) => {
    if (document.fullscreenElement) await document.exitFullscreen();
    else if (host.requestFullscreen) await host.requestFullscreen();
    else notices.say("This browser has no full screen for parts of a page");
  },
  help: ({ toolbar }) => toolbar.toggleHelp(),
};

/**
 * @param {Viewer} viewer
 * @param {string} key  in lower case
 * @returns {boolean} whether it meant something
 */
export function runKey(viewer, key) {
  const command = commandOf(key);
  if (!command) return false;
  if (command.name === "look") viewer.set({ look: LOOKS[Number(key) - 1][0] });
  else if (command.name === "close") return viewer.toolbar.closePanels();
  else run(viewer, command.name);
  return true;
}

/**
 * @param {Viewer} viewer
 * @param {CommandName} command
 */
export function run(viewer, command) {
  ACTIONS[command]?.(viewer);
}
