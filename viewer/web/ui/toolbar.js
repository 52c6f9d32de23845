/** The tools over the picture: a slim toolbar, two panels, help, title and progress. */

import { Headset } from "../input/headset.js";
import { h } from "./dom.js";
import { helpDialog } from "./help.js";
import { iconButton, relabel } from "./icons.js";
import { copyLink } from "./share.js";

/** @typedef {import("../viewer.js").Viewer} Viewer */
/** @typedef {import("../render/fusion.js").Look} Look */

const LOOKS = /** @type {[Look, string][]} */ ([
  ["fused", "Fused colour"],
  ["depth", "Depth"],
  ["normals", "Normals"],
  ["nearest", "Nearest view"],
  ["points", "Point cloud"],
  ["mesh", "Wireframe"],
]);

export class Toolbar {
  /** @param {Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.title = h("div", { class: "chip title", hidden: true });
    this.progress = h(
      "div",
      { class: "progress", role: "progressbar", "aria-label": "Views made", hidden: true },
      h("i"),
    );
    this.rate = h("div", { class: "chip rate", "aria-hidden": "true", hidden: true });
    this.play = iconButton("play", "Play (space)", () => viewer.timeline.toggle());
    this.looks = iconButton("looks", "Ways of looking", () => this.toggle(this.looks, this.lookPanel), {
      "aria-expanded": "false",
    });
    this.options = iconButton("settings", "Settings", () => this.toggle(this.options, this.optionPanel), {
      "aria-expanded": "false",
    });
    this.cameras = iconButton("cameras", "Cameras (C)", () => viewer.set({ overview: !viewer.settings.overview }));
    this.times = iconButton("timeline", "Timeline (T)", () => this.showTimeline());
    this.full = iconButton("expand", "Full screen (F)", () => this.fullScreen());
    this.headset = new Headset(viewer);
    this.comparing = iconButton("compare", "Compare with another scene", () => viewer.compare.toggle(), {
      class: "wide-only",
    });
    this.bar = h(
      "div",
      { class: "toolbar glass", role: "toolbar", "aria-label": "Viewer" },
      this.play,
      iconButton("home", "Back to the first view (R)", () => this.command("r")),
      h("span", { class: "gap" }),
      this.looks,
      this.cameras,
      this.times,
      this.options,
      this.comparing,
      h("span", { class: "gap" }),
      iconButton("camera", "Save a picture (P)", () => this.command("p")),
      iconButton("link", "Copy a link to this view", () => copyLink(viewer), { class: "wide-only" }),
      this.headset.button,
      this.full,
      iconButton("help", "Help (H)", () => this.command("h"), { class: "wide-only" }),
    );
    this.fov = h("input", { type: "range", min: 20, max: 75, step: 1, id: "fov", oninput: () => this.setFov() });
    this.fovText = h("output", { for: "fov" });
    this.points = h("input", {
      type: "range",
      min: 0.4,
      max: 3,
      step: 0.1,
      oninput: () => viewer.set({ pointSize: Number(this.points.value) }),
    });
    this.background = h(
      "select",
      { onchange: () => viewer.set({ background: /** @type {any} */ (this.background.value) }) },
      ...["scene", "dark", "light"].map((name) => h("option", { value: name }, name[0].toUpperCase() + name.slice(1))),
    );
    this.enhanced = h("input", { type: "checkbox", onchange: () => viewer.set({ enhanced: this.enhanced.checked }) });
    this.showRate = h("input", { type: "checkbox", onchange: () => viewer.set({ rate: this.showRate.checked }) });
    this.scale = h(
      "select",
      {},
      ...[1, 2, 3, 4].map((n) => h("option", { value: n, ...(n === 2 && { selected: true }) }, `${n}×`)),
    );
    this.lookButtons = LOOKS.map(([look, label], k) =>
      h(
        "button",
        { type: "button", role: "radio", "data-look": look, onclick: () => this.viewer.set({ look }) },
        label,
        h("kbd", {}, String(k + 1)),
      ),
    );
    this.lookPanel = this.buildLooks();
    this.optionPanel = this.buildOptions();
    this.help = helpDialog();
    viewer.frame.append(this.title, this.progress, this.rate, this.lookPanel, this.optionPanel, this.bar, this.help);
    viewer.surface.addEventListener("pointerdown", () => this.closePanels());
    document.addEventListener("fullscreenchange", this.onFullScreen);
    viewer.cleanups.push(() => document.removeEventListener("fullscreenchange", this.onFullScreen));
    this.drawn = 0;
    this.rateSince = 0;
  }

  buildLooks() {
    return h(
      "div",
      { class: "panel glass", role: "radiogroup", "aria-label": "Ways of looking", hidden: true },
      ...this.lookButtons,
    );
  }

  buildOptions() {
    /** @param {string} text @param {...Node} controls */
    const row = (text, ...controls) => h("label", {}, h("span", {}, text), ...controls);
    return h(
      "div",
      { class: "panel glass options", role: "group", "aria-label": "Settings", hidden: true },
      row("Field of view", this.fov, this.fovText),
      row("Point size", this.points),
      row("Background", this.background),
      row("Soft rims, smooth pictures", this.enhanced),
      row("Frame rate", this.showRate),
      row("Saved picture", this.scale),
    );
  }

  setFov() {
    const { controls } = this.viewer;
    controls.fov = Number(this.fov.value);
    this.fovText.value = `${this.fov.value}°`;
    this.viewer.resting = false;
    this.viewer.wake();
  }

  /**
   * @param {HTMLElement} button
   * @param {HTMLElement} panel
   */
  toggle(button, panel) {
    const open = panel.hidden;
    this.closePanels();
    panel.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    if (open) this.refresh();
  }

  closePanels() {
    const open = !this.lookPanel.hidden || !this.optionPanel.hidden;
    for (const panel of [this.lookPanel, this.optionPanel]) panel.hidden = true;
    for (const button of [this.looks, this.options]) button.setAttribute("aria-expanded", "false");
    return open;
  }

  showTimeline() {
    this.viewer.timeline.show(!this.viewer.timeline.visible);
    this.refresh();
  }

  async fullScreen() {
    if (document.fullscreenElement) await document.exitFullscreen();
    else if (this.viewer.host.requestFullscreen) await this.viewer.host.requestFullscreen();
    else this.viewer.notices.say("This browser has no full screen for parts of a page");
  }

  onFullScreen = () => {
    const full = document.fullscreenElement === this.viewer.host;
    relabel(this.full, full ? "shrink" : "expand", full ? "Leave full screen (F)" : "Full screen (F)");
  };

  /**
   * @param {string} key
   * @returns {boolean}
   */
  command(key) {
    const { viewer } = this;
    if (key === "r") {
      viewer.controls.fov = viewer.controls.home.fov;
      viewer.flyTo(viewer.controls.home);
      this.refresh();
    } else if (key === "f") this.fullScreen();
    else if (key === " ") viewer.timeline.toggle();
    else if (key === "p") viewer.screenshot(Number(this.scale.value));
    else if (key === "h" || key === "?") this.help.open ? this.help.close() : this.help.showModal();
    else if (key === "c") viewer.set({ overview: !viewer.settings.overview });
    else if (key === "t") this.showTimeline();
    else if (key === "k") {
      viewer.timeline.show(true);
      viewer.timeline.addKey();
    } else if (key >= "1" && key <= String(LOOKS.length)) viewer.set({ look: LOOKS[Number(key) - 1][0] });
    else if (key === "escape") return this.closePanels();
    else return false;
    return true;
  }

  /** @param {string} title */
  setTitle(title) {
    this.title.textContent = title;
    this.title.hidden = !title;
  }

  /**
   * @param {number} done
   * @param {number} all
   */
  setProgress(done, all) {
    this.progress.hidden = done >= all || all < 2;
    this.progress.setAttribute("aria-valuemax", String(all));
    this.progress.setAttribute("aria-valuenow", String(done));
    /** @type {HTMLElement} */ (this.progress.firstChild).style.width = `${(100 * done) / Math.max(all, 1)}%`;
  }

  /** Brings the controls in line with the state. */
  refresh() {
    const { viewer } = this;
    const { look, enhanced, background, rate, pointSize, overview } = viewer.settings;
    for (const button of this.lookButtons) {
      button.setAttribute("aria-checked", String(button.dataset.look === look));
    }
    relabel(
      this.play,
      viewer.timeline.playing ? "pause" : "play",
      viewer.timeline.playing ? "Pause (space)" : "Play (space)",
    );
    this.cameras.setAttribute("aria-pressed", String(overview));
    this.times.setAttribute("aria-pressed", String(viewer.timeline.visible));
    this.enhanced.checked = enhanced;
    this.background.value = background;
    this.showRate.checked = rate;
    this.points.value = String(pointSize);
    this.fov.value = String(viewer.controls.fov);
    this.fovText.value = `${Math.round(viewer.controls.fov)}°`;
    this.rate.hidden = !rate;
    const { renderer, waiting } = viewer.compare;
    this.comparing.hidden = !renderer && !(viewer.options.compare && viewer.manifest);
    this.comparing.setAttribute("aria-pressed", String(Boolean(renderer || waiting)));
    relabel(this.comparing, "compare", renderer ? "End the comparison" : "Compare with another scene");
  }

  /** @param {number} now milliseconds */
  update(now) {
    const { renderer, settings, frame } = this.viewer;
    if (!renderer || !settings.rate) return;
    if (now - this.rateSince < 500) return;
    const rate = ((renderer.frames - this.drawn) * 1000) / (now - this.rateSince);
    const { views, scale } = renderer.budget.current();
    if (this.rateSince)
      this.rate.textContent =
        rate < 0.5
          ? "still"
          : `${Math.round(rate)} fps · ${views} views${scale < 1 ? ` · ${Math.round(scale * 100)} %` : ""}`;
    [this.rateSince, this.drawn] = [now, renderer.frames];
    frame.dataset.rate = rate.toFixed(1);
  }
}
