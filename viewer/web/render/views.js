/** The views on the graphics card: two textures for all of them, a layer each, and the triangles of each. */

import { coarsen } from "./coarse.js";
import { bindTexture, createTexture } from "./gl.js";
import { buildMesh, surfaceTriangles } from "./mesh.js";

/** @typedef {import("../camera.js").SourceCamera} SourceCamera */
/** @typedef {import("../protocol.js").DecodedView} DecodedView */
/**
 * @typedef {object} StoredView  what is drawn of a view; the rest is in its layer of the textures
 * @property {SourceCamera} camera
 * @property {WebGLBuffer} triangles
 * @property {number} count  of indices
 * @property {WebGLBuffer} quickTriangles  for a picture in motion: the same, or fewer
 * @property {number} quickCount
 * @property {number} indexType
 * @property {{buffer: WebGLBuffer, count: number} | null} wire
 * @property {DecodedView} decoded  kept for the wireframe, and for when more room is made
 */

const QUICK_TRIANGLES = 9000; // of a view in motion, where the processor draws

export class Views {
  /**
   * @param {WebGL2RenderingContext} gl
   * @param {boolean} thrifty  whether pictures in motion make do with fewer triangles
   */
  constructor(gl, thrifty) {
    this.gl = gl;
    this.thrifty = thrifty;
    /** @type {Map<number, StoredView>} */
    this.stored = new Map();
    this.size = 0;
    this.capacity = 0;
    this.pad = 0; // see Mesh
    this.depthRange = /** @type {[number, number]} */ ([0.6, 5]);
    /** @type {WebGLTexture | null} */
    this.vertexData = null;
    /** @type {WebGLTexture | null} */
    this.colours = null;
  }

  /**
   * Make room for a scene; views of another size are dropped.
   *
   * @param {number} size  S of the views
   * @param {number} capacity  how many views to expect
   * @param {[number, number]} depthRange
   */
  reserve(size, capacity, depthRange) {
    const { gl } = this;
    this.depthRange = depthRange;
    if (size === this.size && capacity <= this.capacity) return;
    const kept = size === this.size ? [...this.stored] : [];
    this.clear();
    gl.deleteTexture(this.vertexData);
    gl.deleteTexture(this.colours);
    this.size = size;
    this.capacity = Math.max(capacity, 1);
    this.vertexData = createTexture(gl, gl.TEXTURE_2D_ARRAY, gl.RGBA32F, size + 2, size + 2, this.capacity);
    this.colours = createTexture(gl, gl.TEXTURE_2D_ARRAY, gl.RGBA8, size, size, this.capacity, gl.LINEAR);
    for (const [index, view] of kept) this.set(index, view.decoded, view.camera);
  }

  /** @param {number} index */
  has(index) {
    return this.stored.has(index);
  }

  /**
   * @param {number} index
   * @returns {StoredView} of a view that is here
   */
  get(index) {
    return /** @type {StoredView} */ (this.stored.get(index));
  }

  clear() {
    for (const index of [...this.stored.keys()]) this.drop(index);
  }

  /** @param {number} index */
  drop(index) {
    const view = this.stored.get(index);
    if (!view) return;
    this.gl.deleteBuffer(view.triangles);
    this.gl.deleteBuffer(view.quickTriangles);
    this.gl.deleteBuffer(view.wire?.buffer ?? null);
    this.stored.delete(index);
  }

  /**
   * @param {number} index
   * @param {DecodedView} decoded
   * @param {SourceCamera} camera
   */
  set(index, decoded, camera) {
    const { gl } = this;
    this.drop(index);
    const options = { threshold: decoded.edgeThreshold, mask: decoded.mask };
    const mesh = buildMesh(decoded.depth, decoded.size, camera.focal, options);
    this.pad = mesh.pad;
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 4);
    gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
    gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
    bindTexture(gl, 0, gl.TEXTURE_2D_ARRAY, this.vertexData);
    gl.texSubImage3D(gl.TEXTURE_2D_ARRAY, 0, 0, 0, index, mesh.side, mesh.side, 1, gl.RGBA, gl.FLOAT, mesh.vertices);
    bindTexture(gl, 1, gl.TEXTURE_2D_ARRAY, this.colours);
    const [s, colour] = [this.size, decoded.colour];
    gl.texSubImage3D(gl.TEXTURE_2D_ARRAY, 0, 0, 0, index, s, s, 1, gl.RGBA, gl.UNSIGNED_BYTE, colour);
    const quick = this.thrifty ? coarsen(mesh, QUICK_TRIANGLES) : mesh.indices;
    const triangles = this.indexBuffer(mesh.indices);
    this.stored.set(index, {
      camera,
      triangles,
      count: mesh.indices.length,
      quickTriangles: quick === mesh.indices ? triangles : this.indexBuffer(quick),
      quickCount: quick.length,
      indexType: mesh.indices instanceof Uint32Array ? gl.UNSIGNED_INT : gl.UNSIGNED_SHORT,
      wire: null,
      decoded,
    });
  }

  /** @param {Uint16Array | Uint32Array} indices */
  indexBuffer(indices) {
    const { gl } = this;
    const buffer = gl.createBuffer();
    gl.bindVertexArray(null);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, indices, gl.STATIC_DRAW);
    return buffer;
  }

  /**
   * The vertices of the triangles that are surface, three each: for the wireframe.
   *
   * @param {StoredView} view
   */
  wireOf(view) {
    if (view.wire) return view.wire;
    const { gl } = this;
    const { decoded, camera } = view;
    const mesh = buildMesh(decoded.depth, decoded.size, camera.focal, {
      threshold: decoded.edgeThreshold,
      mask: decoded.mask,
    });
    const corners = Uint32Array.from(surfaceTriangles(mesh));
    const buffer = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, corners, gl.STATIC_DRAW);
    view.wire = { buffer, count: corners.length };
    return view.wire;
  }

  dispose() {
    this.clear();
    this.gl.deleteTexture(this.vertexData);
    this.gl.deleteTexture(this.colours);
  }
}
