"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const plural = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;
  const make = (tag, text, className) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text; // never HTML: titles come from the web
    if (className) element.className = className;
    return element;
  };

  // --- the chart and its filters ------------------------------------------------------------------------------------

  const filters = byId("filters");
  let view = null;

  const checked = (name) => new Set([...filters.querySelectorAll(`[name=${name}]:checked`)].map((box) => box.value));

  function filtered() {
    const [sizes, sources, arms] = ["size", "source", "arm"].map(checked);
    return data.rows.filter((row) =>
      sizes.has(row.size) && arms.has(row.arm) && data.trained[row.scenario].every((source) => sources.has(source)));
  }

  function showResults() {
    const rows = filtered();
    const kept = new Set(rows.map((row) => `${row.scenario}\n${row.arm}`));
    for (const line of document.querySelectorAll("#results tbody tr")) {
      const cell = (name) => {
        const found = line.querySelector(`[data-column=${name}]`);
        return found.dataset.key ?? found.textContent; // an arm shows its display name
      };
      line.hidden = !kept.has(`${cell("scenario")}\n${cell("arm")}`);
    }
    byId("shown").textContent = `${rows.length} of ${plural(data.rows.length, "result")} shown.`;
    if (view) {
      const scenarios = new Set(rows.map((row) => row.scenario)).size;
      view.height(Math.max(1, scenarios) * data.rowHeight).data("rows", rows).resize().runAsync();
    }
  }

  filters.addEventListener("change", showResults);
  filters.addEventListener("submit", (event) => event.preventDefault());
  const options = { actions: false, renderer: "svg", tooltip: { theme: matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light" } };
  window.vegaEmbed("#chart", data.chart, options).then((result) => {
    view = result.view;
    showResults();
    document.documentElement.dataset.ready = "true";
  });

  // --- images -----------------------------------------------------------------------------------------------------

  // a sheet's data URL is in the page's style once, however many of its images are shown
  const style = document.head.appendChild(document.createElement("style"));
  const known = new Map();
  function sheetClass(kind, name, sheet) {
    const key = `${kind}-${name}`;
    if (!known.has(key)) {
      known.set(key, `sheet-${known.size}`);
      style.sheet.insertRule(`.${known.get(key)} { background-image: url("${sheet.data}"); }`);
    }
    return known.get(key);
  }

  function image(kind, name, sheet, place, side) {
    const span = make("span", undefined, sheetClass(kind, name, sheet));
    const rows = Math.ceil(sheet.count / sheet.columns);
    span.style.width = span.style.height = `${side}px`;
    span.style.backgroundSize = `${sheet.columns * side}px ${rows * side}px`;
    span.style.backgroundPosition = `-${(place % sheet.columns) * side}px -${Math.floor(place / sheet.columns) * side}px`;
    return span;
  }

  function tile(kind, name, sheet, place, label, facts, className = "") {
    const button = make("button", undefined, `tile ${className}`);
    button.type = "button";
    button.setAttribute("aria-label", label);
    button.title = label;
    button.append(image(kind, name, sheet, place, 48));
    button.addEventListener("click", () => showDetail(label, image(kind, name, sheet, place, 192), facts));
    return button;
  }

  const imageTitle = (label, source, row) => `${label}, image ${row} of ${data.sources[source]}`;

  const dialog = byId("detail");
  function showDetail(title, image, facts) {
    byId("detail-title").textContent = title;
    byId("detail-image").replaceChildren(image);
    byId("detail-facts").replaceChildren(...Object.entries(facts).map(([name, value]) => {
      const row = make("div");
      const detail = make("dd");
      if (/^https?:\/\//.test(value)) {
        const link = make("a", value);
        link.href = value;
        link.rel = "noopener noreferrer nofollow";
        detail.append(link);
      } else {
        detail.textContent = value;
      }
      row.append(make("dt", name), detail);
      return row;
    }));
    dialog.showModal();
  }
  byId("close").addEventListener("click", () => dialog.close());

  for (const box of document.querySelectorAll("[data-gallery]")) {
    const name = box.dataset.gallery;
    const { sheet, items } = data.samples[name];
    let last = null;
    items.forEach((item, place) => {
      if (item.class !== last) box.append(make("h4", (last = item.class)));
      const { class: label, row, ...facts } = item;
      box.append(tile("gallery", name, sheet, place, imageTitle(label, name, row), facts));
    });
  }

  // --- the students' predictions of the test images -----------------------------------------------------------------

  const PAGE = 120;
  const ZERO = "0".charCodeAt(0); // number n is the character n after this one, as images.py writes it
  const browse = byId("browse");
  const within = {}; // place of every test image in its source's sheet
  const places = data.tests.places.map(([source]) => (within[source] = (within[source] ?? -1) + 1));
  let start = 0;

  const armName = (arm) => data.arms[arm] ?? arm;
  function prediction(scenario, arm, i) {
    const [counts, labels] = data.tests.predictions[scenario][arm];
    if (counts[i] === "-") return null;
    const seeds = arm === "teacher" ? 1 : data.seeds[scenario][arm];
    const n = counts.charCodeAt(i) - ZERO;
    return { n, seeds, correct: 2 * n > seeds, label: data.classes[labels.charCodeAt(i) - ZERO] };
  }

  function fillArms() {
    const arms = Object.keys(data.tests.predictions[browse.scenario.value]).filter((arm) => arm !== "teacher");
    const wanted = { arm: [browse.arm.value, "kd", arms.at(-1)], other: [browse.other.value, "scratch", arms[0]] };
    for (const name of ["arm", "other"]) {
      browse[name].replaceChildren(...[...arms, "teacher"].map((arm) => new Option(armName(arm), arm)));
      browse[name].value = wanted[name].find((arm) => arms.includes(arm) || arm === "teacher");
    }
  }

  const KEEP = {
    all: () => true, differ: (a, b) => a.correct !== b.correct, gained: (a, b) => a.correct && !b.correct,
    lost: (a, b) => !a.correct && b.correct, correct: (a, b) => a.correct && b.correct,
    wrong: (a, b) => !a.correct && !b.correct,
  };

  function found() {
    const [scenario, arm, other, label, which] = ["scenario", "arm", "other", "class", "which"].map((name) => browse[name].value);
    return data.tests.places.flatMap(([, , name], i) => {
      const [a, b] = [prediction(scenario, arm, i), prediction(scenario, other, i)];
      return a && b && (!label || label === name) && KEEP[which](a, b) ? [{ i, a, b }] : [];
    });
  }

  function showImages() {
    const images = found();
    start = Math.max(0, Math.min(start, Math.floor((images.length - 1) / PAGE) * PAGE));
    const scenario = browse.scenario.value;
    byId("browser").replaceChildren(...images.slice(start, start + PAGE).map(({ i, a }) => {
      const [source, row, label] = data.tests.places[i];
      const facts = {};
      for (const arm of Object.keys(data.tests.predictions[scenario])) {
        const one = prediction(scenario, arm, i);
        if (one) facts[armName(arm)] = `${one.label}${arm === "teacher" ? "" : ` (correct for ${one.n} of ${plural(one.seeds, "seed")})`}`;
      }
      return tile("tests", source, data.tests.sheets[source], places[i], imageTitle(label, source, row), facts, a.correct ? "correct" : "wrong");
    }));
    byId("found").textContent = `${plural(images.length, "image")}. Solid frame: ${armName(browse.arm.value)} is correct; dashed frame: wrong.`;
    byId("page").textContent = images.length ? `${start + 1}–${Math.min(start + PAGE, images.length)}` : "none";
    byId("previous").disabled = start === 0;
    byId("next").disabled = start + PAGE >= images.length;
  }

  browse.addEventListener("change", (event) => {
    start = 0;
    if (event.target.name === "scenario") fillArms();
    showImages();
  });
  browse.addEventListener("submit", (event) => event.preventDefault());
  byId("previous").addEventListener("click", () => { start -= PAGE; showImages(); });
  byId("next").addEventListener("click", () => { start += PAGE; showImages(); });
  fillArms();
  showImages();

  // a link to a table opens it
  addEventListener("hashchange", () => {
    const target = document.getElementById(location.hash.slice(1));
    if (target instanceof HTMLDetailsElement) target.open = true;
  });
})();
