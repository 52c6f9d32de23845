/** The name, a link to what is shown, light and dark. */

import { icon, make } from "./dom.js";

/** @param {{element: HTMLElement, props: {value: {name: string, line: string} | null}}} component */
export function mount({ element, props }) {
  const theme = make("button", { type: "button", onclick: () => paint(!isDark()) });
  const copied = make("span", { class: "ivid-copied", role: "status" });
  const link = make(
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
    make("h1", {}, props.value?.name ?? ""),
    make("p", {}, props.value?.line ?? ""),
    make("nav", {}, copied, link, theme),
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
