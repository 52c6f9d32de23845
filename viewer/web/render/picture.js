/** A picture of the scene to keep, without the tools around it. */

import { upright } from "./gl.js";

/**
 * The picture at `scale` times the canvas's resolution, in tiles, so that any card can do it.
 *
 * @param {import("./renderer.js").Renderer} renderer  one that is open
 * @param {import("../camera.js").Pose} pose
 * @param {number} scale  1 to 4
 * @returns {Promise<Blob | null>} a PNG, or null if the graphics context went away meanwhile
 */
export async function takePicture(renderer, pose, scale) {
  const { compositor, gl } = renderer;
  const { width, height } = renderer.canvas;
  const sheet = new OffscreenCanvas(width * scale, height * scale);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (sheet.getContext("2d"));
  const pixels = new Uint8ClampedArray(width * height * 4);
  for (let k = 0; k < scale * scale; k++) {
    const tile = { count: scale, x: k % scale, y: Math.floor(k / scale) };
    const frame = renderer.frame(pose, false, performance.now());
    const samples = renderer.exact ? 5 : renderer.budget.software ? 1 : 3;
    const picture = { ...frame, tile, inset: 0, pointSize: frame.pointSize * scale };
    for (const _ of compositor.refine(picture, () => samples));
    if (renderer.lost || !compositor.next) return null;
    gl.bindFramebuffer(gl.FRAMEBUFFER, compositor.next.target.framebuffer);
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
    context.putImageData(upright(pixels, width, height), tile.x * width, (scale - 1 - tile.y) * height);
    compositor.next = null;
    await new Promise((resolve) => setTimeout(resolve));
  }
  renderer.invalidate();
  return sheet.convertToBlob({ type: "image/png" });
}
