// SPDX-License-Identifier: Apache-2.0
// Which line is which: the goal, and the lines beside it, with their values.

import { goalColour } from "./colours.js";
import { byId, element, setText } from "./dom.js";
import { fixed, short } from "./text.js";

let shown = "";

/** Name the lines. @param lines of Plots @param scores the values of all texts of the goal set, in their order */
export function showLegend(goal, lines, scores) {
  const legend = byId("legend");
  const key = JSON.stringify([goal, lines.map(({ text, index }) => [text, index]), goalColour(0)]);
  if (key !== shown) {
    shown = key;
    const entry = (text, kind, colour) => {
      const swatch = element("i", { class: kind, "aria-hidden": "true" });
      if (colour) swatch.style.background = colour;
      return element("span", { class: "line-name", title: short(text, 400) }, swatch, element("bdi", {}, short(text, 48)), element("output", {}));
    };
    legend.replaceChildren(entry(goal || "no goal", "thick"), ...lines.map(({ text, index }) => entry(text, "thin", goalColour(index))));
  }
  lines.forEach(({ index }, i) => setText(legend.children[i + 1].lastChild, fixed(scores[index], 2)));
}
