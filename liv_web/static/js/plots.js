// SPDX-License-Identifier: Apache-2.0
// Value with the goal set as thin lines, task state, progress and reward, one under the other over the same time.

import { colours, goalColour } from "./colours.js";
import { indexAt } from "./curve.js";
import { byId } from "./dom.js";
import { linePath } from "./line_path.js";
import { makePanel, showData } from "./panel.js";
import { drawBand } from "./state_band.js";
import { fixed, percent } from "./text.js";

const LEAST_SPAN = 0.3; // of the value axis: less would show noise large
const LEAST_REWARD = 0.02;
const NAME_PX = 42; // of the panel's own name
const HEAD_PX = 14;
const MARKS = { success: ["progressing", "✓"], failure: ["regressing", "✗"], discard: ["idle", "–"] };
export const MOST_LINES = 8;

export class Plots {
  curve = null;
  goalText = "";
  episodes = []; // of the wire
  playhead = null; // s, of a recording
  hover = null;
  #value = [0, 1];
  #reward = LEAST_REWARD;
  #range = [0, 1];

  /** @param onHover called with a time or null; @param onZoom called with a stretch that was drawn with the pointer */
  constructor(view, { onHover, onZoom }) {
    this.view = view;
    const common = { view, onZoom, over: (u, ctx) => this.#marks(u, ctx) };
    this.valuePanel = makePanel(byId("plot-value"), {
      ...common,
      headPx: HEAD_PX,
      yRange: () => this.#value,
      ySplits: (_u, _axis, low, high) => splits(low, high, high - low > 1.2 ? 0.5 : high - low > 0.6 ? 0.2 : 0.1),
      yLabel: (y) => fixed(y, 1),
      series: { paths: linePath(false), stroke: () => colours.curve, width: 2.25, points: { show: false } },
      under: (u, ctx) => this.#goalSet(u, ctx),
      over: (u, ctx) => this.#marks(u, ctx, true),
      onHover: (time) => {
        this.hover = time;
        onHover(time);
      },
    });
    this.progressPanel = makePanel(byId("plot-progress"), {
      ...common,
      yRange: () => [0, 1.02],
      ySplits: () => [0, 0.5, 1],
      yLabel: (y) => percent(y),
      series: { paths: linePath(true), stroke: () => colours.curve, fill: () => colours.fill, width: 1.75, points: { show: false } },
    });
    this.rewardPanel = makePanel(byId("plot-reward"), {
      ...common,
      hasTimes: true,
      yRange: () => [-this.#reward, this.#reward],
      ySplits: () => [-this.#reward, 0, this.#reward],
      yLabel: (y) => fixed(y, 2, true),
      series: { paths: () => null, points: { show: false } },
      under: (u, ctx) => this.#bars(u, ctx),
    });
    this.panels = [this.valuePanel, this.progressPanel, this.rewardPanel];
    this.band = byId("band");
  }

  /** The lines beside the goal: of the goal set, or of goals asked before. */
  get lines() {
    const { texts, t, values } = this.curve.scores;
    return texts.flatMap((text, i) => (text === this.goalText ? [] : [{ text, t, y: values[i], index: i }])).slice(0, MOST_LINES);
  }

  /** Draw what there is now. */
  draw() {
    const range = (this.#range = this.view.range());
    const { t, value, progress, reward } = this.curve.between(...range);
    this.#fit(value, reward);
    showData(this.valuePanel, range, t, value);
    showData(this.progressPanel, range, t, progress);
    showData(this.rewardPanel, range, t, reward);
    drawBand(this.band, this.curve, range);
    byId("uncalibrated").hidden = value.length === 0 || progress[progress.length - 1] !== null;
  }

  /** Other colours: draw again. */
  recolour() {
    if (this.curve) this.draw();
  }

  /** Axes in whole tenths, which grow at once and shrink late, so that they stand still. */
  #fit(value, reward) {
    const [from, to] = this.#range;
    let [low, high] = extent(value, 0, value.length, [Infinity, -Infinity]);
    for (const { t, y } of this.lines) [low, high] = extent(y, indexAt(t, from), indexAt(t, to), [low, high]);
    if (low > high) return;
    const middle = (low + high) / 2;
    const half = Math.max(high - low, LEAST_SPAN) / 2;
    const fit = [Math.floor((middle - 1.04 * half) * 10) / 10, Math.ceil((middle + 1.04 * half) * 10) / 10];
    const [a, b] = this.#value;
    const isTooSmall = fit[0] < a || fit[1] > b;
    const isTooLarge = b - a - (fit[1] - fit[0]) > 0.15 && !this.view.isPaused;
    if (isTooSmall || isTooLarge) this.#value = fit;
    const sizes = reward.filter((y) => y !== null).map(Math.abs).sort((a, b) => a - b);
    const usual = Math.max(1.3 * (sizes[Math.floor(0.98 * sizes.length)] ?? 0), LEAST_REWARD); // one jump must not hide the rest
    const step = usual > 0.2 ? 0.2 : usual > 0.04 ? 0.04 : 0.02;
    const most = Math.ceil(usual / step - 1e-9) * step;
    if (most > this.#reward || most < 0.6 * this.#reward) this.#reward = most;
  }

  /** Thin lines, one point for a pixel at most. */
  #goalSet(u, ctx) {
    const ratio = devicePixelRatio || 1;
    const [from, to] = this.#range;
    ctx.lineWidth = 1.25 * ratio;
    ctx.lineJoin = "round";
    for (const { t, y, index } of this.lines) {
      const begin = Math.max(0, indexAt(t, from) - 1);
      const end = Math.min(t.length, indexAt(t, to) + 1);
      const stride = Math.max(1, Math.floor((end - begin) / u.bbox.width));
      ctx.strokeStyle = goalColour(index);
      ctx.beginPath();
      let isDown = false;
      for (let i = begin - (begin % stride); i < end; i += stride) {
        const before = t[Math.max(0, i - stride)];
        const isGap = t[i] - before > stride || this.curve.beginsIn(before, t[i]);
        if (y[i] !== null && y[i] !== undefined) {
          const point = [u.valToPos(t[i], "x", true), u.valToPos(y[i], "y", true)];
          if (isDown && !isGap) ctx.lineTo(...point);
          else ctx.moveTo(...point);
          isDown = true;
        }
      }
      ctx.stroke();
    }
  }

  /** Gains upwards, losses downwards, one bar for a pixel at most. */
  #bars(u, ctx) {
    const { t, reward } = this.curve.between(...this.#range);
    const ratio = devicePixelRatio || 1;
    const zero = u.valToPos(0, "y", true);
    const width = Math.max(ratio, Math.min(4 * ratio, (0.7 * u.bbox.width) / Math.max(t.length, 1)));
    const bars = { gain: new Map(), loss: new Map() };
    for (let i = 0; i < t.length; i += 1) {
      if (!reward[i]) continue;
      const x = Math.round(u.valToPos(t[i], "x", true) - width / 2);
      const kind = reward[i] > 0 ? "gain" : "loss";
      if (Math.abs(reward[i]) > Math.abs(bars[kind].get(x) ?? 0)) bars[kind].set(x, reward[i]);
    }
    for (const kind of ["gain", "loss"]) {
      ctx.fillStyle = colours[kind];
      for (const [x, y] of bars[kind]) ctx.fillRect(x, zero, width, u.valToPos(y, "y", true) - zero);
    }
    ctx.fillStyle = colours.faint;
    ctx.fillRect(u.bbox.left, zero - ratio / 2, u.bbox.width, ratio);
  }

  /** What each episode was to do, at its beginning, as far as there is room. */
  #names(u, ctx, ratio) {
    const [from, to] = this.#range;
    const { left, top, width } = u.bbox;
    ctx.font = `500 ${10.5 * ratio}px Inter, sans-serif`;
    ctx.textAlign = "left";
    ctx.textBaseline = "middle";
    ctx.fillStyle = colours.dim;
    this.episodes.forEach(({ begin_s: begin, goal }, i) => {
      const next = this.episodes[i + 1]?.begin_s ?? Infinity;
      if (!goal || next < from || begin > to) return;
      const x = Math.max(u.valToPos(begin, "x", true), left + NAME_PX * ratio) + 6 * ratio;
      const flagged = this.curve.verdicts.find(({ t }) => t > begin && t < next)?.t ?? Infinity;
      const ends = Math.min(next, flagged, to);
      const room = u.valToPos(ends, "x", true) - x - (ends === flagged ? 10 : 4) * ratio;
      const words = fitting(ctx, goal, Math.min(room, left + width - x));
      ctx.fillText(words, x, top - 8 * ratio);
    });
  }

  /** Where episodes begin, verdicts, and the frame that a recording shows. */
  #marks(u, ctx, hasLetters = false) {
    const ratio = devicePixelRatio || 1;
    const [from, to] = this.#range;
    const { top, height } = u.bbox;
    const head = (hasLetters ? HEAD_PX : 0) * ratio;
    const upright = (time, colour, width) => {
      ctx.fillStyle = colour;
      ctx.fillRect(Math.round(u.valToPos(time, "x", true) - width / 2), top - head - 2, width, height + head + 4);
    };
    const isSeen = (time) => time >= from && time <= to;
    for (const time of this.curve.firsts) if (isSeen(time)) upright(time, colours.faint, ratio);
    if (hasLetters) this.#names(u, ctx, ratio);
    for (const { t, verdict } of this.curve.verdicts) {
      if (!isSeen(t) || !MARKS[verdict]) continue;
      const [colour, letter] = MARKS[verdict];
      upright(t, colours[colour], ratio);
      if (hasLetters) flag(ctx, u.valToPos(t, "x", true), top, ratio, colours[colour], letter);
    }
    if (this.playhead !== null) upright(this.playhead, colours.ink, 1.5 * ratio);
  }
}

/** The start of a text that fits. */
function fitting(ctx, text, width) {
  const symbols = Array.from(text.slice(0, 80));
  while (symbols.length && ctx.measureText(symbols.join("")).width > width) symbols.pop();
  return symbols.length > 3 ? symbols.join("") : "";
}

/** A small round flag with a letter. */
function flag(ctx, x, top, ratio, colour, letter) {
  ctx.fillStyle = colour;
  ctx.beginPath();
  ctx.arc(x, top - 8 * ratio, 7 * ratio, 0, 2 * Math.PI);
  ctx.fill();
  ctx.fillStyle = colours["on-state"];
  ctx.font = `700 ${9 * ratio}px Inter, sans-serif`;
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  ctx.fillText(letter, x, top - 7.5 * ratio);
}

/** Whole multiples of a step. */
function splits(low, high, step) {
  const marks = [];
  for (let k = Math.ceil(low / step - 1e-6); k * step <= high + 1e-6; k += 1) marks.push(k * step);
  return marks;
}

/** Least and greatest of a part of a column, nulls left out. */
function extent(column, begin, end, [low, high]) {
  for (let i = begin; i < end; i += 1) {
    const y = column[i];
    if (y === null || y === undefined) continue;
    if (y < low) low = y;
    if (y > high) high = y;
  }
  return [low, high];
}
