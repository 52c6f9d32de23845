/** Passes over the whole picture: blending the views, reducing supersampled frames, showing the result. */

export const screenVertex = /* glsl */ `#version 300 es
void main() {
  gl_Position = vec4(vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4.0 - 1.0, 0.0, 1.0);
}
`;

/** Adds up the views of a batch (and what earlier batches gave); the last batch divides and colours (method §5). */
export const resolveFragment = /* glsl */ `#version 300 es
precision highp float;
precision highp int;
precision highp sampler2DArray;

uniform sampler2DArray views;
uniform int count;
uniform sampler2D before;
uniform bool first;
uniform bool last;
uniform int shows;
uniform bool exact;           // of what is hidden the farthest alone; 8-bit colours are cut off, not rounded
uniform vec2 inverseDepths;   // of the far and the near plane
uniform vec3 background;
uniform vec3 backgroundFar;
uniform float targetHeight;
uniform bool anchored;
uniform highp sampler2D anchor;     // laid over the picture
out vec4 result;

// Dark blue over teal to warm white: even steps of lightness from far to near.
vec3 ramp(float t) {
  vec3 a = vec3(0.07, 0.06, 0.20), b = vec3(0.16, 0.34, 0.55), c = vec3(0.25, 0.66, 0.60), d = vec3(0.99, 0.90, 0.62);
  return t < 0.33 ? mix(a, b, t / 0.33) : t < 0.66 ? mix(b, c, (t - 0.33) / 0.33) : mix(c, d, (t - 0.66) / 0.34);
}

void main() {
  ivec2 at = ivec2(gl_FragCoord.xy);
  // Alpha above zero: the weights of what is seen. Below: those of what is hidden, as nothing is seen so far.
  vec4 sum = first ? vec4(0.0) : texelFetch(before, at, 0);
  for (int k = 0; k < count; k++) {
    vec4 view = texelFetch(views, ivec3(at, k), 0);
    if (view.a < 0.0) {
      sum = (sum.a > 0.0 ? sum : vec4(0.0)) + vec4(view.rgb, 1.0) * exp2(view.a + 1.0);
    } else if (view.a > 0.0 && sum.a <= 0.0) {
      float weight = exact ? 1.0 / view.a : exp2(-20.0 * view.a);
      if (!exact) sum += vec4(view.rgb, -1.0) * weight;
      else if (weight > -sum.a) sum = vec4(view.rgb * weight, -weight);
    }
  }
  if (!last) {
    result = sum;
    return;
  }
  vec4 over = anchored ? texelFetch(anchor, at, 0) : vec4(0.0);
  if (sum.a == 0.0) {
    vec3 behind = mix(background, backgroundFar, gl_FragCoord.y / targetHeight);
    result = vec4(mix(behind, over.rgb, over.a), over.a > 0.5 ? 1.0 : 0.0);
    return;
  }
  vec3 value = mix(sum.rgb / abs(sum.a), over.rgb, over.a);
  if (shows == 1) {
    value = ramp(clamp((value.r - inverseDepths.x) / (inverseDepths.y - inverseDepths.x), 0.0, 1.0));
  }
  if (exact) value = floor(value * 255.0 + 1e-3) / 255.0;
  result = vec4(value, sum.a > 0.0 || over.a > 0.5 ? 1.0 : 0.0);
}
`;

/** One direction of a Lanczos reduction of interleaved frames, as Pillow does it: 8 bits between the directions. */
export const lanczosFragment = /* glsl */ `#version 300 es
precision highp float;
precision highp int;
precision highp sampler2DArray;

uniform sampler2DArray frames;   // frame (i, j) holds the subpixels i from the left and j from the bottom
uniform sampler2D rows;          // the result of the horizontal direction
uniform bool vertical;
uniform int factor;
uniform int extent;              // of the large picture, along the direction
out vec4 result;

float lanczos(float x) {
  x = abs(x) * 3.14159265358979;
  return x < 1e-5 ? 1.0 : x < 9.42477796 ? 3.0 * sin(x) * sin(x / 3.0) / (x * x) : 0.0;
}

void main() {
  ivec2 at = ivec2(gl_FragCoord.xy);
  float centre = (float(vertical ? at.y : at.x) + 0.5) * float(factor);
  float reach = 3.0 * float(factor);
  int from = max(int(centre - reach + 0.5), 0);
  int to = min(int(centre + reach + 0.5), extent);
  vec4 sum = vec4(0.0);
  float total = 0.0;
  for (int k = from; k < to; k++) {
    float weight = lanczos((float(k) + 0.5 - centre) / float(factor));
    vec4 value = vertical
      ? texelFetch(rows, ivec2(at.x, k), 0)
      : texelFetch(frames, ivec3(k / factor, at.y / factor, k % factor + factor * (at.y % factor)), 0);
    sum += weight * value;
    total += weight;
  }
  result = sum / total;
}
`;

export const presentFragment = /* glsl */ `#version 300 es
precision highp float;
uniform sampler2D shown;
uniform sampler2D next;
uniform float progress;
uniform vec4 place;       // left, bottom, width, height in pixels
uniform vec2 shownPart;   // of its texture that a picture fills
uniform vec2 nextPart;
out vec4 result;

void main() {
  vec2 at = (gl_FragCoord.xy - place.xy) / place.zw;
  vec3 colour = texture(next, at * nextPart).rgb;
  if (progress < 1.0) colour = mix(texture(shown, at * shownPart).rgb, colour, progress);
  result = vec4(colour, 1.0);
}
`;
