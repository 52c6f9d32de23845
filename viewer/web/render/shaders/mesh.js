/** A view's mesh seen from the target camera (method §4, §5). Positions come from the depth texture by vertex id. */

import { weightFunctions } from "../weights.js";

export const meshVertex = /* glsl */ `#version 300 es
precision highp float;
precision highp int;
precision highp sampler2DArray;

uniform sampler2DArray vertexData;  // depth, normal x, normal y, 4 * flags + normal z
uniform int layer;
uniform int side;                   // S + 2
uniform float pad;                  // pixels between border and ring
uniform float focal;
uniform mat4 clipFromSource;
uniform float pointSize;            // of a pixel's footprint, in pixels of the target at equal distance

#ifdef QUICK
uniform int shows;
uniform float logGain;
uniform mat3 sourceToWorld;
out vec4 shade;   // what is seen here (of colours their place), and how much it is to be believed
out vec2 hiding;  // edge, padding
#else
out vec3 point;   // source camera space
out vec3 normal;
out vec2 uv;
out vec3 flags;   // edge, eroded, padding
flat out int vertex;
#endif
#ifdef WIRE
in uint index;    // of the vertex; three follow one another for every triangle
out vec3 corner;  // 1 at each of the three
#endif
${weightFunctions}
void main() {
#ifdef WIRE
  int id = int(index);
  corner = vec3(gl_VertexID % 3 == 0, gl_VertexID % 3 == 1, gl_VertexID % 3 == 2);
#else
  int id = gl_VertexID;
#endif
#ifdef POINTS
  int inner = side - 2;
  ivec2 cell = ivec2(id % inner + 1, id / inner + 1);
#else
  ivec2 cell = ivec2(id % side, id / side);
#endif
  vec4 data = texelFetch(vertexData, ivec3(cell, layer), 0);
  float bits = floor((data.w + 1.5) / 4.0);
  int size = side - 2;
  ivec2 pixel = clamp(cell - 1, ivec2(0), ivec2(size - 1));
  vec2 centre = vec2(pixel) + 0.5;
  vec2 inside = centre / float(size);
  vec2 placed = (centre + vec2(cell - 1 - pixel) * pad) / float(size);
  vec3 at = data.x * vec3((placed.x - 0.5) / focal, (0.5 - placed.y) / focal, -1.0);
  vec3 facing = vec3(data.yz, data.w - 4.0 * bits);
  int flag = int(bits);
  gl_Position = clipFromSource * vec4(at, 1.0);
#ifdef QUICK
  vec3 value = shows == 0 ? vec3(inside, float(layer))
    : shows == 1 ? vec3(1.0 / max(gl_Position.w, 1e-3)) : sourceToWorld * facing * 0.5 + 0.5;
  float belief = logWeight(facing, at, (flag & 2) != 0) + logBorderFade(inside);
  shade = vec4(value, belief + logGain - 1.0);
  hiding = vec2(flag & 1, (flag >> 2) & 1);
#else
  point = at;
  normal = facing;
  uv = inside;
  flags = vec3(flag & 1, (flag >> 1) & 1, (flag >> 2) & 1);
  vertex = flag;
#endif
  gl_PointSize = pointSize * data.x / max(gl_Position.w, 1e-3);
}
`;

/**
 * One view into its own target: what it shows and, in alpha, how much it is to be believed. Below zero: log2(weight) - 1,
 * because the method's weights span many powers of ten. Above zero: hidden (padding or a depth edge), and the lower
 * the better. Zero, as cleared: nothing is there.
 */
export const meshFragment = /* glsl */ `#version 300 es
precision highp float;
precision highp int;
precision highp sampler2DArray;

uniform sampler2DArray colours;
uniform int layer;
uniform int size;
uniform float logGain;        // log2 of this view's share of the blend
uniform mat3 sourceToWorld;
uniform int shows;            // 0 colour, 1 depth, 2 normal
uniform bool smoothly;        // interpolate texels, fade the padding into the background
uniform vec3 background;
uniform vec3 backgroundFar;
uniform float targetHeight;

in vec3 point;
in vec3 normal;
in vec2 uv;
in vec3 flags;
out vec4 result;
${weightFunctions}
void main() {
  bool padded = flags.z > 0.001;
  if (!gl_FrontFacing) {
    if (padded) discard;
    result = vec4(0.0);
    return;
  }
  float belief;
  if (padded || flags.x > 0.999) {
    belief = smoothly ? hiddenness(gl_FragCoord.w, flags.z) : gl_FragCoord.w; // the farthest is kept
  } else {
    belief = logWeight(normalize(normal), point, flags.y >= 0.999) + logGain - 1.0;
    if (smoothly) belief += logBorderFade(uv);
  }
  vec3 value;
  if (shows == 0) {
    value = smoothly
      ? texture(colours, vec3(uv, float(layer))).rgb
      : texelFetch(colours, ivec3(clamp(ivec2(uv * float(size)), ivec2(0), ivec2(size - 1)), layer), 0).rgb;
  } else if (shows == 1) {
    value = vec3(gl_FragCoord.w);
  } else {
    value = sourceToWorld * normalize(normal) * 0.5 + 0.5;
  }
  if (smoothly && padded) {
    vec3 behind = mix(background, backgroundFar, gl_FragCoord.y / targetHeight);
    value = mix(value, shows == 1 ? vec3(0.2) : behind, smoothstep(0.0, 0.85, flags.z));
  }
  result = vec4(value, belief);
}
`;

/**
 * The view that is laid over the fused picture (`findAnchor`): colour, and in alpha how much it counts. Surface counts
 * `weight`; the middle of what is stretched across a depth edge `edgeWeight`, and more towards either side.
 */
export const anchorFragment = /* glsl */ `#version 300 es
precision highp float;
precision highp int;
precision highp sampler2DArray;

uniform sampler2DArray colours;
uniform int layer;
uniform int size;
uniform float pad;
uniform float threshold;   // of depth edges, in metres and in 1/metres
uniform float weight;
uniform float edgeWeight;

in vec3 point;
in vec2 uv;
in vec3 flags;
out vec4 result;

void main() {
  // How depth changes from one pixel of the view to the next, to the right and downwards.
  vec2 pixels = uv * float(size) - 0.5;
  vec2 dx = dFdx(pixels), dy = dFdy(pixels);
  float zx = dFdx(point.z), zy = dFdy(point.z);
  float area = dx.x * dy.y - dx.y * dy.x;
  vec2 slope = abs(vec2(zx * dy.y - zy * dx.y, zy * dx.x - zx * dy.x) / (abs(area) > 1e-12 ? area : 1e-12));
  float steepest = max(slope.x, slope.y);
  if (!gl_FrontFacing) {
    result = vec4(0.0);
    return;
  }
  float counts = weight;
  if (min(steepest, steepest / (point.z * point.z)) > threshold) {
    vec2 sides = abs(2.0 * fract(pixels) - 1.0);  // 1 at the pixels, 0 halfway between them
    counts = mix(edgeWeight, weight, pow(slope.x > slope.y ? sides.x : sides.y, 4.0));
  }
  counts *= clamp(1.5 - pad * flags.z, 0.0, 1.0);
  result = vec4(texture(colours, vec3(uv, float(layer))).rgb, counts);
}
`;

/** `meshFragment` for a picture in motion: all but its colours is worked out at the vertices. */
export const quickFragment = /* glsl */ `#version 300 es
precision highp float;
precision highp int;
precision highp sampler2DArray;

uniform sampler2DArray colours;
uniform vec3 background;
uniform vec3 backgroundFar;
uniform float targetHeight;
uniform int shows;

in vec4 shade;
in vec2 hiding;
out vec4 result;
${weightFunctions}
void main() {
  vec3 seen = shows == 0 ? texture(colours, shade.xyz).rgb : shade.xyz;
  float hidden = hiddenness(gl_FragCoord.w, hiding.y);
  if (gl_FrontFacing && hiding.y <= 0.001) {
    result = vec4(seen, hiding.x > 0.999 ? hidden : shade.w);
  } else if (gl_FrontFacing) {
    vec3 behind = shows == 1 ? vec3(0.2) : mix(background, backgroundFar, gl_FragCoord.y / targetHeight);
    vec3 value = mix(seen, behind, smoothstep(0.0, 0.85, hiding.y));
    result = vec4(value, hidden);
  } else {
    if (hiding.y > 0.001) discard;
    result = vec4(0.0);
  }
}
`;
