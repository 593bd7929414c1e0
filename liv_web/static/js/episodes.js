// SPDX-License-Identifier: Apache-2.0
// The list of episodes, newest first: what was asked for, how long it took, its curve and the verdict.

import { byId, element } from "./dom.js";
import { sparkline } from "./sparkline.js";
import { duration, isNumber, short } from "./text.js";

const VERDICTS = { success: "success", failure: "failure", discard: "discarded" };
const MOST = 100;
const SPARKS = 40;

export class Episodes {
  #key = "";
  #told = [];

  /** @param onChoose called with the episode that is to be looked at */
  constructor(onChoose) {
    this.onChoose = onChoose;
    this.list = byId("episodes");
  }

  /** @param isLive whether the newest episode of a camera still runs */
  show(episodes, isLive) {
    this.#told = episodes;
    this.#draw(episodes, isLive);
  }

  /** Let the episodes that run go on to the newest picture: the server tells of beginnings and verdicts. */
  goOn(curves) {
    const newest = new Map(this.#told.map((episode) => [episode.camera, episode.id]));
    const goneOn = this.#told.map((episode) => {
      const curve = curves.get(episode.camera);
      if (newest.get(episode.camera) !== episode.id || !curve || !(curve.last > episode.end_s)) return episode;
      return { ...episode, end_s: curve.last, spark: curve.few(episode.begin_s, SPARKS) };
    });
    this.#draw(goneOn, true);
  }

  #draw(episodes, isLive) {
    const key = JSON.stringify(episodes);
    if (key === this.#key) return;
    this.#key = key;
    const newest = [...episodes].sort((a, b) => b.begin_s - a.begin_s);
    const values = newest.flatMap(({ spark }) => spark.filter(isNumber));
    const range = values.length ? [Math.min(...values), Math.max(...values)] : [0, 1];
    const running = new Set(isLive ? [...new Set(newest.map(({ camera }) => camera))].map((name) => newest.find(({ camera }) => camera === name).id) : []);
    const focused = this.list.querySelector("button:focus")?.dataset.id;
    this.list.replaceChildren(...newest.slice(0, MOST).map((episode) => this.#row(episode, range, running.has(episode.id), isLive)));
    if (focused !== undefined) this.list.querySelector(`button[data-id="${CSS.escape(focused)}"]`)?.focus();
    byId("episodes-none").hidden = newest.length > 0;
    this.#count(newest);
  }

  #row(episode, range, runs, isLive) {
    const { id, goal, begin_s: begin, end_s: end, verdict, spark, camera } = episode;
    const text = goal || (isLive ? "a goal picture" : "an episode");
    const name = element("span", { class: "episode-words" },
      element("bdi", { class: "episode-goal" }, short(text, 90)),
      element("small", {}, [`#${short(id, 12)}`, duration(end - begin), camera].filter(Boolean).join(" · ")));
    const said = verdict ? VERDICTS[verdict] ?? verdict : runs ? "running" : "no verdict";
    const badge = element("span", { class: "verdict-badge", "data-verdict": verdict ?? (runs ? "running" : "none") }, said);
    const button = element("button", { type: "button", class: "episode", "data-id": id, title: "Look at this episode",
      onclick: () => this.onChoose(episode) }, name, sparkline(spark, range), badge);
    return element("li", {}, button);
  }

  #count(episodes) {
    const successes = episodes.filter(({ verdict }) => verdict === "success").length;
    const judged = episodes.filter(({ verdict }) => verdict === "success" || verdict === "failure").length;
    byId("episodes-count").textContent = judged ? `${successes} of ${judged} done` : "";
  }
}
