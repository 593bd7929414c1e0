// SPDX-License-Identifier: Apache-2.0
// The page: puts its parts together, and hands every message of the server to the part that it belongs to.

import { LiveCamera } from "./camera.js";
import { Curve } from "./curve.js";
import { byId, element, onPress, setText, showText } from "./dom.js";
import { Episodes } from "./episodes.js";
import { Events } from "./events.js";
import { GoalPanel } from "./goal.js";
import { showHealth, showModel } from "./health.js";
import { bindKeys } from "./keyboard.js";
import { showLegend } from "./legend.js";
import { bindModels } from "./models.js";
import { OtherCameras } from "./other_cameras.js";
import { Plots } from "./plots.js";
import { showReadout } from "./readout.js";
import { bindRecord, showRecord } from "./record.js";
import { Recording } from "./recording.js";
import { attempt, say } from "./say.js";
import { short } from "./text.js";
import { bindTheme } from "./theme.js";
import { bindVerdicts } from "./verdicts.js";
import { SPANS_S, View } from "./view.js";
import { get, refusal } from "./wire.js";

const EARLIER = 5; // curves of goals before, over a recording

const view = new View();
const curves = new Map(); // of every camera, by its name
let status = null;
let camera = "";
let goal = null;
let isStale = true; // whether something is to be drawn
let recording = null;

const curveOf = (name) => curves.get(name) ?? curves.set(name, new Curve(view.isRecorded ? Infinity : undefined)).get(name);

const plots = new Plots(view, {
  onHover: () => (isStale = true),
  onZoom: (from, to) => {
    if (view.isRecorded) return; // dragging goes through the recording
    view.zoom(from, to);
    showPause();
  },
});
plots.curve = curveOf("");
const live = new LiveCamera();
const others = new OtherCameras(choose);
const goals = new GoalPanel({ camera: () => camera, time: () => recording?.time, onAccepted: onGoal });
const episodes = new Episodes(lookAt);
bindTheme(() => plots.recolour());

// --- messages -------------------------------------------------------------------------------------------------------

const fresh = new Set(); // cameras whose history has come on this connection
const receive = {
  samples(batch) {
    const curve = curveOf(batch.camera);
    if (fresh.has(batch.camera)) curve.append(batch);
    else curve.replace(batch);
    fresh.add(batch.camera);
    if (batch.camera === camera && curve.last !== null) view.advance(curve.last);
  },
  scores: (batch) => curveOf(batch.camera).appendScores(batch),
  task_state(state) {
    const before = curveOf(state.camera).states.at(-1)?.state;
    curveOf(state.camera).appendState(state);
    if (state.camera === camera && state.state !== before) setText(byId("spoken"), `Task: ${state.message || state.state}`);
  },
  verdict({ t, verdict }) {
    for (const curve of curves.values()) if (!curve.verdicts.some((held) => held.t === t)) curve.verdicts.push({ t, verdict });
  },
  goal: (message) => onGoal(message.goal),
  episodes(message) {
    plots.episodes = message.episodes;
    episodes.show(message.episodes, !view.isRecorded);
  },
  health(message) {
    showHealth(message.health);
    if (!view.isRecorded) episodes.goOn(curves);
  },
  record: showRecord,
  model({ model, message }) {
    showModel(model);
    if (message) say(message);
  },
};

function onGoal(given) {
  const isOther = given?.id !== goal?.id;
  goal = given;
  goals.show(given);
  plots.goalText = given?.text ?? "";
  isStale = true;
  if (isOther && view.isRecorded) loadCurve();
}

const events = new Events(
  (message) => {
    receive[message.type]?.(message);
    isStale = true;
  },
  (state, wait) => {
    fresh.clear();
    const isOpen = state === "open";
    const sign = byId("connection");
    sign.dataset.state = state;
    setText(sign, isOpen ? (view.isRecorded ? "recording" : "live") : "offline");
    byId("offline").hidden = isOpen;
    document.body.dataset.offline = isOpen ? "no" : "yes";
    if (isOpen) {
      refresh();
      if (camera && !view.isRecorded) look();
    } else {
      live.rest();
      others.rest();
      tellOffline(wait);
    }
  },
);

async function tellOffline(wait) {
  setText(byId("offline-text"), `No connection to the robot. Next try in ${Math.ceil(wait / 1000)} s.`);
  const reason = await refusal();
  if (!reason || byId("offline").hidden) return;
  events.rest();
  setText(byId("offline-text"), `No connection: ${reason}.`);
}

// --- cameras --------------------------------------------------------------------------------------------------------

function choose(name) {
  camera = name;
  plots.curve = curveOf(name);
  view.forget();
  if (plots.curve.last !== null) view.advance(plots.curve.last);
  showText(byId("camera-name"), status.cameras.length > 1 ? short(name, 40) : "");
  look();
  if (view.isRecorded) loadCurve();
  isStale = true;
}

/** Have the pictures of the camera that was chosen, and small ones of the others. */
function look() {
  if (!view.isRecorded) live.open(camera);
  others.show(status.cameras, camera, !view.isRecorded);
}

// --- a recording ----------------------------------------------------------------------------------------------------

function showRecorded() {
  view.recorded(status.duration_s);
  document.body.dataset.kind = "recorded";
  recording = new Recording(
    (bitmap) => {
      setText(byId("stage-note"), "");
      live.show(bitmap);
    },
    (time) => {
      plots.playhead = time;
      isStale = true;
    },
  );
  for (const { over } of plots.panels) {
    const seek = (event) => {
      if (event.buttons !== 1) return;
      recording.play(false);
      recording.seek(plots.valuePanel.posToVal(event.clientX - over.getBoundingClientRect().left, "x"));
    };
    over.addEventListener("pointerdown", (event) => {
      over.setPointerCapture(event.pointerId);
      seek(event);
    });
    over.addEventListener("pointermove", seek);
  }
}

/** The curve under the goal of now; the one before stays as a thin line. */
async function loadCurve() {
  const name = camera;
  const asked = goal?.id;
  const batch = await attempt(() => get(`api/curve?${new URLSearchParams({ camera: name })}`));
  if (!batch || name !== camera || asked !== goal?.id) return;
  const before = curveOf(name);
  const curve = new Curve(Infinity);
  curve.append(batch);
  batch.state?.forEach((state, i) => state && curve.appendState({ t: batch.t[i], state, message: "" }));
  curve.asked = { text: goal?.text || "a picture", value: batch.value };
  curve.scores = earlier(before, curve.asked.text, batch);
  curves.set(name, curve);
  plots.curve = curve;
  if (recording.camera !== name) recording.open(name, batch.t, status.duration_s);
  isStale = true;
}

/** Curves beside the goal's, in the shape of a goal set: those that the server tells, and those of goals before. */
function earlier(before, text, { t, others = [] }) {
  const columns = new Map(before.asked ? before.scores.texts.map((known, i) => [known, before.scores.values[i]]) : []);
  if (before.asked) columns.set(before.asked.text, before.asked.value);
  for (const other of others) columns.set(other.text, other.value);
  columns.delete(text);
  const kept = [...columns].filter(([, column]) => column.length === t.length).slice(-EARLIER);
  return { texts: kept.map(([known]) => known), t, values: kept.map(([, column]) => column) };
}

// --- what is looked at ----------------------------------------------------------------------------------------------

function showPause() {
  const { isPaused } = view;
  byId("pause").setAttribute("aria-pressed", String(isPaused));
  byId("pause").setAttribute("aria-label", isPaused ? "Go on" : "Pause");
  byId("pause-icon").setAttribute("href", isPaused ? "#i-play" : "#i-pause");
  isStale = true;
}

function pause() {
  view.pause(!view.isPaused);
  showPause();
}

/** Look at an episode: its stretch of the curve, or its beginning in the recording. */
function lookAt({ begin_s: begin, end_s: end, camera: name }) {
  if (name && name !== camera && status.cameras.some((known) => known.name === name)) choose(name);
  if (recording) return recording.seek(begin);
  const { last } = plots.curve;
  if (last === null || begin < plots.curve.t[0] - 1) return say("This episode is longer ago than the curve goes back");
  const until = end ?? last;
  const edge = 0.04 * (until - begin) + 0.2;
  view.zoom(begin - edge, until + edge);
  return showPause();
}

function showSpans() {
  const label = (span) => (span < 60 ? `${span} s` : `${span / 60} min`);
  byId("spans").replaceChildren(...SPANS_S.map((span) => {
    const radio = element("input", { type: "radio", name: "span", id: `span-${span}`, value: span });
    radio.checked = span === view.span;
    radio.addEventListener("change", () => {
      view.span = span;
      view.pause(false);
      showPause();
    });
    return element("label", { for: `span-${span}` }, radio, element("span", {}, label(span)));
  }));
}

// --- beginning ------------------------------------------------------------------------------------------------------

/** What the server is and can do: at the beginning, and after every reconnection. */
async function refresh() {
  const told = await attempt(() => get("api/status"));
  if (!told) return;
  const isFirst = status === null;
  status = told;
  document.title = `${told.title} · LIV`;
  setText(byId("title"), short(told.title, 60));
  showModel(told.model);
  goals.offer(told);
  if (told.record) showRecord(told.record);
  if (isFirst) begin();
  else if (!status.cameras.some(({ name }) => name === camera)) openCameras();
  onGoal(told.goal);
}

function begin() {
  if (status.kind === "recorded") showRecorded();
  setText(byId("connection"), view.isRecorded ? "recording" : "live");
  const { success, failure, discard, begin: next } = bindVerdicts(status.can);
  const record = bindRecord(status.can);
  bindModels(status.can);
  const play = () => recording.play(!recording.isPlaying);
  const keys = [{ key: "g", what: "to the goal; Enter sets it", action: () => goals.focus() }];
  if (recording) {
    keys.push(
      { key: " ", name: "Space", what: "play, and stop", action: play },
      { key: "p", what: "the same", action: play },
      { key: "ArrowRight", name: "→", what: "a frame on", action: () => recording.step(1) },
      { key: "ArrowLeft", name: "←", what: "a frame back", action: () => recording.step(-1) },
    );
  } else {
    keys.push(
      { key: " ", name: "Space", what: "the episode is a success", action: success },
      { key: "f", what: "the episode is a failure", action: failure },
      { key: "d", what: "discard the episode", action: discard },
      { key: "n", what: "a new episode begins", action: next },
      { key: "p", what: "pause the curve, and go on", action: pause },
      { key: "r", what: "record, and stop recording", action: record },
      { key: "v", what: "this view is the goal", action: () => byId("goal-view").hidden || goals.setView() },
    );
  }
  bindKeys(keys);
  openCameras();
}

function openCameras() {
  if (status.cameras.length) choose(status.cameras[0].name);
}

let drawn = 0;
function draw(now) {
  requestAnimationFrame(draw);
  const isMoving = view.head !== null && !view.isPaused && !view.isRecorded && document.body.dataset.offline !== "yes";
  if (!(isStale || isMoving) || now - drawn < (plots.hover === null ? view.every : 40)) return;
  drawn = now;
  isStale = false;
  plots.draw();
  const isPointed = plots.hover !== null;
  const time = isPointed ? plots.hover : plots.playhead ?? (view.isPaused ? view.range()[1] : plots.curve.last);
  const scores = showReadout(plots.curve, time, view, isPointed);
  const name = goal?.image ? "this picture" : goal?.text;
  showLegend(name, plots.lines, scores);
}

showSpans();
onPress(byId("pause"), pause);
onPress(byId("offline-now"), () => events.now());
events.now();
requestAnimationFrame(draw);
