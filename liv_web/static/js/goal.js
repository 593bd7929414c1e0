// SPDX-License-Identifier: Apache-2.0
// The goal: entered in words, as a view or as a picture; and the one that counts, with the answer it got.

import { byId, element, icon, onPress, setText, showText, whileBusy } from "./dom.js";
import { bindPicture } from "./picture.js";
import { Suggestions } from "./suggestions.js";
import { fixed, isNumber, short } from "./text.js";
import { post } from "./wire.js";

const SHOWN = 280; // characters of a goal; the whole of it is in its title
const MOST_HISTORY = 20;

/** What the model says of a goal, in a word. */
function badge({ image, unfamiliar, familiarity }) {
  if (image) return ["ok", "picture"];
  if (unfamiliar) return ["warn", `unfamiliar ${fixed(familiarity, 2)}`];
  return ["ok", isNumber(familiarity) ? `known ${fixed(familiarity, 2)}` : "accepted"];
}

export class GoalPanel {
  #awaited = null; // the text whose answer is awaited
  #turn = Promise.resolve();

  /**
   * @param camera () => name of the camera that is looked at
   * @param time () => time of the shown frame of a recording, undefined when live
   * @param onAccepted called with a Goal that was accepted
   */
  constructor({ camera, time, onAccepted }) {
    Object.assign(this, { camera, time, onAccepted });
    this.input = byId("goal-text");
    this.suggestions = new Suggestions(this.input, byId("goal-list"), (text) => this.setText(text));
    byId("goal-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.suggestions.close();
      this.setText(this.input.value);
    });
    this.input.addEventListener("input", () => showText(byId("goal-refused"), ""));
    onPress(byId("goal-view"), () => this.setView());
    bindPicture((picture) => this.#ask(byId("goal-upload"), () => post("api/goal/image", picture)));
  }

  /** Offer what the server can do. */
  offer(status) {
    const { can } = status;
    this.input.disabled = byId("goal-set").disabled = !can.goal_text;
    byId("goal-view").hidden = !can.goal_camera;
    byId("goal-upload").hidden = !can.goal_image;
    this.suggestions.history = [...(status.history ?? [])];
    this.suggestions.instructions = status.instructions.map(({ text }) => text);
  }

  focus() {
    this.input.focus();
    this.input.select();
  }

  async setText(text) {
    if (this.input.disabled) return;
    this.input.value = text;
    if (!text.trim()) return this.input.focus();
    if (text === this.#awaited) return undefined; // Enter is held down
    this.#awaited = text;
    const isAccepted = await this.#ask(byId("goal-set"), () => post("api/goal", { text }));
    if (this.#awaited === text) this.#awaited = null;
    if (!isAccepted) return this.input.focus();
    this.suggestions.history = [text, ...this.suggestions.history.filter((known) => known !== text)].slice(0, MOST_HISTORY);
    if (this.input.value !== text) return undefined; // the next one is being typed
    this.input.value = "";
    this.input.blur(); // so that the keys work
    return undefined;
  }

  setView() {
    const time = this.time();
    const camera = this.camera();
    return this.#ask(byId("goal-view"), () => post("api/goal/camera", time === undefined ? { camera } : { camera, time_s: time }));
  }

  /** One request after the other, so that the goal that was asked for last is the one that counts. */
  async #ask(button, request) {
    const before = this.#turn;
    let done;
    this.#turn = new Promise((resolve) => (done = resolve));
    await before;
    try {
      return await this.#answered(button, request);
    } finally {
      done();
    }
  }

  async #answered(button, request) {
    const refused = byId("goal-refused");
    showText(refused, "");
    let goal;
    try {
      goal = await whileBusy(button, request);
    } catch (error) {
      goal = { accepted: false, message: error.message };
    }
    if (!goal.accepted) {
      showText(refused, `Refused: ${short(goal.message || "no reason was given", 400)}`);
      return false;
    }
    this.show(goal);
    this.onAccepted(goal);
    return true;
  }

  /** Show the goal that counts. */
  show(goal) {
    const now = byId("goal-now");
    const picture = byId("goal-picture");
    const label = byId("goal-badge");
    if (!goal || !goal.id) {
      setText(now, "no goal yet");
      now.removeAttribute("title");
      now.dataset.none = "yes";
      picture.hidden = label.hidden = true;
      showText(byId("goal-message"), goal?.message);
      byId("goal-nearest").hidden = true;
      return;
    }
    delete now.dataset.none;
    const text = goal.image ? "this picture" : goal.text;
    setText(now, short(text, SHOWN));
    now.title = text.length > SHOWN ? short(text, 2000) : "";
    const [kind, words] = badge(goal);
    label.hidden = false;
    label.dataset.kind = kind;
    setText(label, words);
    picture.hidden = !goal.image;
    const source = `api/goal/image?id=${encodeURIComponent(goal.id)}`;
    if (goal.image && picture.getAttribute("src") !== source) picture.src = source;
    showText(byId("goal-message"), short(goal.message ?? "", 300));
    this.#showNearest(goal);
  }

  /** The nearest known instructions of an unfamiliar goal, to be set by a click. */
  #showNearest({ unfamiliar, nearest }) {
    const place = byId("goal-nearest");
    place.hidden = !(unfamiliar && nearest?.length);
    if (place.hidden) return;
    const chips = nearest.slice(0, 3).map(({ text, similarity }) => {
      const chip = element("button", { type: "button", class: "chip", title: "Set this goal" }, icon("check"), element("bdi", {}, short(text, 60)), element("small", {}, fixed(similarity, 2)));
      onPress(chip, () => this.setText(text));
      return chip;
    });
    place.replaceChildren("Nearest known: ", ...chips);
  }
}
