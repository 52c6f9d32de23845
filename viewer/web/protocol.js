/**
 * Reading what the server sends: view files (the layout is in viewer/wire.py) and manifests.
 */

/**
 * @typedef {object} CameraEntry
 * @property {number[]} world_to_view  16 numbers, row by row
 * @property {number} fov_y_deg
 */
/** @typedef {CameraEntry & {url: string}} ViewEntry */
/** @typedef {CameraEntry & {url: string, step: number, steps: number}} PreviewEntry */
/**
 * @typedef {object} Keyframe
 * @property {number} t  when, 0 to 1 of the way
 * @property {number} yaw radians
 * @property {number} pitch radians
 * @property {number} radius
 * @property {number} x  of the point looked at, as y and z
 * @property {number} y
 * @property {number} z
 * @property {number} fov degrees
 */
/**
 * @typedef {object} Manifest
 * @property {string} [id]  of the scene: a manifest with the same one continues it, whatever its URLs
 * @property {string} title
 * @property {number} size
 * @property {[number, number]} depth_range
 * @property {ViewEntry[]} views
 * @property {CameraEntry[]} planned
 * @property {PreviewEntry | null} preview
 * @property {Keyframe[]} keyframes
 */
/**
 * @typedef {object} DecodedView
 * @property {number} size
 * @property {ImageBitmap} colour
 * @property {Float32Array} depth  [S·S] metres, top row first
 * @property {number} edgeThreshold  depths that differ by more, in metres and in 1/metres, are of two surfaces
 * @property {Uint8Array | null} mask  [S·S] 0 for pixels that are left out; null: none is
 * @property {number} trust  from 1e-6 to 1: what the view's weights are multiplied by
 */

const HEADER_BYTES = 36;

/**
 * @param {ArrayBuffer} content a view file
 * @returns {Promise<DecodedView>}
 */
export async function decodeView(content) {
  const header = new DataView(content);
  if (content.byteLength < HEADER_BYTES || header.getUint32(0) !== 0x49565732) throw new Error("not a view file");
  const size = header.getUint16(4, true);
  const step = header.getUint16(6, true);
  const near = header.getFloat32(8, true);
  const far = header.getFloat32(12, true);
  const edgeThreshold = header.getFloat32(16, true);
  const trust = header.getFloat32(20, true);
  const colourBytes = header.getUint32(24, true);
  const depthBytes = header.getUint32(28, true);
  const maskBytes = header.getUint32(32, true);
  const maskAt = HEADER_BYTES + colourBytes + depthBytes;
  const whole = content.byteLength === maskAt + maskBytes;
  if (!size || !(near > 0) || !(far > near) || !(trust > 0 && trust <= 1) || !whole) {
    throw new Error("a damaged view file");
  }
  const picture = new Blob([new Uint8Array(content, HEADER_BYTES, colourBytes)]); // WebP or PNG, as its first bytes say
  const [colour, residual, bits] = await Promise.all([
    createImageBitmap(picture, { colorSpaceConversion: "none", premultiplyAlpha: "none" }),
    inflate(new Uint8Array(content, HEADER_BYTES + colourBytes, depthBytes)),
    maskBytes ? inflate(new Uint8Array(content, maskAt, maskBytes)) : null,
  ]);
  const complete = residual.length === 2 * size * size && (!bits || bits.length === Math.ceil((size * size) / 8));
  if (colour.width !== size || colour.height !== size || !complete) {
    throw new Error("a damaged view file");
  }
  const depth = decodeDepth(residual, size, step, near, far);
  return { size, colour, depth, mask: bits && unpackBits(bits, size * size), edgeThreshold, trust };
}

/**
 * @param {Uint8Array} bits  the highest of a byte first
 * @param {number} count
 */
export function unpackBits(bits, count) {
  return Uint8Array.from({ length: count }, (_, k) => (bits[k >> 3] >> (7 - (k & 7))) & 1);
}

/**
 * @param {Uint8Array} residual high bytes, then low bytes
 * @param {number} size
 * @param {number} step
 * @param {number} near
 * @param {number} far
 */
export function decodeDepth(residual, size, step, near, far) {
  const count = size * size;
  const codes = new Uint16Array(count);
  const depth = new Float32Array(count);
  for (let row = 0, k = 0; row < size; row++) {
    let sum = 0;
    for (let column = 0; column < size; column++, k++) {
      sum = (sum + (residual[k] << 8) + residual[count + k]) & 0xffff;
      const code = (sum + (row ? codes[k - size] : 0)) & 0xffff;
      codes[k] = code;
      const d = Math.min(Math.max((code * step) / 65535, 1e-6), 1 - 1e-6);
      depth[k] = (near * far) / (far - (far - near) * d);
    }
  }
  return depth;
}

/**
 * @param {Uint8Array<ArrayBuffer>} bytes a zlib stream
 */
export async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/**
 * A manifest, checked as far as the viewer relies on it.
 *
 * @param {any} value
 * @returns {Manifest}
 */
export function readManifest(value) {
  const content = typeof value === "string" ? JSON.parse(value) : value;
  if (content?.format !== "ivid-view-manifest") throw new Error("this is not a scene the viewer knows");
  if (content.version !== 1) throw new Error(`the scene has version ${content.version}, this viewer reads version 1`);
  /** @param {any} camera */
  const bad = (camera) =>
    !Array.isArray(camera?.world_to_view) ||
    camera.world_to_view.length !== 16 ||
    !camera.world_to_view.every(Number.isFinite) ||
    !(camera.fov_y_deg > 0 && camera.fov_y_deg < 180);
  const cameras = [...content.views, ...content.planned, ...(content.preview ? [content.preview] : [])];
  if (cameras.some(bad)) throw new Error("the scene has a camera that is no camera");
  return content;
}
