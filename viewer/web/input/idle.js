/** Whether a person does anything with the viewer: the tools step back when not. */

const REST_MS = 2000;

/**
 * Marks the frame with the class "idle" after two seconds without pointer, touch or key.
 *
 * @param {HTMLElement} frame
 * @param {() => boolean} busy  whether something is open that must stay in sight
 * @returns {() => void} stops it
 */
export function markIdle(frame, busy) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const rest = () => {
    if (busy()) wake();
    else frame.classList.add("idle");
  };
  const wake = () => {
    frame.classList.remove("idle");
    clearTimeout(timer);
    timer = setTimeout(rest, REST_MS);
  };
  /** A finger cannot hover: its first tap on tools that are not to be seen only shows them. @param {Event} event */
  const onClick = (event) => {
    if (!unseen || !(event.target instanceof Element) || !event.target.closest(".toolbar")) return;
    event.preventDefault();
    event.stopPropagation();
  };
  let unseen = false; // when the finger came down
  /** @param {PointerEvent} event */
  const onDown = (event) => {
    unseen = event.pointerType === "touch" && frame.classList.contains("idle");
    wake();
  };
  frame.addEventListener("pointerdown", onDown, { capture: true });
  frame.addEventListener("click", onClick, { capture: true });
  for (const kind of ["pointermove", "wheel", "keydown", "focusin"])
    frame.addEventListener(kind, wake, { passive: true });
  wake();
  return () => clearTimeout(timer);
}
