// SPDX-License-Identifier: Apache-2.0
// Another model while the robot runs, among the bundles of a folder, and back to the one before.

import { byId, element, onPress, setText, whileBusy } from "./dom.js";
import { showModel } from "./health.js";
import { attempt } from "./say.js";
import { get, post } from "./wire.js";

function answered({ accepted, message, model }) {
  if (accepted && model) showModel(model);
  setText(byId("models-answer"), message || (accepted ? `${model} is in use` : "refused"));
  byId("models-answer").dataset.kind = accepted ? "ok" : "bad";
}

async function change(button, path, body) {
  setText(byId("models-answer"), "it is loaded and judged; the one before goes on until then …");
  byId("models-answer").dataset.kind = "ok";
  await whileBusy(button, async () => {
    try {
      answered(await post(path, body));
    } catch (error) {
      answered({ accepted: false, message: error.message });
    }
  });
  await list();
}

function row({ name, identity, active }) {
  const words = element("span", { class: "episode-words" }, element("bdi", {}, name), element("small", {}, identity));
  const use = active
    ? element("span", { class: "badge", "data-kind": "ok" }, "in use")
    : element("button", { type: "button", class: "plain", "aria-label": `Use ${name}`, onclick: ({ currentTarget }) => change(currentTarget, "api/models", { name }) }, "Use");
  return element("li", { "data-active": active }, words, use);
}

async function list() {
  const models = await attempt(() => get("api/models"));
  if (models) byId("models-list").replaceChildren(...models.map(row));
}

/** Bind the button and its dialog. */
export function bindModels(can) {
  const button = byId("models");
  const dialog = byId("models-dialog");
  button.hidden = false;
  button.disabled = !can.models;
  onPress(button, () => {
    setText(byId("models-answer"), "");
    dialog.showModal();
    list();
  });
  onPress(byId("models-close"), () => dialog.close());
  onPress(byId("models-back"), () => change(byId("models-back"), "api/models/rollback", {}));
}
