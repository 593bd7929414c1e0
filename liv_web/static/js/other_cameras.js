// SPDX-License-Identifier: Apache-2.0
// The cameras that are not looked at, small and slow: a click looks at one.

import { drawPicture } from "./camera.js";
import { CameraStream } from "./camera_stream.js";
import { byId, element, onPress } from "./dom.js";
import { short } from "./text.js";

const PAUSE_MS = 500;
const MOST_SEEN = 4; // more are names alone

export class OtherCameras {
  #streams = [];

  /** @param onChoose called with the name of a camera */
  constructor(onChoose) {
    this.onChoose = onChoose;
    this.place = byId("other-cameras");
  }

  /** Show all but the one that is looked at. @param isLive whether they have pictures */
  show(cameras, chosen, isLive) {
    this.rest();
    const others = cameras.filter(({ name }) => name !== chosen);
    this.place.hidden = others.length === 0;
    this.place.replaceChildren(...others.map(({ name, topic }, i) => {
      const canvas = element("canvas", { width: 4, height: 3, "aria-hidden": "true" });
      const hasPicture = isLive && i < MOST_SEEN;
      const button = element("button", { type: "button", class: "other", title: short(topic, 200) },
        ...(hasPicture ? [canvas] : []), element("bdi", {}, short(name, 24)));
      onPress(button, () => this.onChoose(name));
      if (hasPicture) this.#streams.push(new CameraStream(name, (bitmap) => drawPicture(canvas, bitmap), PAUSE_MS));
      return button;
    }));
  }

  /** Ask for no more pictures until `show`. */
  rest() {
    for (const stream of this.#streams) stream.close();
    this.#streams = [];
  }
}
