/**
 * Fusion rendering (method §5) in WebGL2: every view's mesh into a target of its own with its own depth test, a few at
 * a time; then one pass over the picture adds the batch to what is there, and the last one divides.
 */

import { projection } from "../camera.js";
import { Matrix3, Matrix4 } from "../vendor/three/three.core.min.js";
import { bindTexture, createFramebuffer, createProgram, createTarget, createTexture, deleteTarget } from "./gl.js";
import { pointFragment, wireFragment } from "./shaders/cloud.js";
import { anchorFragment, meshFragment, meshVertex, quickFragment } from "./shaders/mesh.js";
import { resolveFragment, screenVertex } from "./shaders/screen.js";

/** @typedef {import("./gl.js").Target} Target */
/** @typedef {import("./gl.js").Program} Program */
/** @typedef {import("./views.js").Views} Views */
/** @typedef {import("./views.js").StoredView} StoredView */
/** @typedef {"fused" | "depth" | "normals" | "nearest" | "points" | "mesh"} Look */
/**
 * @typedef {object} Frame  what is to be drawn, and how
 * @property {Matrix4} worldToView
 * @property {Matrix4 | null} projection  null: from `fov`
 * @property {number} fov degrees
 * @property {number} width pixels
 * @property {number} height pixels
 * @property {{x: number, y: number}} shift  of the picture, in pixels
 * @property {import("../camera.js").Tile} [tile]  of a larger picture
 * @property {number} inset  the share of the height that tools cover at the bottom: the scene stands above them
 * @property {{index: number, gain: number}[]} selection  the views to blend and their shares
 * @property {import("../camera.js").Anchor | null} anchor  the view to lay over the fused picture
 * @property {Look} look
 * @property {boolean} exact  the method's picture and nothing else: nearest texels, hard rims, black behind
 * @property {boolean} quick  shaded at the vertices, for a picture in motion
 * @property {number} pointSize  pixels a source pixel takes when seen from as far as its own camera saw it
 * @property {Backdrop} backdrop
 */
/** @typedef {{bottom: [number, number, number], top: [number, number, number]}} Backdrop */

const BATCH_BYTES = 48e6;
/** @type {Backdrop} */
const BLACK = { bottom: [0, 0, 0], top: [0, 0, 0] };
const SHOWN = { fused: 0, nearest: 0, depth: 1, normals: 2, points: 0, mesh: 0 };

export class Fusion {
  /**
   * @param {WebGL2RenderingContext} gl
   * @param {Views} views  what is drawn
   */
  constructor(gl, views) {
    if (!gl.getExtension("EXT_color_buffer_float") && !gl.getExtension("EXT_color_buffer_half_float")) {
      throw new Error("this graphics card cannot draw to float textures");
    }
    this.gl = gl;
    this.views = views;
    this.meshProgram = createProgram(gl, meshVertex, meshFragment);
    this.quickProgram = createProgram(gl, meshVertex, quickFragment, ["QUICK"]);
    this.resolveProgram = createProgram(gl, screenVertex, resolveFragment);
    this.anchorProgram = createProgram(gl, meshVertex, anchorFragment);
    this.pointProgram = createProgram(gl, meshVertex, pointFragment, ["POINTS"]);
    this.wireProgram = createProgram(gl, meshVertex, wireFragment, ["WIRE"]);
    this.width = 0;
    this.height = 0;
    /** @type {WebGLTexture | null} */
    this.batch = null;
    /** @type {WebGLFramebuffer[]} */
    this.batchTargets = [];
    /** @type {Target[]} */
    this.sums = [];
    /** @type {Target | null} */
    this.anchor = null;
    /** @type {WebGLRenderbuffer | null} */
    this.depthBuffer = null;
  }

  /**
   * Room for pictures of up to this size.
   *
   * @param {number} width
   * @param {number} height
   */
  resize(width, height) {
    if (width === this.width && height === this.height) return;
    const { gl } = this;
    this.freeTargets();
    this.width = width;
    this.height = height;
    const layers = Math.min(Math.max(Math.floor(BATCH_BYTES / (width * height * 8)), 2), 8);
    this.depthBuffer = /** @type {WebGLRenderbuffer} */ (gl.createRenderbuffer());
    gl.bindRenderbuffer(gl.RENDERBUFFER, this.depthBuffer);
    gl.renderbufferStorage(gl.RENDERBUFFER, gl.DEPTH_COMPONENT24, width, height);
    const batch = createTexture(gl, gl.TEXTURE_2D_ARRAY, gl.RGBA16F, width, height, layers);
    this.batch = batch;
    this.batchTargets = Array.from({ length: layers }, (_, k) =>
      createFramebuffer(gl, batch, k, /** @type {WebGLRenderbuffer} */ (this.depthBuffer)),
    );
  }

  freeTargets() {
    const { gl } = this;
    for (const framebuffer of this.batchTargets) gl.deleteFramebuffer(framebuffer);
    for (const target of this.sums) deleteTarget(gl, target);
    deleteTarget(gl, this.anchor);
    this.anchor = null;
    gl.deleteTexture(this.batch);
    gl.deleteRenderbuffer(this.depthBuffer);
    this.sums = [];
    this.batchTargets = [];
    this.width = this.height = 0;
  }

  /**
   * Draws a frame in steps of about one view's cost, so that a caller can stop between them.
   *
   * @param {Frame} frame
   * @param {WebGLFramebuffer} output  RGBA8 of at least the frame's size; alpha becomes 1 where something is seen
   * @returns {Generator<void, void>}
   */
  *draw(frame, output) {
    if (frame.anchor && !this.views.has(frame.anchor.index)) frame = { ...frame, anchor: null };
    const selection = frame.selection.filter(({ index }) => this.views.has(index));
    if (frame.look === "points" || frame.look === "mesh") {
      yield* this.drawCloud(frame, selection, output);
      return;
    }
    if (frame.anchor) {
      this.drawAnchor(frame, frame.anchor);
      yield;
    }
    const layers = this.batchTargets.length;
    let sum = 0;
    for (let done = 0; done === 0 || done < selection.length; done += layers) {
      const batch = selection.slice(done, done + layers);
      for (let k = 0; k < batch.length; k++) {
        this.drawView(frame, batch[k].index, batch[k].gain, this.batchTargets[k]);
        yield;
      }
      const last = done + layers >= selection.length;
      this.resolve(frame, batch.length, done === 0, last, sum, last ? output : this.sum(1 - sum).framebuffer);
      sum = 1 - sum;
    }
  }

  /**
   * The accumulators, made when first needed: up to eight views do without.
   *
   * @param {number} k
   */
  sum(k) {
    while (this.sums.length <= k) {
      this.sums.push(createTarget(this.gl, this.gl.RGBA32F, this.width, this.height));
    }
    return this.sums[k];
  }

  /**
   * @param {Frame} frame
   * @param {number} index
   * @param {number} gain
   * @param {WebGLFramebuffer} target
   */
  drawView(frame, index, gain, target) {
    const { gl } = this;
    const view = this.views.get(index);
    this.begin(frame, target);
    const { at } = this.useMesh(frame.quick ? this.quickProgram : this.meshProgram, frame, view, index);
    gl.uniform1i(at.size, this.views.size);
    gl.uniform1f(at.logGain, Math.log2(Math.max(gain, 1e-3) * view.decoded.trust));
    gl.uniform1i(at.shows, SHOWN[frame.look]);
    gl.uniform1i(at.smoothly, frame.exact ? 0 : 1);
    gl.uniformMatrix3fv(at.sourceToWorld, false, new Matrix3().setFromMatrix4(view.camera.viewToWorld).elements);
    this.setBackdrop(at, frame);
    this.drawTriangles(view, frame.quick);
  }

  /**
   * @param {Frame} frame
   * @param {import("../camera.js").Anchor} anchor
   */
  drawAnchor(frame, { index, weight, edgeWeight }) {
    const { gl } = this;
    const view = this.views.get(index);
    if (!this.anchor) {
      const texture = createTexture(gl, gl.TEXTURE_2D, gl.RGBA16F, this.width, this.height);
      const depth = /** @type {WebGLRenderbuffer} */ (this.depthBuffer);
      const framebuffer = createFramebuffer(gl, texture, null, depth);
      this.anchor = { texture, framebuffer, width: this.width, height: this.height };
    }
    this.begin(frame, this.anchor.framebuffer);
    const { at } = this.useMesh(this.anchorProgram, frame, view, index);
    gl.uniform1i(at.size, this.views.size);
    gl.uniform1f(at.threshold, view.decoded.edgeThreshold);
    gl.uniform1f(at.weight, weight);
    gl.uniform1f(at.edgeWeight, edgeWeight);
    this.drawTriangles(view, frame.quick);
  }

  /**
   * Clears a target, to be drawn to with its own depth test.
   *
   * @param {Frame} frame
   * @param {WebGLFramebuffer} target
   */
  begin(frame, target) {
    const { gl } = this;
    gl.bindFramebuffer(gl.FRAMEBUFFER, target);
    gl.viewport(0, 0, frame.width, frame.height);
    gl.disable(gl.BLEND);
    gl.disable(gl.CULL_FACE);
    gl.enable(gl.DEPTH_TEST);
    gl.depthFunc(gl.LESS);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
  }

  /**
   * @param {StoredView} view
   * @param {boolean} quick
   */
  drawTriangles(view, quick) {
    const { gl } = this;
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, quick ? view.quickTriangles : view.triangles);
    gl.drawElements(gl.TRIANGLES, quick ? view.quickCount : view.count, view.indexType, 0);
  }

  /**
   * @param {Program} program
   * @param {Frame} frame
   * @param {StoredView} view
   * @param {number} index
   */
  useMesh(program, frame, view, index) {
    const { gl } = this;
    const clip =
      frame.projection ?? projection(frame.fov, frame.width, frame.height, frame.shift, frame.tile, frame.inset);
    const clipFromSource = new Matrix4().multiplyMatrices(clip, frame.worldToView).multiply(view.camera.viewToWorld);
    gl.useProgram(program.handle);
    bindTexture(gl, 0, gl.TEXTURE_2D_ARRAY, this.views.vertexData);
    bindTexture(gl, 1, gl.TEXTURE_2D_ARRAY, this.views.colours);
    gl.uniform1i(program.at.vertexData, 0);
    gl.uniform1i(program.at.colours, 1);
    gl.uniform1i(program.at.layer, index);
    gl.uniform1i(program.at.side, this.views.size + 2);
    gl.uniform1f(program.at.pad, this.views.pad);
    gl.uniform1f(program.at.focal, view.camera.focal);
    gl.uniformMatrix4fv(program.at.clipFromSource, false, clipFromSource.elements);
    return program;
  }

  /**
   * @param {Record<string, WebGLUniformLocation>} at
   * @param {Frame} frame
   */
  setBackdrop(at, frame) {
    const { gl } = this;
    const { bottom, top } = frame.exact ? BLACK : frame.backdrop;
    const { count, y } = frame.tile ?? { count: 1, y: 0 };
    /** @param {number} t */
    const mixed = (t) => bottom.map((value, k) => value + (top[k] - value) * t);
    gl.uniform3fv(at.background, mixed(y / count));
    gl.uniform3fv(at.backgroundFar, mixed((y + 1) / count));
    gl.uniform1f(at.targetHeight, frame.height);
  }

  /**
   * @param {Frame} frame
   * @param {number} count
   * @param {boolean} first
   * @param {boolean} last
   * @param {number} sum  which accumulator holds the earlier batches
   * @param {WebGLFramebuffer} output
   */
  resolve(frame, count, first, last, sum, output) {
    const { gl } = this;
    const { handle, at } = this.resolveProgram;
    gl.bindFramebuffer(gl.FRAMEBUFFER, output);
    gl.viewport(0, 0, frame.width, frame.height);
    gl.disable(gl.DEPTH_TEST);
    gl.useProgram(handle);
    bindTexture(gl, 0, gl.TEXTURE_2D_ARRAY, this.batch);
    bindTexture(gl, 1, gl.TEXTURE_2D, first ? null : this.sum(sum).texture);
    bindTexture(gl, 2, gl.TEXTURE_2D, frame.anchor && last ? (this.anchor?.texture ?? null) : null);
    gl.uniform1i(at.views, 0);
    gl.uniform1i(at.before, 1);
    gl.uniform1i(at.anchor, 2);
    gl.uniform1i(at.anchored, frame.anchor ? 1 : 0);
    gl.uniform1i(at.count, count);
    gl.uniform1i(at.first, first ? 1 : 0);
    gl.uniform1i(at.last, last ? 1 : 0);
    gl.uniform1i(at.shows, SHOWN[frame.look]);
    gl.uniform1i(at.exact, frame.exact ? 1 : 0);
    const [near, far] = this.views.depthRange;
    gl.uniform2f(at.inverseDepths, 1 / far, 1 / near);
    this.setBackdrop(at, frame);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  /**
   * Points of the views, or the wireframes of their meshes, without fusion.
   *
   * @param {Frame} frame
   * @param {{index: number, gain: number}[]} selection
   * @param {WebGLFramebuffer} output
   */
  *drawCloud(frame, selection, output) {
    const { gl } = this;
    this.resolve({ ...frame, anchor: null }, 0, true, true, 0, output);
    gl.bindFramebuffer(gl.FRAMEBUFFER, output);
    gl.framebufferRenderbuffer(gl.FRAMEBUFFER, gl.DEPTH_ATTACHMENT, gl.RENDERBUFFER, this.depthBuffer);
    gl.clear(gl.DEPTH_BUFFER_BIT);
    for (const { index } of selection) {
      const view = this.views.get(index);
      gl.bindFramebuffer(gl.FRAMEBUFFER, output);
      gl.viewport(0, 0, frame.width, frame.height);
      gl.enable(gl.DEPTH_TEST);
      if (frame.look === "mesh") this.drawWire(frame, view, index);
      else {
        const { at } = this.useMesh(this.pointProgram, frame, view, index);
        gl.uniform1f(at.pointSize, frame.pointSize);
        gl.drawArrays(gl.POINTS, 0, this.views.size ** 2);
      }
      yield;
    }
    gl.bindFramebuffer(gl.FRAMEBUFFER, output);
    gl.framebufferRenderbuffer(gl.FRAMEBUFFER, gl.DEPTH_ATTACHMENT, gl.RENDERBUFFER, null);
  }

  /**
   * @param {Frame} frame
   * @param {StoredView} view
   * @param {number} index
   */
  drawWire(frame, view, index) {
    const { gl } = this;
    const { handle, at } = this.useMesh(this.wireProgram, frame, view, index);
    this.setBackdrop(at, frame);
    const { buffer, count } = this.views.wireOf(view);
    const corner = gl.getAttribLocation(handle, "index");
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.enableVertexAttribArray(corner);
    gl.vertexAttribIPointer(corner, 1, gl.UNSIGNED_INT, 0, 0);
    gl.drawArrays(gl.TRIANGLES, 0, count);
    gl.disableVertexAttribArray(corner);
  }

  dispose() {
    this.freeTargets();
    const { meshProgram, quickProgram, anchorProgram, resolveProgram, pointProgram, wireProgram } = this;
    for (const { handle } of [meshProgram, quickProgram, anchorProgram, resolveProgram, pointProgram, wireProgram]) {
      this.gl.deleteProgram(handle);
    }
  }
}
