/** What a scene shows: a class, one of its instances, and which way round; the seed decides the last two. */

import { Random } from "./random.js";

/** @typedef {import("./types.js").LabelConfig} LabelConfig */
/** @typedef {{classIndex: number | null, instance: number | null, flipped: boolean}} SceneLabel */

/**
 * What the scene of a seed shows, dealt like cards: of consecutive seeds, no two show the same. The choices are the
 * instances of the class, with `horizontal_flip` then each of them once more, the other way round.
 *
 * @param {LabelConfig} labels
 * @param {number | null} classIndex  null for models without classes
 * @param {number} seed
 * @returns {SceneLabel}
 */
export function dealtLabel(labels, classIndex, seed) {
  const known = classIndex === null ? null : (labels.instances?.[classIndex] ?? null);
  const instances = known?.length ? known : [null];
  const choices = instances.length * (labels.horizontal_flip ? 2 : 1);
  const block = Math.floor(seed / choices);
  let place = seed - block * choices;
  const random = new Random(classIndex ?? 0, block);
  const rounds = [random.permutation(instances.length), random.permutation(instances.length)];
  const flippedFirst = instances.map(() => random.uniform() < 0.5);
  const second = Math.floor(place / instances.length);
  place -= second * instances.length;
  const choice = rounds[second][place];
  const flipped = labels.horizontal_flip && flippedFirst[choice] !== (second === 1);
  return { classIndex, instance: instances[choice], flipped };
}

/**
 * The label that a network is told: the instance, if it knows those, or the class.
 *
 * @param {LabelConfig} labels
 * @param {SceneLabel} label
 * @param {string} network  its name
 */
export function networkLabel(labels, label, network) {
  const byInstance = labels.instances && (network !== "novel_view_unet" || labels.novel_instances);
  return byInstance ? label.instance : label.classIndex;
}
