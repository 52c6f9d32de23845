/** Gives the modules of the page in `ivid/page/web` what they draw with, without a server behind it. */

/**
 * @template T
 * @typedef {import("../../page/web/component.js").Component<T>} Component
 */

/**
 * A component whose values this page sets.
 *
 * @template T
 * @param {HTMLElement} element  to draw in
 * @param {{value: T | null, [name: string]: any}} values  at the beginning
 * @param {(value: T | null) => void} [onChoice]  called when the component itself sets its value
 * @returns {{component: Component<T>, set: (changes: Partial<{value: T | null, [name: string]: any}>) => void}}
 */
export function localComponent(element, values, onChoice = () => {}) {
  /** @type {[string[], () => void][]} */
  const watchers = [];
  const props = new Proxy(
    { ...values },
    {
      set(target, name, value) {
        /** @type {any} */ (target)[name] = value;
        if (name === "value") onChoice(value);
        return true;
      },
    },
  );
  return {
    component: {
      element,
      files: "",
      props,
      watch: (names, changed) => watchers.push([[names].flat(), changed]),
      trigger: () => {},
      upload: () => Promise.reject(new Error("there is no server here")),
    },
    set(changes) {
      const own = /** @type {any} */ (props);
      for (const [name, value] of Object.entries(changes)) {
        if (name === "value")
          Reflect.defineProperty(own, name, { value, writable: true, enumerable: true, configurable: true });
        else own[name] = value;
      }
      for (const [names, changed] of watchers) if (names.some((name) => name in changes)) changed();
    },
  };
}
