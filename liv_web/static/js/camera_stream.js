// SPDX-License-Identifier: Apache-2.0
// The pictures of one live camera. Each is asked for once the one before is shown, so the rate follows the connection and
// the screen; in a hidden page none is.

import { socketAddress } from "./wire.js";

const STAMP_BYTES = 8;
const AGAIN_MS = 1000;
const SILENT_MS = 8000;
const LOOK_MS = 500;

/** Once the page is looked at. */
function seen() {
  if (document.visibilityState === "visible") return undefined;
  return new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
}

const passed = (ms) => ms && new Promise((resolve) => setTimeout(resolve, ms));

export class CameraStream {
  #socket = null;
  #timer = 0;
  #look = 0;
  #heard = 0; // when it was opened, or a picture came, ms

  /** @param onPicture called with each bitmap, which is closed afterwards @param pauseMs between two pictures, at least */
  constructor(name, onPicture, pauseMs = 0) {
    Object.assign(this, { name, onPicture, pauseMs });
    this.#connect();
    this.#look = setInterval(() => this.#listen(), LOOK_MS);
  }

  close() {
    clearInterval(this.#look);
    this.#hangUp();
  }

  #hangUp() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #connect() {
    const socket = (this.#socket = new WebSocket(socketAddress(`api/camera/${encodeURIComponent(this.name)}`)));
    socket.binaryType = "arraybuffer";
    this.#heard = performance.now();
    socket.addEventListener("message", async ({ data }) => {
      this.#heard = performance.now();
      await this.#show(socket, data);
      await passed(this.pauseMs);
      await seen();
      if (socket.readyState === WebSocket.OPEN) socket.send("ok");
    });
    socket.addEventListener("close", () => socket === this.#socket && this.#again(AGAIN_MS));
  }

  #again(wait) {
    this.#hangUp();
    this.#timer = setTimeout(() => this.#connect(), wait);
  }

  /** A network that was left closes nothing: what is silent for long is made anew. */
  #listen() {
    const isSilent = performance.now() - this.#heard > SILENT_MS;
    if (isSilent && this.#socket && document.visibilityState === "visible") this.#again(0);
  }

  async #show(socket, data) {
    let bitmap;
    try {
      bitmap = await createImageBitmap(new Blob([data.slice(STAMP_BYTES)], { type: "image/jpeg" }));
    } catch {
      return; // a broken picture is left out
    }
    if (socket === this.#socket) this.onPicture(bitmap);
    bitmap.close();
  }
}
