// SPDX-License-Identifier: Apache-2.0
// A picture file as the goal: chosen by a button, or dropped onto the page. Large ones are made smaller before they travel.

import { byId, onPress } from "./dom.js";
import { say } from "./say.js";

const LONGEST_PX = 1280;
const SENT_AS_IS = ["image/jpeg", "image/png"];
const SMALL_BYTES = 1_000_000;
const QUALITY = 0.92;

/** The file as JPEG or PNG, not larger than needed; Error if it is no picture. */
async function prepared(file) {
  if (SENT_AS_IS.includes(file.type) && file.size <= SMALL_BYTES) return file;
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error(`${file.name}: expected a picture (JPEG, PNG, WebP), got ${file.type || "something else"}`);
  }
  const scale = Math.min(1, LONGEST_PX / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(bitmap.width * scale);
  canvas.height = Math.round(bitmap.height * scale);
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
}

/** Bind button, file field and drag and drop. @param onPicture called with a Blob */
export function bindPicture(onPicture) {
  const field = byId("goal-file");
  const drop = byId("drop");
  const take = async (file) => {
    if (!file) return;
    try {
      onPicture(await prepared(file));
    } catch (error) {
      say(error.message, "bad");
    }
  };
  onPress(byId("goal-upload"), () => field.click());
  field.addEventListener("change", () => {
    take(field.files[0]);
    field.value = "";
  });
  const hasFile = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragover", (event) => {
    if (!hasFile(event)) return;
    event.preventDefault();
    drop.hidden = false;
  });
  addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) drop.hidden = true;
  });
  addEventListener("drop", (event) => {
    drop.hidden = true;
    if (!hasFile(event)) return;
    event.preventDefault(); // the browser would leave the page for the picture
    take(event.dataTransfer.files[0]);
  });
}
