/** The tools over the picture: a slim toolbar, two panels, help, title and progress. They follow settings and state. */

import { LOOKS, tip } from "./commands.js";
import { h } from "./dom.js";
import { helpDialog } from "./help.js";
import { iconButton, relabel } from "./icons.js";

/** @typedef {import("../state.js").Settings} Settings */
/** @typedef {import("../state.js").State} State */
/** @typedef {import("./commands.js").CommandName} CommandName */

export class Toolbar {
  /**
   * @param {import("../state.js").Observable<Settings>} settings
   * @param {import("../state.js").Observable<State>} state
   * @param {(command: CommandName) => void} run  what the buttons do
   */
  constructor(settings, state, run) {
    this.settings = settings;
    this.title = h("div", { class: "chip title", hidden: true });
    this.progress = h("div", { class: "progress", role: "progressbar", "aria-label": "Views made" }, h("i"));
    this.rate = h("div", { class: "chip rate", "aria-hidden": "true", hidden: true });
    this.help = helpDialog();
    this.looks = radioPanel(settings);
    this.options = optionPanel(settings);
    /** @param {import("./icons.js").Icon} name @param {CommandName} command @param {Record<string, any>} [attributes] */
    const button = (name, command, attributes) => iconButton(name, tip(command), () => run(command), attributes);
    /** @param {import("./icons.js").Icon} name @param {string} label @param {HTMLElement} panel */
    const opener = (name, label, panel) => {
      const opens = iconButton(name, label, () => this.togglePanel(panel), { "aria-expanded": "false" });
      this.openers.set(panel, opens);
      return opens;
    };
    /** @type {Map<HTMLElement, HTMLElement>} the button of each panel */
    this.openers = new Map();
    this.play = button("play", "play");
    this.overview = button("cameras", "overview");
    this.timeline = button("timeline", "timeline");
    this.compare = button("compare", "compare", { class: "wide-only" });
    this.headset = button("headset", "headset");
    this.full = button("expand", "fullScreen");
    this.bar = h(
      "div",
      { class: "toolbar glass", role: "toolbar", "aria-label": "Viewer" },
      this.play,
      button("home", "home"),
      h("span", { class: "gap" }),
      opener("looks", "Ways of looking", this.looks),
      this.overview,
      this.timeline,
      opener("settings", "Settings", this.options),
      this.compare,
      h("span", { class: "gap" }),
      button("camera", "picture"),
      button("link", "link", { class: "wide-only" }),
      this.headset,
      this.full,
      button("help", "help", { class: "wide-only" }),
    );
    this.elements = [this.title, this.progress, this.rate, this.looks, this.options, this.bar, this.help];
    settings.watch((value) => this.followSettings(value));
    state.watch((value) => this.followState(value));
  }

  /** @param {Readonly<Settings>} settings */
  followSettings({ overview, timeline, rate }) {
    this.overview.setAttribute("aria-pressed", String(overview));
    this.timeline.setAttribute("aria-pressed", String(timeline));
    this.rate.hidden = !rate;
  }

  /** @param {Readonly<State>} state */
  followState({ title, done, planned, playing, comparable, comparing, headset, fullScreen, rate }) {
    this.title.textContent = title;
    this.title.hidden = !title;
    this.rate.textContent = rate;
    this.progress.hidden = done >= planned || planned < 2;
    this.progress.setAttribute("aria-valuemax", String(planned));
    this.progress.setAttribute("aria-valuenow", String(done));
    /** @type {HTMLElement} */ (this.progress.firstChild).style.width = `${(100 * done) / Math.max(planned, 1)}%`;
    relabel(this.play, playing ? "pause" : "play", playing ? "Pause (Space)" : tip("play"));
    this.compare.hidden = comparing === "no" && !comparable;
    this.compare.setAttribute("aria-pressed", String(comparing !== "no"));
    relabel(this.compare, "compare", comparing === "yes" ? "End the comparison (X)" : tip("compare"));
    this.headset.hidden = headset === "absent";
    relabel(this.headset, "headset", headset === "entered" ? "Leave VR (V)" : tip("headset"));
    relabel(this.full, fullScreen ? "shrink" : "expand", fullScreen ? "Leave full screen (F)" : tip("fullScreen"));
  }

  /** @param {HTMLElement} panel */
  togglePanel(panel) {
    const open = panel.hidden;
    this.closePanels();
    panel.hidden = !open;
    this.openers.get(panel)?.setAttribute("aria-expanded", String(open));
  }

  /** @returns {boolean} whether one was open */
  closePanels() {
    const open = [...this.openers].filter(([panel]) => !panel.hidden);
    for (const [panel, opener] of open) {
      panel.hidden = true;
      opener.setAttribute("aria-expanded", "false");
    }
    return open.length > 0;
  }

  toggleHelp() {
    if (this.help.open) this.help.close();
    else this.help.showModal();
  }
}

/** @param {import("../state.js").Observable<Settings>} settings */
function radioPanel(settings) {
  const buttons = LOOKS.map(([look, label], k) =>
    h(
      "button",
      { type: "button", role: "radio", onclick: () => settings.set({ look }) },
      label,
      h("kbd", {}, String(k + 1)),
    ),
  );
  settings.watch(({ look }) => {
    buttons.forEach((button, k) => {
      button.setAttribute("aria-checked", String(LOOKS[k][0] === look));
    });
  });
  const attributes = { class: "panel glass", role: "radiogroup", "aria-label": "Ways of looking", hidden: true };
  return h("div", attributes, ...buttons);
}

/** @param {import("../state.js").Observable<Settings>} settings */
function optionPanel(settings) {
  /** @param {number} min @param {number} max @param {number} step @param {(value: number) => Partial<Settings>} change */
  const range = (min, max, step, change) => {
    const input = h("input", { type: "range", min, max, step });
    input.addEventListener("input", () => settings.set(change(Number(input.value))));
    return input;
  };
  /** @param {"enhanced" | "rate"} name */
  const checkbox = (name) => {
    const input = h("input", { type: "checkbox" });
    input.addEventListener("change", () => settings.set({ [name]: input.checked }));
    return input;
  };
  /** @param {[string | number, string][]} options @param {(value: string) => Partial<Settings>} change */
  const choice = (options, change) => {
    const select = h("select", {}, ...options.map(([value, label]) => h("option", { value }, label)));
    select.addEventListener("change", () => settings.set(change(select.value)));
    return select;
  };
  const fov = range(20, 75, 1, (value) => ({ fov: value }));
  const fovText = h("output");
  const points = range(0.4, 3, 0.1, (pointSize) => ({ pointSize }));
  const background = choice(
    [
      ["scene", "Scene"],
      ["dark", "Dark"],
      ["light", "Light"],
    ],
    (value) => ({ background: /** @type {Settings["background"]} */ (value) }),
  );
  const enhanced = checkbox("enhanced");
  const rate = checkbox("rate");
  const scale = choice(
    [1, 2, 3, 4].map((n) => [n, `${n}×`]),
    (value) => ({ pictureScale: Number(value) }),
  );
  settings.watch((value) => {
    fov.value = String(value.fov);
    fovText.value = `${Math.round(value.fov)}°`;
    points.value = String(value.pointSize);
    background.value = value.background;
    enhanced.checked = value.enhanced;
    rate.checked = value.rate;
    scale.value = String(value.pictureScale);
  });
  /** @param {string} text @param {...Node} controls */
  const row = (text, ...controls) => h("label", {}, h("span", {}, text), ...controls);
  return h(
    "div",
    { class: "panel glass options", role: "group", "aria-label": "Settings", hidden: true },
    row("Field of view", fov, fovText),
    row("Point size", points),
    row("Background", background),
    row("Soft rims, smooth pictures", enhanced),
    row("Frame rate", rate),
    row("Saved picture", scale),
  );
}
