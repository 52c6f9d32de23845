/** From frames to the screen: quick frames while something moves, a supersampled one when still, a soft change between. */

import { Fusion } from "./fusion.js";
import { bindTexture, createFramebuffer, createProgram, createTarget, createTexture, deleteTarget } from "./gl.js";
import { lanczosFragment, presentFragment, screenVertex } from "./shaders/screen.js";
import { Views } from "./views.js";

/** @typedef {import("./gl.js").Target} Target */
/** @typedef {import("./fusion.js").Frame} Frame */
/** @typedef {{target: Target, width: number, height: number}} Picture */

const FRAMES_BYTES = 80e6;

export class Compositor {
  /**
   * @param {WebGL2RenderingContext} gl
   * @param {boolean} thrifty  see Views
   */
  constructor(gl, thrifty) {
    this.gl = gl;
    this.views = new Views(gl, thrifty);
    this.fusion = new Fusion(gl, this.views);
    this.lanczosProgram = createProgram(gl, screenVertex, lanczosFragment);
    this.presentProgram = createProgram(gl, screenVertex, presentFragment);
    /** @type {Target[]} */
    this.targets = [];
    /** @type {{texture: WebGLTexture, factor: number, framebuffers: WebGLFramebuffer[], rows: Target} | null} */
    this.frames = null;
    /** @type {Picture | null} */
    this.shown = null;
    /** @type {Picture | null} */
    this.next = null;
  }

  /**
   * @param {number} width
   * @param {number} height
   */
  resize(width, height) {
    if (this.targets.length && this.targets[0].width === width && this.targets[0].height === height) return;
    this.freeTargets();
    this.fusion.resize(width, height);
    for (let k = 0; k < 3; k++) {
      this.targets.push(createTarget(this.gl, this.gl.RGBA8, width, height, this.gl.LINEAR));
    }
  }

  freeTargets() {
    for (const target of this.targets) deleteTarget(this.gl, target);
    this.targets = [];
    this.shown = this.next = null;
    this.freeFrames();
  }

  freeFrames() {
    if (!this.frames) return;
    for (const framebuffer of this.frames.framebuffers) this.gl.deleteFramebuffer(framebuffer);
    this.gl.deleteTexture(this.frames.texture);
    deleteTarget(this.gl, this.frames.rows);
    this.frames = null;
  }

  /** A target that is neither on screen nor about to be. */
  free() {
    const busy = [this.shown?.target, this.next?.target];
    return /** @type {Target} */ (this.targets.find((target) => !busy.includes(target)));
  }

  /**
   * Draws a frame at once and makes it the picture on screen.
   *
   * @param {Frame} frame
   */
  drawNow(frame) {
    const target = this.free();
    for (const _ of this.fusion.draw(frame, target.framebuffer));
    this.next = null;
    this.shown = { target, width: frame.width, height: frame.height };
  }

  /**
   * Draws a frame in steps. The first picture is one sample a pixel; `choose` then says how many a side to take, given
   * the milliseconds it took; the second picture is their Lanczos reduction.
   *
   * @param {Frame} frame
   * @param {() => number} choose
   * @returns {Generator<"step" | "picture", void>}
   */
  *refine(frame, choose) {
    const first = this.free();
    for (const _ of this.fusion.draw(frame, first.framebuffer)) yield "step";
    this.next = { target: first, width: frame.width, height: frame.height };
    yield "picture";
    const factor = this.affordable(choose(), frame);
    if (factor < 2) return;
    const frames = this.framesFor(factor, frame.width, frame.height);
    for (let k = 0; k < factor * factor; k++) {
      const shift = { x: 0.5 - ((k % factor) + 0.5) / factor, y: 0.5 - (Math.floor(k / factor) + 0.5) / factor };
      for (const _ of this.fusion.draw({ ...frame, shift }, frames.framebuffers[k])) yield "step";
    }
    const target = this.free();
    this.reduce(frame, target);
    this.next = { target, width: frame.width, height: frame.height };
    yield "picture";
  }

  /**
   * @param {number} wanted
   * @param {Frame} frame
   */
  affordable(wanted, frame) {
    let factor = wanted;
    while (factor > 1 && factor * factor * frame.width * frame.height * 4 > FRAMES_BYTES) factor--;
    return factor;
  }

  /**
   * @param {number} factor
   * @param {number} width
   * @param {number} height
   */
  framesFor(factor, width, height) {
    if (this.frames?.factor === factor) return this.frames;
    this.freeFrames();
    const { gl } = this;
    const texture = createTexture(gl, gl.TEXTURE_2D_ARRAY, gl.RGBA8, width, height, factor * factor);
    const framebuffers = Array.from({ length: factor * factor }, (_, k) => createFramebuffer(gl, texture, k));
    this.frames = { texture, factor, framebuffers, rows: createTarget(gl, gl.RGBA8, width, height * factor) };
    return this.frames;
  }

  /**
   * @param {Frame} frame
   * @param {Target} output
   */
  reduce(frame, output) {
    const { gl } = this;
    const { texture, factor, rows } = /** @type {NonNullable<Compositor["frames"]>} */ (this.frames);
    const { handle, at } = this.lanczosProgram;
    gl.useProgram(handle);
    gl.disable(gl.DEPTH_TEST);
    bindTexture(gl, 0, gl.TEXTURE_2D_ARRAY, texture);
    gl.uniform1i(at.frames, 0);
    gl.uniform1i(at.rows, 1);
    gl.uniform1i(at.factor, factor);
    for (const vertical of [false, true]) {
      bindTexture(gl, 1, gl.TEXTURE_2D, vertical ? rows.texture : null);
      gl.uniform1i(at.vertical, vertical ? 1 : 0);
      gl.uniform1i(at.extent, (vertical ? frame.height : frame.width) * factor);
      gl.bindFramebuffer(gl.FRAMEBUFFER, vertical ? output.framebuffer : rows.framebuffer);
      gl.viewport(0, 0, frame.width, vertical ? frame.height : frame.height * factor);
      gl.drawArrays(gl.TRIANGLES, 0, 3);
    }
  }

  /**
   * Puts the picture on screen, `progress` of the way to the next one.
   *
   * @param {number} progress 0 to 1
   * @param {number} width  of the canvas
   * @param {number} height
   * @param {{framebuffer: WebGLFramebuffer | null, x: number, y: number}} [place]  elsewhere than on the canvas
   */
  present(progress, width, height, { framebuffer, x, y } = { framebuffer: null, x: 0, y: 0 }) {
    const { gl } = this;
    const next = this.next ?? this.shown;
    const shown = this.shown ?? next;
    if (!next || !shown) return;
    const { handle, at } = this.presentProgram;
    gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
    gl.viewport(x, y, width, height);
    gl.disable(gl.DEPTH_TEST);
    gl.useProgram(handle);
    bindTexture(gl, 0, gl.TEXTURE_2D, shown.target.texture);
    bindTexture(gl, 1, gl.TEXTURE_2D, next.target.texture);
    gl.uniform1i(at.shown, 0);
    gl.uniform1i(at.next, 1);
    gl.uniform1f(at.progress, this.next ? progress : 1);
    gl.uniform4f(at.place, x, y, width, height);
    gl.uniform2f(at.shownPart, shown.width / shown.target.width, shown.height / shown.target.height);
    gl.uniform2f(at.nextPart, next.width / next.target.width, next.height / next.target.height);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    if (this.next && progress >= 1) {
      this.shown = this.next;
      this.next = null;
    }
  }

  dispose() {
    this.freeTargets();
    this.fusion.dispose();
    this.views.dispose();
    this.gl.deleteProgram(this.lanczosProgram.handle);
    this.gl.deleteProgram(this.presentProgram.handle);
  }
}
