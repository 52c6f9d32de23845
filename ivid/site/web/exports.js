/** The files that a scene can be taken away as; all of them are made in the browser. */

import { download, h } from "../../../viewer/web/ui/dom.js";
import { icon } from "../../../viewer/web/ui/icons.js";
import { pointCloud } from "./point_cloud.js";
import { stemOf } from "./scene.js";
import { sceneFile } from "./scene_file.js";
import { scenePage } from "./scene_page.js";

/** @typedef {import("./scene.js").Scene} Scene */
/**
 * @typedef {object} Kind
 * @property {string} label
 * @property {string} suffix
 * @property {import("../../../viewer/web/ui/icons.js").Icon} icon
 * @property {string} hint
 * @property {string} type
 * @property {(scene: Scene) => Promise<BlobPart> | BlobPart} make
 */

const KEEP_MS = 60_000; // how long a file can be fetched

/**
 * @param {HTMLElement} element
 * @param {string} template  URL of the page that scenes are put into
 * @param {() => Promise<Blob | null>} takePicture
 * @param {(text: string) => void} complain
 * @returns {(scene: Scene | null) => void} sets what is exported
 */
export function mountExports(element, template, takePicture, complain) {
  /** @type {Kind[]} */
  const kinds = [
    {
      label: "Scene",
      suffix: ".ivid",
      icon: "scene",
      hint: "All of it without loss; the ivid program opens it",
      type: "application/zip",
      make: sceneFile,
    },
    {
      label: "Points",
      suffix: ".ply",
      icon: "points",
      hint: "A point cloud with normals and colours",
      type: "application/octet-stream",
      make: pointCloud,
    },
    {
      label: "Page",
      suffix: ".html",
      icon: "cameras",
      hint: "One file that opens in any browser, without a connection",
      type: "text/html",
      make: async (scene) => scenePage(scene, await (await fetch(template)).text()),
    },
    {
      label: "Picture",
      suffix: ".png",
      icon: "camera",
      hint: "What the viewer shows",
      type: "image/png",
      make: async () => {
        const picture = await takePicture();
        if (!picture) throw new Error("this browser draws no 3D");
        return picture;
      },
    },
  ];
  /** @type {Scene | null} */
  let current = null;
  let running = false;

  const buttons = kinds.map((kind) =>
    h(
      "button",
      {
        type: "button",
        title: kind.hint,
        disabled: true,
        onclick: (/** @type {any} */ event) => save(kind, event.currentTarget),
      },
      icon(kind.icon),
      h("span", { class: "ivid-label" }, kind.label),
      h("small", {}, kind.suffix),
    ),
  );
  element.append(...buttons);

  function draw() {
    for (const button of buttons) button.disabled = running || !current?.views.length;
  }

  /**
   * @param {Kind} kind
   * @param {HTMLButtonElement} button
   */
  async function save(kind, button) {
    const scene = current;
    if (!scene || running) return;
    running = true;
    button.dataset.running = "true";
    draw();
    await new Promise((done) => setTimeout(done, 30)); // the button is drawn before the work begins
    try {
      const content = await kind.make(scene);
      const url = URL.createObjectURL(new Blob([content], { type: kind.type }));
      download(url, stemOf(scene) + kind.suffix);
      setTimeout(() => URL.revokeObjectURL(url), KEEP_MS);
    } catch (error) {
      complain(`The ${kind.suffix} file could not be made: ${/** @type {Error} */ (error).message}.`);
    }
    running = false;
    delete button.dataset.running;
    draw();
  }

  return (scene) => {
    current = scene;
    draw();
  };
}
