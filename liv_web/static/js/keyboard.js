// SPDX-License-Identifier: Apache-2.0
// Keys for people whose other hand is on the robot.

import { byId, element, onPress } from "./dom.js";

const TAKES_TEXT = "input:not([type=range]):not([type=radio]), textarea, select, [contenteditable]";
const TAKES_SPACE = "button, a[href], summary, input, [role=option]";

/**
 * Call actions by keys.
 * @param bindings list of {key, name, what, action}: key as in KeyboardEvent (" " = Space), what it does in words
 */
export function bindKeys(bindings) {
  const actions = new Map(bindings.map(({ key, action }) => [key, action]));
  const dialog = byId("keys-dialog");
  byId("keys-list").replaceChildren(...bindings.flatMap(({ key, name, what }) => [
    element("dt", {}, element("kbd", {}, name ?? key.toUpperCase())), element("dd", {}, what)]));
  const help = () => dialog.showModal();
  actions.set("?", help);
  onPress(byId("keys"), help);
  onPress(byId("keys-close"), () => dialog.close());

  document.addEventListener("keydown", (event) => {
    const { key, target, repeat } = event;
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || event.defaultPrevented) return;
    if (target.closest?.(TAKES_TEXT) || target.closest?.("dialog")) return;
    if ((key === " " || key === "Enter") && target.closest?.(TAKES_SPACE)) return;
    const action = actions.get(key.length === 1 ? key.toLowerCase() : key);
    if (!action) return;
    event.preventDefault(); // Space does not scroll
    if (!repeat || key.startsWith("Arrow")) action();
  });
}
