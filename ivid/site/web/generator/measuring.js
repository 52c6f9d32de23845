/** How long the stages of a scene take: measures of the User Timing API, which developer tools and benchmarks read. */

/**
 * @param {string} stage
 * @param {number} start  of `performance.now()`
 */
export function measured(stage, start) {
  performance.measure(stage, { start });
}
