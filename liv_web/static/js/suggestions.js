// SPDX-License-Identifier: Apache-2.0
// A field that suggests: goals set before, then instructions that the model knows. Arrow keys choose, Enter takes.

import { element } from "./dom.js";
import { short } from "./text.js";

const MOST = 40;

/** The texts that have every typed word in them, those that begin with it first. */
export function matching(texts, typed) {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  const found = texts.filter((text) => words.every((word) => text.toLowerCase().includes(word)));
  const begins = (text) => (text.toLowerCase().startsWith(typed.toLowerCase().trim()) ? 0 : 1);
  return found.sort((a, b) => begins(a) - begins(b));
}

export class Suggestions {
  history = [];
  instructions = [];
  #chosen = -1;

  /** @param onTake called with a text that was taken from the list */
  constructor(input, list, onTake) {
    Object.assign(this, { input, list, onTake });
    input.addEventListener("input", () => this.#open());
    input.addEventListener("pointerdown", () => this.#open());
    input.addEventListener("blur", () => this.close());
    input.addEventListener("keydown", (event) => this.#onKey(event));
    list.addEventListener("pointerdown", (event) => event.preventDefault()); // the field keeps the focus
    list.addEventListener("click", ({ target }) => {
      const option = target.closest("[role=option]");
      if (option) this.#take(option);
    });
  }

  get isOpen() {
    return !this.list.hidden;
  }

  #open() {
    const typed = this.input.value;
    const before = matching(this.history, typed).slice(0, 6);
    const known = matching(this.instructions.filter((text) => !before.includes(text)), typed);
    const option = (kind) => (text, i) => element("li", { role: "option", id: `goal-${kind}-${i}`, "data-kind": kind, "aria-selected": "false" }, element("bdi", {}, short(text, 120)));
    const options = [...before.map(option("before")), ...known.slice(0, MOST).map(option("known"))];
    this.texts = [...before, ...known.slice(0, MOST)];
    this.list.replaceChildren(...options);
    this.#chosen = -1;
    this.input.removeAttribute("aria-activedescendant");
    this.#show(options.length > 0);
  }

  #show(isOpen) {
    this.list.hidden = !isOpen;
    this.input.setAttribute("aria-expanded", String(isOpen));
  }

  close() {
    this.#show(false);
    this.#chosen = -1;
    this.input.removeAttribute("aria-activedescendant");
  }

  #choose(index) {
    const options = this.list.children;
    options[this.#chosen]?.setAttribute("aria-selected", "false");
    this.#chosen = (index + options.length) % options.length;
    const option = options[this.#chosen];
    option.setAttribute("aria-selected", "true");
    option.scrollIntoView({ block: "nearest" });
    this.input.setAttribute("aria-activedescendant", option.id);
  }

  #take(option) {
    const text = this.texts[Array.prototype.indexOf.call(this.list.children, option)];
    this.close();
    this.onTake(text);
  }

  #onKey(event) {
    if (event.isComposing) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!this.isOpen) this.#open();
      if (this.isOpen) this.#choose(this.#chosen + (event.key === "ArrowDown" ? 1 : this.#chosen < 0 ? 0 : -1));
    } else if (event.key === "Enter" && this.isOpen && this.#chosen >= 0) {
      event.preventDefault();
      this.#take(this.list.children[this.#chosen]);
    } else if (event.key === "Escape") {
      if (this.isOpen) this.close();
      else this.input.blur();
    }
  }
}
