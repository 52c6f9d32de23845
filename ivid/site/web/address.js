/** The page's address says which scene is on it: `#class=house&seed=3&views=3x9`, and after it the viewer's camera. */

/**
 * @typedef {object} Wish
 * @property {string} className  "" for models without classes
 * @property {number} seed
 * @property {string} viewSet
 */

export const MOST_SEED = 2 ** 32 - 1;

/**
 * What an address asks for, as far as the model knows it.
 *
 * @param {string} hash
 * @param {string[]} classes
 * @param {string[]} viewSets
 * @returns {Partial<Wish>}
 */
export function readWish(hash, classes, viewSets) {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  /** @type {Partial<Wish>} */
  const wish = {};
  const className = given.get("class");
  if (className !== null && classes.includes(className)) wish.className = className;
  const seed = readSeed(given.get("seed") ?? "");
  if (seed !== null) wish.seed = seed;
  const viewSet = given.get("views");
  if (viewSet !== null && viewSets.includes(viewSet)) wish.viewSet = viewSet;
  return wish;
}

/**
 * @param {Wish} wish
 * @returns {string} with its "#"
 */
export function hashOf({ className, seed, viewSet }) {
  const given = new URLSearchParams();
  if (className) given.set("class", className);
  given.set("seed", String(seed));
  given.set("views", viewSet);
  return `#${given}`;
}

/**
 * Whether an address asks for a scene, from whatever camera.
 *
 * @param {string} hash
 * @param {Wish} wish
 */
export function asksFor(hash, { className, seed, viewSet }) {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  return (
    (given.get("class") ?? "") === className && given.get("seed") === String(seed) && given.get("views") === viewSet
  );
}

/**
 * @param {string} text
 * @returns {number | null}  null if it is no seed
 */
export function readSeed(text) {
  if (!/^\s*\d{1,10}\s*$/.test(text)) return null;
  const seed = Number(text);
  return seed <= MOST_SEED ? seed : null;
}
