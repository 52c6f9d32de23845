/** About how large a file will be, before it is made. */

/**
 * @typedef {object} Size  see `Size` in `ivid/page/knobs.py`
 * @property {"surface" | "views" | "frames" | "sides" | "picture"} what
 * @property {number} each
 * @property {number} fixed
 * @property {number} grow
 * @property {number} power
 * @property {number} far
 * @property {number} triangle
 */

const COARSENESS = { fine: 0.7, normal: 1, coarse: 2 }; // of the voxels, by detail

/**
 * @param {Size | null} size
 * @param {{size: number, views: unknown[]} | null | undefined} scene
 * @param {(knob: string) => any} wish
 * @returns {number | null}  null where it cannot be said
 */
export function bytes(size, scene, wish) {
  if (!size || !scene?.size) return null;
  const pixels = scene.size ** 2;
  const views = scene.views.length;
  const coarseness = COARSENESS[/** @type {keyof typeof COARSENESS} */ (wish("detail"))];
  const amounts = {
    surface: (pixels * (1 + size.grow * (views - 1)) * (wish("background") ? size.far : 1)) / coarseness ** size.power,
    views: pixels * views,
    frames: wish("video_size") ** 2 * wish("seconds") * wish("fps"),
    sides: wish("video_size") * wish("seconds") * wish("fps"),
    picture: wish("picture_size") ** 2,
  };
  const most = wish("triangles") && size.triangle ? wish("triangles") * size.triangle : Number.POSITIVE_INFINITY;
  return size.fixed + Math.min(size.each * amounts[size.what], most);
}

/** @param {number} bytes */
export function readable(bytes) {
  if (bytes < 950_000) return `${Math.max(1, Math.round(bytes / 1000))} kB`;
  return `${(bytes / 1e6).toFixed(bytes < 9.5e6 ? 1 : 0)} MB`;
}
