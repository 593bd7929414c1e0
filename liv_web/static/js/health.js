// SPDX-License-Identifier: Apache-2.0
// How the graph is: rates, losses, latency, what runs the model; and in plain words what is wrong.

import { byId, element, icon, setText } from "./dom.js";
import { fixed, isNumber, short } from "./text.js";

let hinted = "";

const item = (name, value, title) => element("span", { class: "health-item", title }, name && element("b", {}, name), value);

function camera({ name, received_hz: received, encoded_hz: encoded, dropped, latency_p50_ms: p50, latency_p99_ms: p99, state }) {
  const isWell = state !== "blind";
  const parts = [
    element("b", {}, element("i", { class: "lamp", "data-level": isWell ? "ok" : "warn", "aria-hidden": "true" }), short(name, 24)),
  ];
  const tell = (x, text, title) => isNumber(x) && parts.push(item("", text(x), title));
  const handy = (x) => fixed(x, x < 10 ? 1 : 0);
  tell(received, (x) => `${fixed(x, 1)} Hz in`, "pictures received a second");
  tell(encoded, (x) => `${fixed(x, 1)} Hz encoded`, "pictures that became rewards, a second");
  tell(p50, (x) => `p50 ${handy(x)} ms`, "from the picture's stamp to its reward, median");
  tell(p99, (x) => `p99 ${handy(x)} ms`, "from the picture's stamp to its reward, 99 of 100");
  if (isNumber(received)) tell(dropped, (x) => `${x} dropped`, "pictures that newer ones replaced, or that were lost");
  if (!isWell) parts.push(element("span", { class: "health-item warn" }, "blind"));
  return element("span", { class: "health-camera" }, ...parts);
}

/** Show a Health of the wire. */
export function showHealth(health) {
  byId("health").dataset.level = health.level ?? "ok";
  byId("health-cameras").replaceChildren(...(health.cameras ?? []).map(camera));
  const gate = health.gate && `gate ${health.gate}`;
  const engine = [health.device, health.engine, gate].filter(Boolean);
  byId("health-engine").replaceChildren(
    ...engine.map((text) => item("", short(text.split(",")[0], 40), short(text, 300))),
    ...(health.viewers > 1 ? [item("", `${health.viewers} viewers`)] : []),
  );
  const hints = (health.hints ?? []).slice(0, 4);
  if (JSON.stringify(hints) === hinted) return;
  hinted = JSON.stringify(hints);
  byId("hints").replaceChildren(...hints.map((hint) => element("li", {}, icon("warn"), short(hint, 300))));
}

/** Show which model is in use. */
export function showModel(identity) {
  const name = short(identity || "no model", 40);
  setText(byId("model-name"), name);
  byId("models").setAttribute("aria-label", `Model: ${name}`);
}
