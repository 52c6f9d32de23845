/** The views of a scene that have arrived, by their place in the order of making. */

import { nearestViews, worldToView } from "../camera.js";
import { Vector3 } from "../vendor/three/three.core.min.js";

/** @typedef {import("../camera.js").SourceCamera} SourceCamera */
/** @typedef {import("../protocol.js").DecodedView} DecodedView */
/** @typedef {{view: DecodedView, camera: SourceCamera, born: number, preview: boolean}} Held */

/** @extends {Map<number, Held>} */
export class HeldViews extends Map {
  /** @returns {SourceCamera[]} in no order a caller should rely on */
  cameras() {
    return [...this.values()].map(({ camera }) => camera);
  }

  /** @returns {Set<number>} those that are no previews */
  finished() {
    return new Set([...this].filter(([, { preview }]) => !preview).map(([index]) => index));
  }

  /**
   * The views nearest to a camera, the nearest first.
   *
   * @param {import("../vendor/three/three.core.min.js").Matrix4} viewToWorld
   * @returns {{index: number, distance: number}[]}
   */
  nearestTo(viewToWorld) {
    const indices = [...this.keys()];
    const eye = new Vector3().setFromMatrixPosition(viewToWorld);
    const backward = new Vector3().setFromMatrixColumn(viewToWorld, 2);
    return nearestViews(this.cameras(), eye, backward).map(({ index, distance }) => ({
      index: indices[index],
      distance,
    }));
  }

  /** @param {import("../camera.js").Pose} pose */
  nearest(pose) {
    return this.nearestTo(worldToView(pose).invert());
  }
}
