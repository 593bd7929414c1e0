// SPDX-License-Identifier: Apache-2.0
// Which stretch of time is shown. Live, its end moves with the newest picture, smoothly between two of them; paused or
// zoomed, it stands still. A recording is shown whole.

export const SPANS_S = [10, 30, 60, 120, 300, 600];

export class View {
  span = 30;
  isPaused = false;
  head = null; // time of the newest picture, s
  #arrived = 0; // when it came, ms of the page's clock
  #end = 0;
  #fixed = null; // [from, to] of a zoom, or of a recording
  #isRecorded = false;

  /** A picture of this time has come. */
  advance(time) {
    this.head = time;
    this.#arrived = performance.now();
  }

  /** No pictures yet, or another camera. */
  forget() {
    this.head = null;
    this.#end = 0;
  }

  /** Show a whole recording of so many seconds. */
  recorded(duration) {
    this.#isRecorded = true;
    this.#fixed = [0, Math.max(duration, 0.1)];
  }

  pause(isPaused) {
    this.isPaused = isPaused;
    if (!isPaused && !this.#isRecorded) this.#fixed = null;
  }

  /** Stand still at this stretch. */
  zoom(from, to) {
    this.isPaused = true;
    this.#fixed = [from, to];
  }

  /** What times are counted from on the axis: the newest picture; the start of a recording. */
  get reference() {
    return this.#isRecorded ? 0 : this.#end;
  }

  get isRecorded() {
    return this.#isRecorded;
  }

  /** [from, to] in seconds, to be drawn now. */
  range() {
    if (this.head !== null && !this.isPaused) {
      // between pictures the end goes on at the pace of the clock; when none come, so that a gap is seen to grow
      const now = this.head + (performance.now() - this.#arrived) / 1000;
      const isJump = Math.abs(now - this.#end) > 2;
      this.#end = isJump ? now : Math.max(this.#end, this.#end + 0.2 * (now - this.#end));
    }
    return this.#fixed ?? [this.#end - this.span, this.#end];
  }

  /** Milliseconds between two drawings: a long stretch moves slowly. */
  get every() {
    if (this.#isRecorded) return 40;
    return this.span <= 30 ? 50 : this.span <= 120 ? 120 : 400;
  }
}
