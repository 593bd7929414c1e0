// SPDX-License-Identifier: Apache-2.0
// One plot over time: a uPlot with our axes, which shares the cursor and the stretch of time with the other panels.

import { colours } from "./colours.js";

export const AXIS_PX = 46; // the same for all, so that they stand in line
export const RIGHT_PX = 14;
const FONT = "11px Inter, sans-serif";
const TICKS_S = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600];
const TICK_PX = 76;

/** Times to mark: whole multiples of a handy step, counted from the view's reference. */
function timeSplits(view, width, from, to) {
  const least = ((to - from) * TICK_PX) / Math.max(width, 1);
  const step = TICKS_S.find((tick) => tick >= least) ?? 1200;
  const { reference } = view;
  const splits = [];
  for (let k = Math.ceil((from - reference) / step - 1e-6); reference + k * step <= to + 1e-6; k += 1) splits.push(reference + k * step);
  return splits;
}

/** A time beside the reference, as "−20 s" or "−2 min"; `digits` after the point at most. */
export function timeLabel(view, time, digits = 2) {
  const seconds = time - view.reference;
  if (Math.abs(seconds) < 1e-3) return view.isRecorded ? "0 s" : "now";
  const [size, unit] = Math.abs(seconds) >= 60 && Math.abs(seconds % 60) < 1e-3 ? [60, "min"] : [1, "s"];
  return `${seconds < 0 ? "−" : ""}${Number(Math.abs(seconds / size).toFixed(digits))} ${unit}`;
}

function axes({ view, hasTimes, ySplits, yLabel }) {
  const common = { font: FONT, stroke: () => colours.dim, ticks: { show: false } };
  const grid = { stroke: () => colours.line, width: 1 };
  return [
    {
      ...common, grid, size: hasTimes ? 24 : 0, gap: 4,
      splits: (u, _axis, from, to) => timeSplits(view, u.bbox.width / devicePixelRatio, from, to),
      values: (_u, splits) => (hasTimes ? splits.map((time) => timeLabel(view, time)) : splits.map(() => "")),
    },
    { ...common, grid, size: AXIS_PX, gap: 6, splits: ySplits, values: (_u, splits) => splits.map(yLabel) },
  ];
}

/**
 * Make a panel that fills its place and follows its size.
 * @param place element to fill
 * @param options view: the stretch of time; yRange(): [low, high]; ySplits(u, axis, low, high) and yLabel(value): marks;
 *   hasTimes: whether the axis of times is written; series: of uPlot, one; under(u, ctx), over(u, ctx): draw below and above the line;
 *   headPx: room above for names; onZoom(from, to), onHover(time or null)
 */
export function makePanel(place, options) {
  const { view, yRange, series, under, over, onZoom, onHover, hasTimes, headPx = 0 } = options;
  const drawn = (draw) => (u) => {
    u.ctx.save();
    u.ctx.beginPath();
    const head = headPx * (devicePixelRatio || 1);
    u.ctx.rect(u.bbox.left, u.bbox.top - head - 2, u.bbox.width, u.bbox.height + head + 4);
    u.ctx.clip();
    draw(u, u.ctx);
    u.ctx.restore();
  };
  const panel = new uPlot(
    {
      width: place.clientWidth || 300,
      height: place.clientHeight || 80,
      padding: [8 + headPx, RIGHT_PX, hasTimes ? 0 : 6, 0],
      legend: { show: false },
      cursor: {
        sync: { key: "liv", setSeries: false },
        drag: { x: true, y: false, setScale: false, dist: 8 },
        y: false,
        points: { size: 8, fill: () => colours.card, stroke: () => colours.curve, width: 2 },
      },
      scales: { x: { time: false, auto: false }, y: { range: yRange } },
      axes: axes(options),
      series: [{}, series],
      hooks: {
        drawAxes: under ? [drawn(under)] : [],
        draw: over ? [drawn(over)] : [],
        setCursor: onHover ? [(u) => onHover(u.cursor.left >= 0 ? u.posToVal(u.cursor.left, "x") : null)] : [],
        setSelect: [
          (u) => {
            if (u.select.width < 8) return;
            onZoom?.(u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x"));
            u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
          },
        ],
      },
    },
    [[0, 1], [null, null]],
    place,
  );
  new ResizeObserver(() => {
    if (place.clientWidth) panel.setSize({ width: place.clientWidth, height: place.clientHeight });
  }).observe(place);
  return panel;
}

/** Show columns over a stretch of time. */
export function showData(panel, [from, to], t, y) {
  const isEmpty = t.length === 0;
  panel.batch(() => {
    panel.setData(isEmpty ? [[from, to], [null, null]] : [t, y], false);
    panel.setScale("x", { min: from, max: to });
  });
}
