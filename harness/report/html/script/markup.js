"use strict";
// What all scripts of the page share.

const byId = (id) => document.getElementById(id);

/** An element with attributes and children; text always goes in as text, never as markup. */
function make(name, attributes = {}, ...children) {
  const drawn = ["svg", "g", "path", "line", "circle", "rect", "polygon", "text"].includes(name);
  const element = drawn ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

const number = (value, digits = 0) =>
  value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits }).replace("-", "−");

// ---- the address: what is chosen stands behind the #, so that a view can be sent ----------------------------------

/** What the address says: the section, and key -> value. */
function addressed() {
  const [section, ...parts] = location.hash.slice(1).split("&");
  const decoded = (text) => {
    try { return decodeURIComponent(text); } catch { return ""; }
  };
  return { section, values: new Map(parts.map((part) => part.split("=", 2).map((text) => decoded(text ?? "")))) };
}

/** Write choices into the address; an empty value leaves it. */
function remember(section, choices) {
  const { values } = addressed();
  for (const [key, value] of Object.entries(choices)) {
    if (value) values.set(key, value); else values.delete(key);
  }
  const parts = [...values].map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(value)}`);
  try {
    history.replaceState(null, "", `#${[section, ...parts].join("&")}`);
  } catch {
    // Some browsers refuse this for files; the page works without it.
  }
}

/** Go to the section that an address with choices names: browsers look for one with all of it in its name. */
function follow() {
  const { section, values } = addressed();
  if (values.size && byId(section)) byId(section).scrollIntoView();
}

for (const button of document.querySelectorAll("button.copy")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const text = button.previousElementSibling.textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "copied";
    } catch {
      getSelection().selectAllChildren(button.previousElementSibling);
      button.textContent = "selected";
    }
    setTimeout(() => { button.textContent = "copy"; }, 2000);
  });
}
