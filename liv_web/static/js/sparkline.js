// SPDX-License-Identifier: Apache-2.0
// A curve the size of a word.

import { svg } from "./dom.js";
import { isNumber } from "./text.js";

const WIDTH = 96;
const HEIGHT = 24;
const EDGE = 2.5;

/** An SVG of values in order; on an axis that all episodes share. */
export function sparkline(values, [low, high]) {
  const known = values.map((y, i) => [i, y]).filter(([, y]) => isNumber(y));
  const x = (i) => EDGE + ((WIDTH - 2 * EDGE) * i) / Math.max(values.length - 1, 1);
  const y = (v) => HEIGHT - EDGE - ((HEIGHT - 2 * EDGE) * (v - low)) / Math.max(high - low, 1e-6);
  const drawing = svg("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" });
  if (!known.length) return drawing;
  const points = known.map(([i, v]) => `${x(i).toFixed(1)} ${y(v).toFixed(1)}`);
  const [lastX, lastY] = points[points.length - 1].split(" ");
  drawing.append(svg("path", { d: `M${points.join("L")}` }), svg("circle", { cx: lastX, cy: lastY, r: 2 }));
  return drawing;
}
