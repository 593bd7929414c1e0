// SPDX-License-Identifier: Apache-2.0
// Elements. What comes from topics and people is only ever set as text, never as markup.

export const byId = (id) => document.getElementById(id);

/** An element with attributes and children; a string among the children becomes a text node. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") made.addEventListener("click", value);
    else if (value !== undefined && value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

/** An SVG element with attributes and children. */
export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** One of the page's icons, by the name of its symbol. */
export const icon = (name) => svg("svg", { "aria-hidden": "true" }, svg("use", { href: `#i-${name}` }));

/** Set a text if it is another one: what is the same is not announced again. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Show a text, or hide its element where there is none. */
export function showText(node, text) {
  setText(node, text || "");
  node.hidden = !text;
}

/** Call `then` after a click. A click of a pointer leaves no focus behind: Space must not press the same button again. */
export function onPress(button, then) {
  button.addEventListener("click", (event) => {
    if (event.detail > 0) button.blur();
    then(event);
  });
}

/** Call `what`, with the button shown as busy and deaf until it is done. */
export async function whileBusy(button, what) {
  if (button.getAttribute("aria-busy") === "true") return undefined;
  button.setAttribute("aria-busy", "true");
  try {
    return await what();
  } finally {
    button.removeAttribute("aria-busy");
  }
}
