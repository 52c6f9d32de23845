/** Which point of the scene lies under a point of the picture. */

import { projection, worldToView } from "../camera.js";
import { Vector3, Vector4 } from "../vendor/three/three.core.min.js";

const STEPS = 200;

/**
 * Walks along the ray until it lies behind the surface that the nearest view saw there.
 *
 * @param {import("./renderer.js").Renderer} renderer
 * @param {import("../camera.js").Pose} pose
 * @param {number} x  0 to 1 from the left
 * @param {number} y  0 to 1 from the top
 * @returns {Vector3 | null} world coordinates
 */
export function surfacePoint(renderer, pose, x, y) {
  const held = renderer.held.get(renderer.held.nearest(pose)[0]?.index ?? -1);
  if (!held) return null;
  const { camera, view } = held;
  const { width, height } = renderer.canvas;
  const toWorld = worldToView(pose).invert();
  const toCamera = projection(pose.fov, width, height, undefined, undefined, renderer.inset).invert();
  const far = new Vector4(2 * x - 1, 1 - 2 * y, 1, 1).applyMatrix4(toCamera);
  const ray = new Vector3(far.x, far.y, far.z).divideScalar(-far.z);
  const [near, reach] = [renderer.depthRange[0] * 0.3, renderer.depthRange[1]];
  for (let k = 0; k <= STEPS; k++) {
    const depth = near * (reach / near) ** (k / STEPS);
    const point = ray.clone().multiplyScalar(depth).applyMatrix4(toWorld);
    const seen = point.clone().applyMatrix4(camera.worldToView);
    const column = Math.floor((0.5 + (camera.focal * seen.x) / -seen.z) * view.size);
    const row = Math.floor((0.5 - (camera.focal * seen.y) / -seen.z) * view.size);
    const inside = seen.z < 0 && column >= 0 && row >= 0 && column < view.size && row < view.size;
    const pixel = row * view.size + column;
    if (inside && (!view.mask || view.mask[pixel]) && -seen.z >= view.depth[pixel]) return point;
  }
  return null;
}
