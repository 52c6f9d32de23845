/** A scene as one HTML file (viewer/html.py), from the template that stands in the site. */

import { manifestOf, titleOf } from "./scene.js";
import { packView } from "./view_file.js";

const TITLE_PLACE = "@ivid-title@";
const SCENE_PLACE = "@ivid-scene@";

/**
 * @param {import("./scene.js").Scene} scene
 * @param {string} template
 */
export function scenePage(scene, template) {
  const urls = scene.views.map((view) => dataUrl(packView(view, scene.size, scene.depthRange)));
  const manifest = JSON.stringify(manifestOf(scene, urls)).replaceAll("</", "<\\/");
  const title = titleOf(scene).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
  return template.split(TITLE_PLACE).join(title).split(SCENE_PLACE).join(manifest);
}

/** @param {Uint8Array} bytes */
export function dataUrl(bytes) {
  let text = "";
  for (let k = 0; k < bytes.length; k += 0x8000) text += String.fromCharCode(...bytes.subarray(k, k + 0x8000));
  return `data:application/octet-stream;base64,${btoa(text)}`;
}
