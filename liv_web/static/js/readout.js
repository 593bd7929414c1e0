// SPDX-License-Identifier: Apache-2.0
// The figures of now, or of the time under the pointer.

import { byId, setText, showText } from "./dom.js";
import { timeLabel } from "./panel.js";
import { fixed, isNumber, percent, short } from "./text.js";

/** Write the figures of a curve at a time. @param isPointed whether the time is under the pointer */
export function showReadout(curve, time, view, isPointed) {
  const now = time === null ? { scores: [] } : curve.at(time);
  const isLive = !(isPointed || view.isPaused || view.isRecorded);
  if (isLive && curve.states.length) Object.assign(now, curve.states.at(-1)); // a blind camera tells no more values
  const state = now.state ?? "idle";
  byId("readout").dataset.state = state;
  setText(byId("r-value"), fixed(now.value, 3));
  setText(byId("r-progress"), percent(now.progress));
  setText(byId("r-reward"), fixed(now.reward, 3, true));
  const tile = byId("r-state");
  setText(tile, state);
  tile.dataset.state = state;
  showText(byId("r-why"), short(now.message ?? "", 80));
  setText(byId("r-when"), isPointed ? timeLabel(view, time, 1) : view.isPaused && !view.isRecorded ? "paused" : "");
  const bar = byId("stage-progress");
  bar.hidden = !isNumber(now.progress);
  bar.firstElementChild.style.width = `${100 * (now.progress ?? 0)}%`;
  bar.dataset.state = state;
  return now.scores;
}
