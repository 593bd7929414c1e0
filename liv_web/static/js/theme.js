// SPDX-License-Identifier: Apache-2.0
// Light or dark: the system's, until the button says otherwise.

import { readColours } from "./colours.js";
import { byId, onPress } from "./dom.js";

const system = matchMedia("(prefers-color-scheme: dark)");

/** Bind the button. @param onChange called when the colours are others */
export function bindTheme(onChange) {
  const root = document.documentElement;
  const changed = () => {
    readColours();
    onChange();
  };
  readColours();
  system.addEventListener("change", changed);
  onPress(byId("theme"), () => {
    const isDark = root.dataset.theme ? root.dataset.theme === "dark" : system.matches;
    root.dataset.theme = isDark ? "light" : "dark";
    try {
      localStorage.setItem("liv-theme", root.dataset.theme);
    } catch {
      // storage is forbidden here: until the page is left
    }
    changed();
  });
}
