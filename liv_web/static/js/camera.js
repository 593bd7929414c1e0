// SPDX-License-Identifier: Apache-2.0
// A live camera. Each picture is asked for once the one before is drawn, so the rate follows the connection and the screen.

import { byId, setText } from "./dom.js";
import { fixed } from "./text.js";
import { socketAddress } from "./wire.js";

const STAMP_BYTES = 8;
const STALE_MS = 2000;
const AGAIN_MS = 1000;
const SILENT_MS = 8000;

/** Once the page is looked at: in a hidden one no picture is asked for. */
function seen() {
  if (document.visibilityState === "visible") return undefined;
  return new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
}

export class LiveCamera {
  #socket = null;
  #timer = 0;
  #opened = 0;
  #drawn = []; // times of the latest drawings, ms
  #note = "no picture yet";

  constructor() {
    this.stage = byId("stage");
    this.canvas = byId("picture");
    this.context = this.canvas.getContext("2d", { alpha: false });
    setInterval(() => this.#tell(), 500);
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
    this.#connect();
  }

  /** Ask for no more pictures until `open`. */
  rest() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #connect() {
    const socket = (this.#socket = new WebSocket(socketAddress(`api/camera/${encodeURIComponent(this.name)}`)));
    socket.binaryType = "arraybuffer";
    this.#opened = performance.now();
    socket.addEventListener("message", async ({ data }) => {
      await this.#draw(socket, data);
      await seen();
      if (socket.readyState === WebSocket.OPEN) socket.send("ok");
    });
    socket.addEventListener("close", () => socket === this.#socket && this.#again(AGAIN_MS));
  }

  #again(wait = 0) {
    this.rest();
    this.#opened = performance.now() + wait;
    this.#timer = setTimeout(() => this.#connect(), wait);
  }

  async #draw(socket, data) {
    let bitmap;
    try {
      bitmap = await createImageBitmap(new Blob([data.slice(STAMP_BYTES)], { type: "image/jpeg" }));
    } catch {
      return; // a broken picture is left out
    }
    if (socket === this.#socket) {
      this.show(bitmap);
      this.#drawn.push(performance.now());
      if (this.#drawn.length > 20) this.#drawn.shift();
    }
    bitmap.close();
  }

  /** Draw a picture in its own size; the style sheet scales it. */
  show(bitmap) {
    const { canvas } = this;
    if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
      canvas.width = bitmap.width;
      canvas.height = bitmap.height;
    }
    this.context.drawImage(bitmap, 0, 0);
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
    // a network that was left closes nothing: what is silent for long is made anew
    const isSilent = Math.min(age, performance.now() - this.#opened) > SILENT_MS;
    if (isSilent && this.#socket && document.visibilityState === "visible") this.#again();
    const span = newest - this.#drawn[0];
    setText(byId("camera-rate"), isFresh && span > 0 ? `${fixed((1000 * (this.#drawn.length - 1)) / span, 0)} Hz` : "");
  }
}
