// SPDX-License-Identifier: Apache-2.0
// Numbers in words. What is not known (null, NaN) is a dash; minus is a minus, so that columns of figures stand still.

export const NONE = "–";
export const isNumber = (x) => typeof x === "number" && Number.isFinite(x);

/** A number with so many digits after the point; `sign` shows a plus too. */
export function fixed(x, digits, sign = false) {
  if (!isNumber(x)) return NONE;
  const text = Math.abs(x).toFixed(digits);
  const isZero = Number(text) === 0;
  return (x < 0 && !isZero ? "−" : sign && !isZero ? "+" : "") + text;
}

/** A share in [0, 1] as a percentage. */
export const percent = (x) => (isNumber(x) ? `${Math.round(100 * x)} %` : NONE);

/** Bytes in the unit that gives a handy number. */
export function bytes(count) {
  if (!isNumber(count)) return NONE;
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (count >= 1000 && unit < units.length - 1) {
    count /= 1000;
    unit += 1;
  }
  return `${count >= 100 || unit === 0 ? Math.round(count) : count.toFixed(1)} ${units[unit]}`;
}

/** A length of time in seconds, in the unit that gives a handy number. */
export function duration(seconds) {
  if (!isNumber(seconds)) return NONE;
  if (seconds < 60) return `${fixed(seconds, 1)} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes}:${String(Math.floor(seconds % 60)).padStart(2, "0")} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** The start of a text that is too long to be shown; whole symbols, so that no emoji is cut in two. */
export function short(text, most = 160) {
  if (text.length <= most) return text;
  return `${Array.from(text.slice(0, 2 * most)).slice(0, most - 1).join("")}…`;
}
