/** A view without fusion: its points, or the wireframe of its mesh, in the colour of their pixels. */

export const pointFragment = /* glsl */ `#version 300 es
precision highp float;
precision highp int;
precision highp sampler2DArray;

uniform sampler2DArray colours;
uniform int layer;

in vec3 point;
in vec3 normal;
in vec2 uv;
in vec3 flags;
flat in int vertex;
out vec4 result;

void main() {
  if (flags.z > 0.001 || (vertex & 9) != 0) discard; // of the ring, at a depth edge, or masked out
  if (length(gl_PointCoord - 0.5) > 0.5) discard;
  result = vec4(texture(colours, vec3(uv, float(layer))).rgb, 1.0);
}
`;

/** Sides of triangles a pixel wide, smooth at any size, over a dim surface that hides what is behind it. */
export const wireFragment = /* glsl */ `#version 300 es
precision highp float;
precision highp int;
precision highp sampler2DArray;

uniform sampler2DArray colours;
uniform int layer;
uniform vec3 background;
uniform vec3 backgroundFar;
uniform float targetHeight;

in vec3 point;
in vec3 normal;
in vec2 uv;
in vec3 flags;
flat in int vertex;
in vec3 corner;
out vec4 result;

void main() {
  vec3 away = corner / max(fwidth(corner), 1e-6); // from each side, in pixels
  float line = 1.0 - smoothstep(0.0, 0.8, min(away.x, min(away.y, away.z)));
  vec3 colour = texture(colours, vec3(uv, float(layer))).rgb;
  vec3 behind = mix(background, backgroundFar, gl_FragCoord.y / targetHeight);
  result = vec4(mix(mix(behind, colour, 0.15), colour, line), 1.0);
}
`;
