// SPDX-License-Identifier: Apache-2.0
// Requests to the server. Paths are relative to the page, so that it works behind any proxy.

const at = (path) => new URL(path, document.baseURI);

/** The address of a websocket of the server. */
export function socketAddress(path) {
  const address = at(path);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  return address.href;
}

/** What went wrong, in words for a person: what was expected, what was got, what to do. */
function problem(status, body) {
  const { detail } = body ?? {};
  if (detail && typeof detail === "object" && !Array.isArray(detail)) {
    const { expected, got, remedy } = detail;
    const words = [expected && `expected ${expected}`, got && `got ${got}`].filter(Boolean).join(", ");
    return [words, remedy].filter(Boolean).join("; ") || `answer ${status}`;
  }
  if (status === 401 || status === 403) return "not allowed: open the address with the token that was printed at the start";
  return typeof detail === "string" ? detail : `the server answered ${status}`;
}

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(at(path), { cache: "no-store", ...options });
  } catch {
    throw new Error("the server cannot be reached");
  }
  const body = await answer.json().catch(() => null);
  if (!answer.ok) throw new Error(problem(answer.status, body));
  return body;
}

/** The JSON of an address. */
export const get = (path) => ask(path, {});

/** Why the server lets this page in no longer, such as another token after a restart; "" where it does, or is not there. */
export async function refusal() {
  try {
    const answer = await fetch(at("api/status"), { cache: "no-store" });
    return [401, 403].includes(answer.status) ? problem(answer.status, await answer.json().catch(() => null)) : "";
  } catch {
    return "";
  }
}

/** Send JSON, or a picture as it is, and return the JSON that comes back. */
export function post(path, body = {}) {
  const isPicture = body instanceof Blob;
  return ask(path, {
    method: "POST",
    headers: { "Content-Type": isPicture ? body.type : "application/json" },
    body: isPicture ? body : JSON.stringify(body),
  });
}

/** A frame of a recording, a JPEG. */
export async function frame(camera, time, signal) {
  const query = new URLSearchParams({ camera, t: String(time) });
  const answer = await fetch(at(`api/frame?${query}`), { signal });
  if (!answer.ok) throw new Error(problem(answer.status, await answer.json().catch(() => null)));
  return answer.blob();
}
