/** Finding classes by what a person types. */

/** @type {WeakMap<string[], string[]>} names as they are compared */
const plainNames = new WeakMap();

/**
 * The indices of the names that have every word of a query in them, in any order; a word may be a name's number too.
 * A name whose words begin with the query's comes before one that has them inside.
 *
 * @param {string[]} names
 * @param {string} query
 * @returns {number[]}
 */
export function search(names, query) {
  const words = plain(query).split(/\s+/).filter(Boolean);
  if (!words.length) return names.map((_, index) => index);
  /** @type {[number, number][]} */
  const found = [];
  if (!plainNames.has(names)) plainNames.set(names, names.map(plain));
  plainNames.get(names)?.forEach((text, index) => {
    if (!words.every((word) => text.includes(word) || word === String(index))) return;
    const starts = words.filter((word) => word === String(index) || ` ${text}`.includes(` ${word}`)).length;
    found.push([words.length - starts, index]);
  });
  return found.sort(([a, i], [b, k]) => a - b || i - k).map(([, index]) => index);
}

/**
 * Lower case, without accents and punctuation.
 *
 * @param {string} text
 */
function plain(text) {
  return text
    .normalize("NFD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, " ")
    .trim();
}
