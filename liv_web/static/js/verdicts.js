// SPDX-License-Identifier: Apache-2.0
// What the person says of the episode, and the start of the next one.

import { byId, onPress, whileBusy } from "./dom.js";
import { attempt, say } from "./say.js";
import { post } from "./wire.js";

const SAID = { success: "success", failure: "failure", discard: "discarded" };

async function verdict(name) {
  const button = byId(`v-${name}`);
  if (button.disabled) return;
  await whileBusy(button, () => attempt(async () => {
    const answer = await post("api/verdict", { verdict: name });
    if (answer?.accepted === false) throw new Error(answer.message);
    say(answer?.message || `The episode is marked: ${SAID[name]}`);
  }));
}

async function begin() {
  const button = byId("v-begin");
  if (button.disabled) return;
  await whileBusy(button, () => attempt(async () => {
    const answer = await post("api/episode");
    if (answer?.accepted === false) throw new Error(answer.message);
    say("A new episode begins");
  }));
}

/** Bind the buttons to what the server can do, and return the actions for the keys. */
export function bindVerdicts(can) {
  byId("verdicts").hidden = !(can.verdict || can.episode);
  const actions = { success: () => verdict("success"), failure: () => verdict("failure"), discard: () => verdict("discard"), begin };
  for (const [name, action] of Object.entries(actions)) {
    const button = byId(`v-${name}`);
    button.disabled = name === "begin" ? !can.episode : !can.verdict;
    onPress(button, action);
  }
  return actions;
}
