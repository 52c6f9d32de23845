/** The name, a link to what is shown, light and dark. */

import { h } from "../../../viewer/web/ui/dom.js";
import { icon } from "../../../viewer/web/ui/icons.js";

/** @param {{element: HTMLElement, props: {value: {name: string, line: string} | null}}} component */
export function mount({ element, props }) {
  const theme = h("button", { type: "button", onclick: () => paint(!isDark()) });
  const copied = h("span", { class: "ivid-copied", role: "status" });
  const link = h(
    "button",
    {
      type: "button",
      title: "Copy a link that makes this scene again",
      "aria-label": "Copy link",
      onclick: async () => {
        try {
          await navigator.clipboard.writeText(location.href);
          copied.textContent = "Link copied";
        } catch {
          copied.textContent = "Copy it from the address bar";
        }
        setTimeout(() => (copied.textContent = ""), 2500);
      },
    },
    icon("link"),
  );
  element.append(
    h("h1", {}, props.value?.name ?? ""),
    h("p", {}, props.value?.line ?? ""),
    h("nav", {}, copied, link, theme),
  );

  const isDark = () => document.body.classList.contains("dark");
  /** @param {boolean} dark */
  function paint(dark, remember = true) {
    document.body.classList.toggle("dark", dark);
    document.documentElement.style.colorScheme = dark ? "dark" : "light";
    theme.replaceChildren(icon(dark ? "sun" : "moon"));
    theme.setAttribute("aria-label", dark ? "Light colours" : "Dark colours");
    theme.title = dark ? "Light colours" : "Dark colours";
    if (remember) localStorage.setItem("ivid-dark", String(dark));
    document.dispatchEvent(new CustomEvent("ivid-theme", { detail: { dark } }));
  }
  const asked = new URLSearchParams(location.search).get("__theme");
  const remembered = localStorage.getItem("ivid-dark");
  if (asked === "dark" || asked === "light") paint(asked === "dark", false);
  else if (remembered) paint(remembered === "true", false);
  else paint(isDark(), false);
}
