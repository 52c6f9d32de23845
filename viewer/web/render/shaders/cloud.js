/** Points and lines in the colour of their pixel; nothing of the ring or of depth edges. */

export const cloudFragment = /* glsl */ `#version 300 es
precision highp float;
precision highp int;
precision highp sampler2DArray;

uniform sampler2DArray colours;
uniform int layer;
uniform bool round;

in vec3 point;
in vec3 normal;
in vec2 uv;
in vec3 flags;
flat in int vertex;
out vec4 result;

void main() {
  if (flags.z > 0.001 || (vertex & 9) != 0) discard;
  if (round && length(gl_PointCoord - 0.5) > 0.5) discard;
  result = vec4(texture(colours, vec3(uv, float(layer))).rgb, 1.0);
}
`;
