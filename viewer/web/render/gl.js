/** Small helpers around WebGL2. */

/**
 * @typedef {object} Program
 * @property {WebGLProgram} handle
 * @property {Record<string, WebGLUniformLocation>} at  uniforms by name
 */
/**
 * @typedef {object} Target  a texture that can be drawn to
 * @property {WebGLTexture} texture
 * @property {WebGLFramebuffer} framebuffer
 * @property {number} width
 * @property {number} height
 */

/**
 * @param {WebGL2RenderingContext} gl
 * @param {string} vertex
 * @param {string} fragment
 * @param {string[]} [defines]
 * @returns {Program}
 */
export function createProgram(gl, vertex, fragment, defines = []) {
  const handle = gl.createProgram();
  const header = defines.map((name) => `#define ${name}\n`).join("");
  for (const [type, source] of /** @type {[number, string][]} */ ([
    [gl.VERTEX_SHADER, vertex],
    [gl.FRAGMENT_SHADER, fragment],
  ])) {
    const shader = /** @type {WebGLShader} */ (gl.createShader(type));
    gl.shaderSource(shader, source.replace("#version 300 es\n", `#version 300 es\n${header}`));
    gl.compileShader(shader);
    gl.attachShader(handle, shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost()) {
      throw new Error(`the graphics driver refused a shader: ${gl.getShaderInfoLog(shader)}`);
    }
    gl.deleteShader(shader);
  }
  gl.linkProgram(handle);
  if (!gl.getProgramParameter(handle, gl.LINK_STATUS) && !gl.isContextLost()) {
    throw new Error(`the graphics driver refused a program: ${gl.getProgramInfoLog(handle)}`);
  }
  /** @type {Record<string, WebGLUniformLocation>} */
  const at = {};
  const count = gl.getProgramParameter(handle, gl.ACTIVE_UNIFORMS) ?? 0;
  for (let k = 0; k < count; k++) {
    const info = /** @type {WebGLActiveInfo} */ (gl.getActiveUniform(handle, k));
    at[info.name] = /** @type {WebGLUniformLocation} */ (gl.getUniformLocation(handle, info.name));
  }
  return { handle, at };
}

/**
 * @param {WebGL2RenderingContext} gl
 * @param {number} target  TEXTURE_2D or TEXTURE_2D_ARRAY
 * @param {number} format
 * @param {number} width
 * @param {number} height
 * @param {number} [layers]
 * @param {number} [filter]
 */
export function createTexture(gl, target, format, width, height, layers = 1, filter = gl.NEAREST) {
  const texture = gl.createTexture();
  gl.bindTexture(target, texture);
  if (target === gl.TEXTURE_2D) gl.texStorage2D(target, 1, format, width, height);
  else gl.texStorage3D(target, 1, format, width, height, layers);
  gl.texParameteri(target, gl.TEXTURE_MIN_FILTER, filter);
  gl.texParameteri(target, gl.TEXTURE_MAG_FILTER, filter);
  gl.texParameteri(target, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
  gl.texParameteri(target, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
  return texture;
}

/**
 * @param {WebGL2RenderingContext} gl
 * @param {WebGLTexture} texture
 * @param {number | null} layer  of an array, or null for a plain texture
 * @param {WebGLRenderbuffer} [depth]
 */
export function createFramebuffer(gl, texture, layer, depth) {
  const framebuffer = gl.createFramebuffer();
  gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
  if (layer === null) gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
  else gl.framebufferTextureLayer(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, texture, 0, layer);
  if (depth) gl.framebufferRenderbuffer(gl.FRAMEBUFFER, gl.DEPTH_ATTACHMENT, gl.RENDERBUFFER, depth);
  return framebuffer;
}

/**
 * @param {WebGL2RenderingContext} gl
 * @param {number} format
 * @param {number} width
 * @param {number} height
 * @param {number} [filter]
 * @returns {Target}
 */
export function createTarget(gl, format, width, height, filter = gl.NEAREST) {
  const texture = createTexture(gl, gl.TEXTURE_2D, format, width, height, 1, filter);
  return { texture, framebuffer: createFramebuffer(gl, texture, null), width, height };
}

/**
 * @param {WebGL2RenderingContext} gl
 * @param {Target | null} target
 */
export function deleteTarget(gl, target) {
  if (!target) return;
  gl.deleteFramebuffer(target.framebuffer);
  gl.deleteTexture(target.texture);
}

/**
 * @param {WebGL2RenderingContext} gl
 * @param {number} unit
 * @param {number} target
 * @param {WebGLTexture | null} texture
 */
export function bindTexture(gl, unit, target, texture) {
  gl.activeTexture(gl.TEXTURE0 + unit);
  gl.bindTexture(target, texture);
}

/**
 * Rows from the top, opaque.
 *
 * @param {Uint8ClampedArray} pixels
 * @param {number} width
 * @param {number} height
 */
export function upright(pixels, width, height) {
  const image = new ImageData(width, height);
  for (let row = 0; row < height; row++) {
    image.data.set(pixels.subarray(row * width * 4, (row + 1) * width * 4), (height - 1 - row) * width * 4);
  }
  for (let k = 3; k < image.data.length; k += 4) image.data[k] = 255;
  return image;
}

/**
 * Whether the processor draws, not a graphics card.
 *
 * @param {WebGL2RenderingContext} gl
 */
export function isSoftware(gl) {
  const info = gl.getExtension("WEBGL_debug_renderer_info");
  const name = String(gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
  return /swiftshader|llvmpipe|softpipe|software|basic render/i.test(name);
}
