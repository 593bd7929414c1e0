// SPDX-License-Identifier: Apache-2.0
// The stream of what happens. A connection that ends, or says nothing for long, is made anew.

import { socketAddress } from "./wire.js";

const SILENT_MS = 6000; // health comes every second
const FIRST_WAIT_MS = 300;
const LONGEST_WAIT_MS = 5000;

export class Events {
  #socket = null;
  #wait = FIRST_WAIT_MS;
  #timer = 0;
  #silence = 0;

  /**
   * @param onMessage called with every message
   * @param onState called with "open", or "closed" and the milliseconds until the next attempt
   */
  constructor(onMessage, onState) {
    this.onMessage = onMessage;
    this.onState = onState;
    addEventListener("online", () => this.now());
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.#closed() && this.now());
  }

  #closed() {
    return this.#socket === null;
  }

  /** Connect at once, if not connected. */
  now() {
    if (!this.#closed()) return;
    clearTimeout(this.#timer);
    const socket = (this.#socket = new WebSocket(socketAddress("api/events")));
    this.#listen();
    socket.addEventListener("open", () => {
      this.#wait = FIRST_WAIT_MS;
      this.onState("open", 0);
    });
    socket.addEventListener("message", ({ data }) => {
      this.#listen();
      this.onMessage(JSON.parse(data));
    });
    socket.addEventListener("close", () => this.#again(socket));
  }

  /** Try no more until `now` is called: each attempt with a wrong token counts against this machine. */
  rest() {
    clearTimeout(this.#timer);
  }

  /** Take a long silence as the end: a robot that left the network closes nothing. */
  #listen() {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#again(this.#socket), SILENT_MS);
  }

  #again(socket) {
    if (socket === null || socket !== this.#socket) return;
    this.#socket = null;
    clearTimeout(this.#silence);
    socket.close();
    const wait = this.#wait * (0.8 + 0.4 * Math.random());
    this.#wait = Math.min(2 * this.#wait, LONGEST_WAIT_MS);
    this.#timer = setTimeout(() => this.now(), wait);
    this.onState("closed", wait);
  }
}
