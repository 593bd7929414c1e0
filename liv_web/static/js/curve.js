// SPDX-License-Identifier: Apache-2.0
// What is known of one camera over time: values, rewards, progress, task states, verdicts, the goal set.
// Times are seconds and rise. A row of nulls parts what must not be joined: episodes, and gaps without pictures.

const KEEP_S = 630; // the longest stretch that can be shown, and a little
const GAP_S = 1;
const BACK_S = 0.5; // stamps further back than this begin anew, as in reward_node
const TRIM_AT = 1.25;

/** Index of the first of the rising `times` that is not before `time`. */
export function indexAt(times, time) {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < time) low = middle + 1;
    else high = middle;
  }
  return low;
}

export class Curve {
  constructor(keep = KEEP_S) {
    this.keep = keep;
    this.clear();
  }

  clear() {
    this.t = [];
    this.value = [];
    this.reward = [];
    this.progress = [];
    this.firsts = []; // times at which episodes begin
    this.states = []; // {t, state, message}
    this.verdicts = []; // {t, verdict}
    this.scores = { texts: [], t: [], values: [] };
  }

  get last() {
    return this.t.length ? this.t[this.t.length - 1] : null;
  }

  /** The history that a connection begins with, in place of what was held. */
  replace(batch) {
    const { states, verdicts, scores } = this;
    const isSameClock = this.last !== null && batch.t.length && batch.t[batch.t.length - 1] >= this.last - BACK_S;
    this.clear();
    if (isSameClock) Object.assign(this, { states, verdicts, scores });
    this.append(batch);
  }

  append({ t, value, reward, progress, is_first: isFirst }) {
    for (let i = 0; i < t.length; i += 1) {
      const last = this.last;
      if (last !== null && t[i] <= last) {
        if (t[i] > last - BACK_S) continue;
        this.clear(); // a bag begins again, or a simulation is reset
      } else if (last !== null && (isFirst[i] || t[i] - last > GAP_S)) this.#push((last + t[i]) / 2, null, null, null);
      if (isFirst[i]) this.firsts.push(t[i]);
      this.#push(t[i], value[i], reward[i], progress[i]);
    }
    this.#trim();
  }

  #push(t, value, reward, progress) {
    this.t.push(t);
    this.value.push(value);
    this.reward.push(reward);
    this.progress.push(progress);
  }

  appendState(state) {
    const last = this.states[this.states.length - 1];
    if (last && state.t < last.t) this.states = this.states.filter((held) => held.t < state.t);
    if (last && last.state === state.state) last.message = state.message;
    else this.states.push(state);
  }

  appendScores({ t, texts, values }) {
    const held = this.scores;
    const isOther = texts.length !== held.texts.length || texts.some((text, i) => text !== held.texts[i]);
    if (isOther) this.scores = { texts: [...texts], t: [], values: texts.map(() => []) };
    const { t: times, values: columns } = this.scores;
    for (let i = 0; i < t.length; i += 1) {
      const last = times[times.length - 1];
      if (last !== undefined && t[i] <= last) {
        if (t[i] > last - BACK_S) continue;
        times.length = 0;
        for (const column of columns) column.length = 0;
      }
      times.push(t[i]);
      columns.forEach((column, k) => column.push(values[i][k]));
    }
  }

  /** Forget what can be shown no longer; in larger pieces, for that is cheaper. */
  #trim() {
    const from = this.last - this.keep;
    if (this.last - this.t[0] < TRIM_AT * this.keep) return;
    const cut = (times, ...columns) => {
      const count = indexAt(times, from);
      for (const column of [times, ...columns]) column.splice(0, count);
    };
    cut(this.t, this.value, this.reward, this.progress);
    cut(this.firsts);
    cut(this.scores.t, ...this.scores.values);
    const isKept = (held) => held.t >= from;
    this.verdicts = this.verdicts.filter(isKept);
    const kept = this.states.filter(isKept);
    const before = this.states[this.states.length - kept.length - 1];
    this.states = before ? [before, ...kept] : kept;
  }

  /** The columns between two times, with one point on either side. */
  between(from, to) {
    const begin = Math.max(0, indexAt(this.t, from) - 1);
    const end = Math.min(this.t.length, indexAt(this.t, to) + 1);
    const cut = (column) => column.slice(begin, end);
    return { t: cut(this.t), value: cut(this.value), reward: cut(this.reward), progress: cut(this.progress) };
  }

  /** Whether an episode begins after a time, up to another. */
  beginsIn(after, until) {
    const i = indexAt(this.firsts, after + 1e-9);
    return i < this.firsts.length && this.firsts[i] <= until;
  }

  /** At most so many values since a time, evenly spread. */
  few(from, most) {
    const values = this.value.slice(indexAt(this.t, from)).filter((value) => value !== null);
    const step = Math.max(values.length - 1, 1) / (most - 1);
    return step <= 1 ? values : Array.from({ length: most }, (_, i) => values[Math.round(i * step)]);
  }

  /** What held at a time: the newest row that is not after it, and the task state. */
  at(time) {
    let i = indexAt(this.t, time + 1e-6) - 1;
    if (i > 0 && this.value[i] === null) i -= 1;
    const row = i < 0 ? {} : { t: this.t[i], value: this.value[i], reward: this.reward[i], progress: this.progress[i] };
    return { ...row, ...this.stateAt(time), scores: this.#scoresAt(time) };
  }

  stateAt(time) {
    const i = indexAt(this.states.map((held) => held.t), time + 1e-6) - 1;
    return i < 0 ? { state: null, message: "" } : { state: this.states[i].state, message: this.states[i].message };
  }

  #scoresAt(time) {
    const i = indexAt(this.scores.t, time + 1e-6) - 1;
    return i < 0 ? [] : this.scores.values.map((column) => column[i]);
  }
}
