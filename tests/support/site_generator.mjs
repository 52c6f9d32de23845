/**
 * Makes a scene under node with the site's generator, from noise that is given, and writes down what it made.
 *
 * node site_generator.mjs JOB: a JSON file of the model's folder, the job's (noise in, results out), ONNX Runtime's, the
 * label and the sampling.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { openModel } from "../../ivid/site/web/generator/model.js";
import { resolved } from "../../ivid/site/web/generator/sampling.js";
import { makeScene } from "../../ivid/site/web/generator/scene.js";
import { unpacked } from "../../ivid/site/web/packing.js";

const job = JSON.parse(readFileSync(process.argv[2], "utf-8"));
const ort = await import(pathToFileURL(join(job.ort, "ort.wasm.min.mjs")).href);
ort.env.wasm.numThreads = job.threads ?? 1;

/** @param {string} name */
const floats = (name) => new Float32Array(new Uint8Array(readFileSync(join(job.folder, name))).buffer);
/** @param {string} name @param {ArrayBufferView} values */
const write = (name, values) =>
  writeFileSync(join(job.folder, name), new Uint8Array(values.buffer, values.byteOffset, values.byteLength));

const given = floats("noise.bin");
let drawn = 0;
const noise = {
  /** @param {number} count */
  normal(count) {
    if (drawn + count > given.length) throw new Error("more noise is drawn than was given");
    drawn += count;
    return given.slice(drawn - count, drawn);
  },
};

const manifest = JSON.parse(readFileSync(join(job.model, "model.json"), "utf-8"));
const started = performance.now();
const { model } = openModel(
  ort,
  manifest,
  "wasm",
  ({ file }) => unpacked(new Blob([readFileSync(join(job.model, file))]).stream()),
  () => {},
);
for (const network of Object.values(model.networks)) await network.ready();
const report = { seconds: { load: (performance.now() - started) / 1000, networks: 0, rest: 0 }, drawn: 0, events: [] };
for (const network of Object.values(model.networks)) {
  const evaluate = network.evaluate.bind(network);
  network.evaluate = async (...inputs) => {
    const before = performance.now();
    const outputs = await evaluate(...inputs);
    report.seconds.networks += (performance.now() - before) / 1000;
    return outputs;
  };
}
for (const { network, inputs, timestep, labels } of job.evaluations ?? []) {
  const outputs = await model.networks[network].evaluate(inputs.map(floats), timestep, labels);
  outputs.forEach((output, k) => {
    write(`${network}.${k}.bin`, output);
  });
}
const before = performance.now();
const scene = makeScene(model, job.label, resolved(model.config, job.sampling), job.cameras, noise);
for (;;) {
  const { value, done } = await scene.next();
  if (done) {
    value.forEach(({ mask }, k) => {
      if (mask) write(`final_mask.${k}.bin`, mask);
    });
    break;
  }
  report.events.push([value.type, value.index]);
  if (value.type !== "view") continue;
  const { index, view, condition } = value;
  write(`rgb.${index}.bin`, view.rgb);
  write(`depth.${index}.bin`, view.depth);
  if (view.mask) write(`mask.${index}.bin`, view.mask);
  for (const [name, values] of Object.entries(condition ?? {})) write(`condition.${name}.${index}.bin`, values);
}
report.seconds.rest = (performance.now() - before) / 1000 - report.seconds.networks;
report.drawn = drawn;
writeFileSync(join(job.folder, "report.json"), JSON.stringify(report));
