// SPDX-License-Identifier: Apache-2.0
// Short notes at the edge of the page, also read aloud: what an action came to.

import { byId, element } from "./dom.js";
import { short } from "./text.js";

const STAYS_MS = 4500;
const MOST = 3;

/** Show a note for a while. @param kind "ok" or "bad" */
export function say(text, kind = "ok") {
  const toasts = byId("toasts");
  const note = element("p", { class: "toast", "data-kind": kind }, short(text, 240));
  toasts.append(note);
  while (toasts.children.length > MOST) toasts.firstChild.remove();
  setTimeout(() => note.remove(), STAYS_MS);
}

/** Do something; if it fails, say why. Returns what it gave, undefined if it failed. */
export async function attempt(what) {
  try {
    return await what();
  } catch (error) {
    say(error.message, "bad");
    return undefined;
  }
}
