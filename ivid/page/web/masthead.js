/** The name, the address of what is shown and a link to it, light and dark. */

import { h } from "../../../viewer/web/ui/dom.js";
import { icon } from "../../../viewer/web/ui/icons.js";
import { remember } from "./shown.js";

/** @typedef {import("./shown.js").Shown} Shown */

/** @param {import("./component.js").Component<Shown>} component */
export function mount({ element, props, watch }) {
  const theme = h("button", { type: "button", onclick: () => paint(!isDark()) });
  const copied = h("span", { class: "ivid-copied", role: "status" });
  const link = h("button", { type: "button", "aria-label": "Copy link", onclick: copy }, icon("link"));
  element.append(
    h("h1", {}, "ivid"),
    h("p", {}, "3D scenes, imagined view by view"),
    h("nav", { "aria-label": "Page" }, copied, link, theme),
  );

  async function copy() {
    const reason = props.value?.no_link;
    if (reason) say(`No link: ${reason}`);
    else {
      try {
        await navigator.clipboard.writeText(location.href);
        say("Link copied");
      } catch {
        say("Copy it from the address bar");
      }
    }
  }

  /** @param {string} text */
  function say(text) {
    copied.textContent = text;
    setTimeout(() => {
      if (copied.textContent === text) copied.textContent = "";
    }, 4000);
  }

  /** The address says what is on screen, or nothing. */
  function draw() {
    const shown = props.value;
    link.title = shown?.no_link ? `No link: ${shown.no_link}` : "Copy a link that makes this scene again";
    link.setAttribute("aria-disabled", String(Boolean(shown?.no_link)));
    if (!shown) return;
    remember(shown);
    const query = shown.link ?? "";
    if (location.search !== query) history.replaceState(null, "", location.pathname + query + location.hash);
  }

  const isDark = () => document.body.classList.contains("dark");
  /** @param {boolean} dark */
  function paint(dark, keep = true) {
    document.body.classList.toggle("dark", dark);
    document.documentElement.style.colorScheme = dark ? "dark" : "light";
    theme.replaceChildren(icon(dark ? "sun" : "moon"));
    theme.setAttribute("aria-label", dark ? "Light colours" : "Dark colours");
    theme.title = dark ? "Light colours" : "Dark colours";
    if (keep) localStorage.setItem("ivid-dark", String(dark));
    document.dispatchEvent(new CustomEvent("ivid-theme", { detail: { dark } }));
  }
  const asked = new URLSearchParams(location.search).get("__theme");
  const remembered = localStorage.getItem("ivid-dark");
  if (asked === "dark" || asked === "light") paint(asked === "dark", false);
  else if (remembered) paint(remembered === "true", false);
  else paint(isDark(), false);
  draw();
  watch("value", draw);
}
