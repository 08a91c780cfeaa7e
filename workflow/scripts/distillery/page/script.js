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

  // --- light or dark: the system's setting until the reader chooses ---------------------------------------------------

  const root = document.documentElement;
  const theme = byId("theme");
  const remembered = { get: () => { try { return localStorage.getItem("theme"); } catch { return null; } },
    set: (name) => { try { localStorage.setItem("theme", name); } catch { /* a page opened from disk may lack storage */ } } };
  function setTheme(name) {
    if (name) root.dataset.theme = name;
    const isDark = name === "dark" || (!name && matchMedia("(prefers-color-scheme: dark)").matches);
    theme.textContent = isDark ? "Light" : "Dark";
    theme.dataset.next = isDark ? "light" : "dark";
  }
  theme.hidden = false;
  theme.addEventListener("click", () => {
    remembered.set(theme.dataset.next);
    setTheme(theme.dataset.next);
  });
  setTheme(remembered.get());

  // --- filters of the chart and of its table ------------------------------------------------------------------------

  const filters = byId("filters");

  function checked(name) {
    const boxes = [...filters.querySelectorAll(`[name=${name}]`)];
    return boxes.length ? new Set(boxes.filter((box) => box.checked).map((box) => box.value)) : null;
  }

  function showResults() {
    const [sizes, sources] = ["size", "source"].map(checked);
    const shown = new Set();
    for (const group of document.querySelectorAll("#chart .rows")) {
      const rows = [...group.querySelectorAll("li")];
      for (const row of rows) {
        const keep = (!sizes || sizes.has(group.dataset.size)) &&
          (!sources || data.trained[row.dataset.scenario].every((source) => sources.has(source)));
        row.hidden = !keep;
        if (keep) shown.add(row.dataset.scenario);
      }
      group.hidden = rows.every((row) => row.hidden);
    }
    for (const line of document.querySelectorAll("#numbers tbody tr")) {
      line.hidden = !shown.has(line.querySelector("[data-column=scenario]").textContent);
    }
    byId("shown").textContent = `${shown.size} of ${plural(Object.keys(data.trained).length, "scenario")} shown.`;
  }

  if (filters) {
    filters.addEventListener("change", showResults);
    filters.addEventListener("submit", (event) => event.preventDefault());
    showResults();
  }

  // --- tabs of the scenarios' sizes -----------------------------------------------------------------------------------

  const tabs = document.querySelector(".tabs");
  function chooseTab(size) {
    for (const tab of tabs.children) tab.setAttribute("aria-selected", String(tab.dataset.size === size));
    for (const card of document.querySelectorAll("#cards .card")) card.hidden = card.dataset.size !== size;
  }
  if (tabs) {
    tabs.hidden = false;
    tabs.addEventListener("click", (event) => {
      if (event.target.dataset.size !== undefined) chooseTab(event.target.dataset.size);
    });
    tabs.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const all = [...tabs.children];
      const next = step && all[(all.indexOf(document.activeElement) + step + all.length) % all.length];
      if (next) { next.focus(); chooseTab(next.dataset.size); }
    });
    chooseTab(tabs.children[0].dataset.size);
  }

  // --- tables: sorted by a column, and saved as CSV -------------------------------------------------------------------

  function compareCells(a, b) {
    const [x, y] = [a, b].map((text) => (text === "" ? NaN : Number(text)));
    if (!Number.isNaN(x) && !Number.isNaN(y)) return x - y;
    if (a === "" || b === "") return (a === "") - (b === "");
    return a.localeCompare(b);
  }

  for (const heading of document.querySelectorAll("thead th")) {
    const button = make("button", heading.textContent);
    button.type = "button";
    heading.replaceChildren(button);
    button.addEventListener("click", () => {
      const descending = heading.getAttribute("aria-sort") === "ascending";
      for (const other of heading.parentElement.children) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const body = heading.closest("table").tBodies[0];
      const text = (row) => row.cells[heading.cellIndex].textContent;
      body.append(...[...body.rows].sort((a, b) => (descending ? -1 : 1) * compareCells(text(a), text(b))));
    });
  }

  const csvCell = (text) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  for (const button of document.querySelectorAll(".download")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const table = button.closest("details").querySelector("table");
      const lines = [...table.rows].map((row) => [...row.cells].map((cell) => csvCell(cell.textContent)).join(","));
      const link = make("a");
      link.href = URL.createObjectURL(new Blob([`${lines.join("\n")}\n`], { type: "text/csv" }));
      link.download = `${button.dataset.name}.csv`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
  }

  const isPhone = innerWidth <= 700;
  byId("images").open = !isPhone;

  // --- images -----------------------------------------------------------------------------------------------------

  // each sheet's data URL is in the page's style once, because several images share it
  const style = new CSSStyleSheet();
  document.adoptedStyleSheets = [style];
  const known = new Map();
  function sheetClass(kind, name, sheet) {
    const key = `${kind}-${name}`;
    if (!known.has(key)) {
      known.set(key, `sheet-${known.size}`);
      style.insertRule(`.${known.get(key)} { background-image: url("${sheet.data}"); }`);
    }
    return known.get(key);
  }

  function image(kind, name, sheet, place, side) {
    const span = make("span", undefined, sheetClass(kind, name, sheet));
    if (sheet.side < 64) span.classList.add("pixelated"); // smoothing would hide the few pixels that it has
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
    button.append(image(kind, name, sheet, place, kind === "gallery" && !isPhone ? 96 : 64));
    button.addEventListener("click", () => showDetail(label, image(kind, name, sheet, place, 256), facts));
    return button;
  }

  const imageTitle = (label, source, row) => `${label}, image ${row} of ${data.sources[source]}`;

  const dialog = byId("detail");
  function showDetail(title, image, facts) {
    byId("detail-title").textContent = title;
    dialog.classList.toggle("wide", image instanceof HTMLImageElement);
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
    const columns = new Map();
    items.forEach((item, place) => {
      const { class: label, row, ...facts } = item;
      if (isPhone && columns.get(label)?.childElementCount > 2) return; // two images of each class below its name
      if (!columns.has(label)) {
        columns.set(label, make("div"));
        columns.get(label).append(make("p", label, "name"));
        box.append(columns.get(label));
      }
      columns.get(label).append(tile("gallery", name, sheet, place, imageTitle(label, name, row), facts));
    });
  }

  for (const button of document.querySelectorAll(".enlarge")) {
    button.addEventListener("click", () => {
      const image = make("img");
      image.src = button.querySelector("img").src;
      image.alt = button.dataset.title;
      showDetail(button.dataset.title, image, { "": button.closest("figure").querySelector("figcaption span").textContent });
    });
  }

  // --- the students' predictions of the test images -----------------------------------------------------------------

  const PAGE = isPhone ? 30 : 120;
  const ZERO = "0".charCodeAt(0); // n is encoded as the n-th character after this one, as in images.py
  const browse = byId("browse");
  const within = {}; // index of every test image in its source's sheet
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

  // a link to a table opens it; one to a scenario shows its tab
  function follow() {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target instanceof HTMLDetailsElement) target.open = true;
    if (target && tabs && target.classList.contains("card")) chooseTab(target.dataset.size);
    if (target) target.scrollIntoView();
  }
  addEventListener("hashchange", follow);
  follow();
  root.dataset.ready = "true";
})();
