// SPDX-License-Identifier: Apache-2.0
// The task state over time, a coloured band with the names in it where there is room.

import { colours } from "./colours.js";
import { AXIS_PX, RIGHT_PX } from "./panel.js";

const FONT = "600 10px Inter, sans-serif";

/** Fit a canvas to its element and the screen; its context is in CSS pixels. */
function fitted(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const ratio = devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width: width - AXIS_PX - RIGHT_PX, height };
}

/** Draw the states of a curve between two times. */
export function drawBand(canvas, curve, [from, to]) {
  const { context, width, height } = fitted(canvas);
  const x = (time) => AXIS_PX + (width * (time - from)) / (to - from);
  context.font = FONT;
  context.textBaseline = "middle";
  context.save();
  context.beginPath();
  context.roundRect(AXIS_PX, 0, width, height, 3);
  context.clip();
  context.fillStyle = colours.line;
  context.fillRect(AXIS_PX, 0, width, height);
  const { states } = curve; // the last one holds until another is told
  states.forEach(({ t, state }, i) => {
    const begins = Math.max(t, from);
    const ends = Math.min(states[i + 1]?.t ?? to, to);
    if (ends <= begins) return;
    context.fillStyle = colours[state] ?? colours.idle;
    context.fillRect(x(begins), 0, Math.max(x(ends) - x(begins), 1), height);
    if (context.measureText(state).width + 10 > x(ends) - x(begins)) return;
    context.fillStyle = colours["on-state"];
    context.fillText(state, x(begins) + 5, height / 2 + 0.5);
  });
  context.restore();
}
