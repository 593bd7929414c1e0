// SPDX-License-Identifier: Apache-2.0
// The line of a column, parted wherever a row is null. (uPlot's own joins what is less than a pixel apart, and an episode's
// end is a thirtieth of a second before the next one's beginning.)

const CLIP_FILL = 1; // of uPlot's flags

/** A builder of paths for a uPlot series; with `hasFill` each part is filled down to the lower edge. */
export const linePath = (hasFill) => (u, series, first, last) => {
  const [times, values] = [u.data[0], u.data[series]];
  const stroke = new Path2D();
  const fill = hasFill ? new Path2D() : null;
  const floor = u.bbox.top + u.bbox.height;
  let begin = null;
  let x = 0;
  const end = () => {
    if (fill && begin !== null) {
      fill.lineTo(x, floor);
      fill.closePath();
    }
    begin = null;
  };
  for (let i = first; i <= last; i += 1) {
    if (values[i] === null || values[i] === undefined) {
      end();
      continue;
    }
    x = u.valToPos(times[i], "x", true);
    const y = u.valToPos(values[i], "y", true);
    if (begin === null) {
      stroke.moveTo(x, y);
      fill?.moveTo(x, floor);
      begin = x;
    }
    stroke.lineTo(x, y);
    fill?.lineTo(x, y);
  }
  end();
  return { stroke, fill, clip: null, band: null, gaps: null, flags: CLIP_FILL };
};
