/**
 * A viewer in a frame, spoken to by the page around it with `postMessage` (docs/embedding.md).
 *
 * To the viewer: `{ivid: "setCamera", camera, fly}` and `{ivid: "takePicture", scale, id}`. From it: `{ivid: "load", title,
 * views}`, `{ivid: "view", nearest, camera}`, and `{ivid: "picture", id, picture}`, or `{ivid: "picture", id, error}`.
 */

import { readPose } from "./camera.js";

/** @param {import("./viewer.js").Viewer} viewer */
export function answerParent(viewer) {
  const { parent } = window;
  if (parent === window) return;
  /** @param {object} message  nothing in it is a secret: whoever frames the page has the scene */
  const tell = (message) => parent.postMessage(message, "*");
  viewer.host.addEventListener("ivid-load", (event) => {
    tell({ ivid: "load", .../** @type {CustomEvent} */ (event).detail });
  });
  viewer.host.addEventListener("ivid-camera", (event) => {
    const { nearest, pose } = /** @type {CustomEvent} */ (event).detail;
    tell({ ivid: "view", nearest, camera: pose });
  });
  window.addEventListener("message", async ({ data, source }) => {
    if (source !== parent || typeof data !== "object" || !data) return;
    if (data.ivid === "setCamera") viewer.setCamera(readPose(data.camera), { fly: data.fly !== false });
    if (data.ivid !== "takePicture") return;
    const scale = Math.min(Math.max(Math.round(Number(data.scale)) || 1, 1), 4);
    const picture = await viewer.takePicture(scale).catch(() => null);
    tell({ ivid: "picture", id: data.id, ...(picture ? { picture } : { error: "nothing can be drawn here" }) });
  });
}
