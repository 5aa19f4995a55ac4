// Keyboard, and what shows where tokens attend. Every page works without it.
"use strict";

const go = (selector) => {
  const link = document.querySelector(selector);
  if (link && link.href && !link.hasAttribute("aria-disabled")) location.assign(link.href);
};

const step = (by) => {
  const covers = [...document.querySelectorAll("[data-item]")];
  if (!covers.length) return go(by > 0 ? "a[rel~=next]" : "a[rel~=prev]");
  const at = covers.indexOf(document.activeElement);
  const next = covers[at < 0 ? (by > 0 ? 0 : covers.length - 1) : at + by];
  if (!next) return go(by > 0 ? "a[rel~=next]" : "a[rel~=prev]");
  next.focus();
  next.scrollIntoView({ block: "nearest" });
};

const keys = {
  j: () => step(1),
  k: () => step(-1),
  ArrowRight: () => go("a[rel~=next]"),
  ArrowLeft: () => go("a[rel~=prev]"),
  n: () => go("a[rel~=next]"),
  p: () => go("a[rel~=prev]"),
  r: () => go("a[data-random]"),
  a: () => go("a[data-tab=attention]"),
  s: () => go("a[data-tab=source]"),
  m: () => go("a[data-tab=alike]"),
  u: () => go("a[data-up]"),
  y: () => document.querySelector("[data-key=y]")?.click(),
  x: () => document.querySelector("[data-key=x]")?.click(),
  t: () => document.querySelector("[data-tags]")?.focus(),
  "/": () => document.querySelector("[data-search]")?.focus(),
  "?": () => document.querySelector("#help")?.showModal(),
};

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, video");
  if (event.key === "Escape" && typing) return event.target.blur();
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && typing?.form) return typing.form.requestSubmit();
  if (typing || event.ctrlKey || event.metaKey || event.altKey || !(event.key in keys)) return;
  event.preventDefault();
  keys[event.key]();
});

document.querySelector("[data-help]")?.addEventListener("click", () => document.querySelector("#help").showModal());

// An empty field says nothing; the address of a search is shorter without it.
for (const form of document.querySelectorAll("form[data-lean]")) {
  form.addEventListener("submit", () => {
    for (const field of form.elements) if (field.name && !field.value) field.disabled = true;
  });
}
addEventListener("pageshow", () => {
  for (const field of document.querySelectorAll("form[data-lean] :disabled")) field.disabled = false;
});

// What takes a query of all samples comes after the page is there, and what takes a search when it is to be seen.
const take = (place) =>
  fetch(place.dataset.part)
    .then((answer) => (answer.ok ? answer.text() : Promise.reject()))
    .then((html) => { if (html.trim()) place.innerHTML = html; })
    .catch(() => {}); // the link stays
const seen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) if (isIntersecting) { seen.unobserve(target); take(target); }
}, { rootMargin: "200px" });
for (const place of document.querySelectorAll("[data-part]")) {
  if ("lazy" in place.dataset) seen.observe(place);
  else take(place);
}

// A picture that is not at hand says so.
for (const image of document.querySelectorAll("img[data-missing]")) {
  const say = () => image.replaceWith(Object.assign(document.createElement("span"), { className: "soft small", textContent: image.dataset.missing }));
  if (image.complete && !image.naturalWidth && image.currentSrc) say();
  else image.addEventListener("error", say);
}

// Clips of a grid play while they are pointed at.
for (const tile of document.querySelectorAll(".grid.clips .tile")) {
  const video = tile.querySelector("video");
  tile.addEventListener("pointerenter", () => video?.play().catch(() => {}));
  tile.addEventListener("pointerleave", () => video?.pause());
}

// Tokens: point at one to see its image, at an image to see its tokens.
const tokens = document.querySelector(".tokens");
if (tokens) {
  const light = (medium) => {
    for (const hot of document.querySelectorAll(".hot")) hot.classList.remove("hot");
    tokens.classList.toggle("focus", medium !== undefined);
    if (medium === undefined) return;
    for (const one of document.querySelectorAll(`[data-m="${Number(medium)}"]`)) one.classList.add("hot");
  };
  for (const item of document.querySelectorAll(".media-list [data-m]")) {
    item.addEventListener("pointerenter", () => light(item.dataset.m));
    item.addEventListener("focus", () => light(item.dataset.m));
    item.addEventListener("pointerleave", () => light());
    item.addEventListener("blur", () => light());
  }
  tokens.addEventListener("pointerover", (event) => {
    const medium = event.target.dataset?.m;
    for (const hot of document.querySelectorAll(".media-list .hot")) hot.classList.remove("hot");
    if (medium !== undefined) document.querySelector(`.media-list [data-m="${Number(medium)}"]`)?.classList.add("hot");
  });
}
