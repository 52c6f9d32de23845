/**
 * How much a view's fragment counts in the blend (method §5). The numbers are those of `ivid/fusion/blend_kernels.py`;
 * a test compares them. Shaders reckon with the logarithm to the base of 2, because weights span many powers of ten.
 */

export const ANGLE_FALLOFF = 20; // per radian between the normal and the direction to the source camera
export const MIN_WEIGHT = 1e-4;
export const ERODED_FACTOR = 1e-8; // on fragments near a depth edge

/** @param {number} value  as GLSL writes a float */
const float = (value) => value.toFixed(6);

/** GLSL that shaders of a view's mesh have in common. */
export const weightFunctions = /* glsl */ `
const float LOG2_FALLOFF = ${float(ANGLE_FALLOFF * Math.LOG2E)};
const float LOG2_MIN_WEIGHT = ${float(Math.log2(MIN_WEIGHT))};
const float LOG2_ERODED_FACTOR = ${float(Math.log2(ERODED_FACTOR))};

// log2 of the method's weight. normal: unit; point: in the source camera's space.
float logWeight(vec3 normal, vec3 point, bool eroded) {
  float angle = acos(clamp(dot(normal, normalize(-point)), 0.0, 1.0));
  return max(-LOG2_FALLOFF * angle, LOG2_MIN_WEIGHT) + (eroded ? LOG2_ERODED_FACTOR : 0.0);
}

// Not the method's: views count for less towards the border of their picture, so that no rim shows in the blend.
float logBorderFade(vec2 uv) {
  vec2 inwards = min(uv, 1.0 - uv);
  return 9.0 * (smoothstep(0.0, 0.07, min(inwards.x, inwards.y)) - 1.0);
}

// How far padding and depth edges stand back behind others of their kind. The method's is 1/z: the farthest is kept. Here
// distance from the view's border counts as well, so that skirts run into one another without a seam; and what is
// stretched across a depth edge, which no view shows, stands back behind all skirts but those that have faded.
float hiddenness(float nearness, float padding) {
  return nearness + 1.3 * (padding > 0.001 ? padding : 0.7);
}
`;
