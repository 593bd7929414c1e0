// SPDX-License-Identifier: Apache-2.0
// Recording a bag: on or off, and how much disk is left for it.

import { byId, onPress, setText, whileBusy } from "./dom.js";
import { attempt, say } from "./say.js";
import { bytes, isNumber, short } from "./text.js";
import { post } from "./wire.js";

let isOn = false;

/** Show whether a bag is written. */
export function showRecord({ on, folder, free_bytes: free, message }) {
  isOn = Boolean(on);
  const button = byId("record");
  button.setAttribute("aria-pressed", String(isOn));
  setText(byId("record-text"), isOn ? "Recording" : "Record");
  setText(byId("record-free"), isNumber(free) ? `${bytes(free)} free` : "");
  button.title = short([message, folder && `into ${folder}`].filter(Boolean).join("; ") || "Record a bag of it all (R)", 300);
}

/** Bind the button, and return the action for the key. */
export function bindRecord(can) {
  const button = byId("record");
  button.hidden = !can.record;
  const toggle = () => !button.hidden && whileBusy(button, () => attempt(async () => {
    const answer = await post("api/record", { on: !isOn });
    showRecord(answer);
    if (answer.message) say(answer.message, answer.on ? "ok" : "bad");
    else say(answer.on ? `Recording into ${answer.folder}` : "The bag is closed");
  }));
  onPress(button, toggle);
  return toggle;
}
