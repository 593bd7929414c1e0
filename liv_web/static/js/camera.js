// SPDX-License-Identifier: Apache-2.0
// The camera that is looked at: its pictures, how many come, and when none do.

import { CameraStream } from "./camera_stream.js";
import { byId, setText } from "./dom.js";
import { fixed } from "./text.js";

const STALE_MS = 2000;
const TELL_MS = 500;
const RATE_OVER = 20; // pictures

/** Draw a picture into a canvas in its own size; the style sheet scales it. */
export function drawPicture(canvas, bitmap) {
  if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
  }
  canvas.getContext("2d", { alpha: false }).drawImage(bitmap, 0, 0);
}

export class LiveCamera {
  #stream = null;
  #drawn = []; // times of the latest drawings, ms
  #note = "no picture yet";

  constructor() {
    this.stage = byId("stage");
    this.canvas = byId("picture");
    setInterval(() => this.#tell(), TELL_MS);
  }

  /** Look at a camera; at the same one again where a connection was lost. */
  open(name) {
    this.rest();
    if (name !== this.name) {
      this.#drawn = [];
      this.#note = "no picture yet";
    }
    this.name = name;
    this.canvas.setAttribute("aria-label", `Picture of camera ${name}`);
    this.#stream = new CameraStream(name, (bitmap) => {
      this.show(bitmap);
      this.#drawn.push(performance.now());
      if (this.#drawn.length > RATE_OVER) this.#drawn.shift();
    });
  }

  /** Ask for no more pictures until `open`. */
  rest() {
    this.#stream?.close();
    this.#stream = null;
  }

  show(bitmap) {
    drawPicture(this.canvas, bitmap);
    this.stage.dataset.fresh = "yes";
  }

  /** Say how many pictures come, and when none do. */
  #tell() {
    if (!this.name) return;
    const newest = this.#drawn[this.#drawn.length - 1];
    const age = newest === undefined ? Infinity : performance.now() - newest;
    const isFresh = age < STALE_MS;
    this.stage.dataset.fresh = isFresh ? "yes" : "no";
    if (!isFresh && Number.isFinite(age)) this.#note = `no picture for ${Math.round(age / 1000)} s`;
    setText(byId("stage-note"), isFresh ? "" : this.#note);
    const span = newest - this.#drawn[0];
    setText(byId("camera-rate"), isFresh && span > 0 ? `${fixed((1000 * (this.#drawn.length - 1)) / span, 0)} Hz` : "");
  }
}
