/** The class: a text field that lists the classes with all of its words in them (ARIA's combobox pattern). */

import { h } from "../../../viewer/web/ui/dom.js";
import { search } from "./search.js";

const MOST = 100; // options that are drawn; more words find the others

/** @param {import("./component.js").Component<string>} component */
export function mount({ element, props, watch }) {
  const list = h("ul", { role: "listbox", id: "ivid-class-list", "aria-label": "Matches" });
  const chosen = h("p", { class: "ivid-chosen" });
  const note = h("p", { class: "ivid-note", role: "status" });
  const menu = h("div", { class: "ivid-classes", hidden: true }, chosen, list, note);
  const input = h("input", {
    id: "ivid-class-input",
    type: "text",
    role: "combobox",
    autocomplete: "off",
    spellcheck: "false",
    "aria-autocomplete": "list",
    "aria-expanded": "false",
    "aria-controls": list.id,
    "aria-keyshortcuts": "ArrowDown ArrowUp Enter Escape",
  });
  element.append(h("label", { for: input.id }, "Class"), input, menu);
  /** @type {number[]} */
  let found = [];
  let active = 0;

  /** @returns {string[]} */
  const names = () => props.choices ?? [];

  function open() {
    if (!menu.hidden) return;
    menu.hidden = false;
    input.setAttribute("aria-expanded", "true");
    chosen.textContent = props.value ? `Chosen: ${props.value}` : "";
    fill(""); // all of them, until something is typed
  }

  /** Closes the list; what was typed gives way to the class that is chosen. */
  function close() {
    menu.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
    input.value = props.value ?? "";
  }

  /** @param {string} query */
  function fill(query) {
    found = search(names(), query);
    const shown = found.slice(0, MOST);
    list.replaceChildren(...shown.map(option));
    const more = found.length - shown.length;
    note.textContent = found.length ? (more ? `${more} more; another word narrows them down` : "") : "Nothing found";
    point(query ? 0 : found.indexOf(names().indexOf(props.value ?? "")));
  }

  /**
   * @param {number} index  of the class
   * @param {number} place  in the list
   */
  function option(index, place) {
    return h(
      "li",
      {
        role: "option",
        id: `ivid-class-${place}`,
        "aria-selected": String(names()[index] === props.value),
        onpointerdown: (/** @type {Event} */ event) => event.preventDefault(), // the field keeps the focus
        onclick: () => choose(place),
      },
      names()[index],
      h("small", { "aria-hidden": "true" }, String(index)),
    );
  }

  /** @param {number} place  in the list, of the option that Enter takes */
  function point(place) {
    list.querySelector("[data-active]")?.removeAttribute("data-active");
    active = Math.max(0, Math.min(place, list.children.length - 1));
    const option = /** @type {HTMLElement | undefined} */ (list.children[active]);
    if (!option) return input.removeAttribute("aria-activedescendant");
    option.dataset.active = "";
    option.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", option.id);
  }

  /** @param {number} place  in the list */
  function choose(place) {
    if (found[place] === undefined) return;
    props.value = names()[found[place]];
    close();
  }

  input.addEventListener("focus", open);
  input.addEventListener("focus", () => input.select());
  input.addEventListener("click", () => {
    open();
    if (input.value === (props.value ?? "")) input.select(); // what is typed takes the old value's place
  });
  input.addEventListener("blur", close);
  input.addEventListener("input", () => {
    open();
    fill(input.value);
  });
  input.addEventListener("keydown", (event) => {
    const { key } = event;
    if (key === "ArrowDown" || key === "ArrowUp") {
      if (menu.hidden) open();
      else point(active + (key === "ArrowDown" ? 1 : -1));
    } else if (key === "Enter" && !menu.hidden) choose(active);
    else if (key === "Escape" && !menu.hidden) close();
    else return;
    event.preventDefault();
  });

  const draw = () => menu.hidden && close();
  draw();
  watch(["value", "choices"], draw);
}
