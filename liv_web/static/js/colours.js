// SPDX-License-Identifier: Apache-2.0
// The colours of the style sheet, for canvases: what a variable is in the theme of now.

const NAMES = ["ink", "dim", "faint", "line", "card", "accent", "curve", "fill", "gain", "loss", "goal-1", "goal-2", "goal-3", "goal-4",
  "goal-5", "goal-6", "idle", "progressing", "stalled", "regressing", "succeeded", "blind", "on-state"];

const probe = document.createElement("span");
probe.hidden = true;

export const colours = {};

/** Read them again: after the theme changed. */
export function readColours() {
  if (!probe.isConnected) document.body.append(probe);
  for (const name of NAMES) {
    probe.style.color = `var(--${name})`;
    colours[name] = getComputedStyle(probe).color;
  }
}

/** The colour of a line of the goal set. */
export const goalColour = (index) => colours[`goal-${1 + (index % 6)}`];
