// SPDX-License-Identifier: Apache-2.0
// A recording: its picture follows the time on the curve, by hand or by playing.

import { byId, onPress, setText } from "./dom.js";
import { fixed } from "./text.js";
import { frame } from "./wire.js";

const KEPT_BYTES = 48_000_000;

export class Recording {
  time = 0;
  isPlaying = false;
  #wanted = null; // index of the frame to be shown next
  #isBusy = false;
  #shown = -1;
  #kept = new Map(); // JPEGs by index, the least recently used first
  #keptBytes = 0;
  #times = [];

  /** @param show called with a bitmap @param onTime called with the time of the frame that is wanted */
  constructor(show, onTime) {
    Object.assign(this, { show, onTime });
    this.slider = byId("scrub");
    this.slider.addEventListener("input", () => {
      this.play(false);
      this.seek(Number(this.slider.value));
    });
    onPress(byId("play"), () => this.play(!this.isPlaying));
    byId("player").hidden = false;
  }

  /** Take the frames' times of a camera. */
  open(camera, times, duration) {
    this.camera = camera;
    this.#times = times;
    this.duration = duration;
    this.slider.max = String(duration);
    this.#kept.clear();
    this.#keptBytes = 0;
    this.#shown = -1;
    this.seek(Math.min(this.time, duration));
  }

  /** Go to a time: to the newest frame at or before it. */
  seek(time) {
    this.time = Math.min(Math.max(time, 0), this.duration);
    this.slider.value = String(this.time);
    this.slider.setAttribute("aria-valuetext", `${fixed(this.time, 1)} seconds`);
    setText(byId("scrub-time"), `${fixed(this.time, 1)} / ${fixed(this.duration, 1)} s`);
    this.onTime(this.time);
    this.#want(this.#indexOf(this.time));
  }

  #indexOf(time) {
    let i = this.#times.length - 1;
    while (i > 0 && this.#times[i] > time + 1e-6) i -= 1;
    return i;
  }

  /** So many frames on or back. */
  step(count) {
    this.play(false);
    const i = this.#indexOf(this.time) + count;
    if (this.#times.length) this.seek(this.#times[Math.min(Math.max(i, 0), this.#times.length - 1)]);
  }

  play(isPlaying) {
    if (isPlaying === this.isPlaying) return;
    this.isPlaying = isPlaying;
    byId("play-icon").setAttribute("href", isPlaying ? "#i-pause" : "#i-play");
    byId("play").setAttribute("aria-label", isPlaying ? "Pause" : "Play");
    if (!isPlaying) return;
    if (this.time >= this.duration - 0.02) this.seek(0);
    let before = performance.now();
    const tick = (now) => {
      if (!this.isPlaying) return;
      this.seek(this.time + (now - before) / 1000);
      before = now;
      if (this.time >= this.duration) this.play(false);
      else requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  /** One frame is fetched at a time; of those wanted meanwhile the newest alone comes next. */
  async #want(index) {
    this.#wanted = index;
    if (this.#isBusy) return;
    this.#isBusy = true;
    while (this.#wanted !== null && this.#wanted >= 0) {
      const next = this.#wanted;
      this.#wanted = null;
      if (next === this.#shown) continue;
      try {
        const bitmap = await createImageBitmap(await this.#jpeg(next));
        this.show(bitmap);
        bitmap.close();
        this.#shown = next;
      } catch {
        setText(byId("stage-note"), "this frame cannot be read");
      }
    }
    this.#isBusy = false;
  }

  async #jpeg(index) {
    const key = `${this.camera} ${index}`;
    const held = this.#kept.get(key);
    if (held) {
      this.#kept.delete(key);
      this.#kept.set(key, held);
      return held;
    }
    const blob = await frame(this.camera, this.#times[index]);
    this.#kept.set(key, blob);
    this.#keptBytes += blob.size;
    for (const [oldest, { size }] of this.#kept) {
      if (this.#keptBytes <= KEPT_BYTES) break;
      this.#kept.delete(oldest);
      this.#keptBytes -= size;
    }
    return blob;
  }
}
