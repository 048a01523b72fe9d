"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const rows = data.rows;
const at = (id) => document.getElementById(id);
const kept = "labels " + data.file + " " + rows.map((row) => row.answer_id).join("").slice(0, 200);
let place = 0;
try { (JSON.parse(localStorage.getItem(kept)) || []).forEach((label, i) => { if (rows[i]) rows[i].label = label; }); } catch { /* no storage here */ }

function show() {
  const row = rows[place], done = rows.filter((one) => one.label).length;
  for (const name of ["question", "expected", "answer"]) { at(name).textContent = row[name]; at(name).scrollTop = 0; }
  at("place").textContent = `Answer ${place + 1} of ${rows.length}; ${done} labelled.`;
  document.querySelectorAll("[data-label]").forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.label === row.label)));
}

function move(step) { place = Math.min(Math.max(place + step, 0), rows.length - 1); show(); }

function label(value) {
  rows[place].label = value;
  try { localStorage.setItem(kept, JSON.stringify(rows.map((row) => row.label))); } catch { /* no storage here */ }
  if (place + 1 < rows.length) move(1); else show();
}

// as a spreadsheet reads it: what would be a formula is led by an apostrophe
const cell = (value) => {
  const text = String(value), safe = /^\s*[=+@|-]|^[\t\r]/.test(text) && !/^[+-]?(\d+\.?\d*|\.\d+)$/.test(text) ? "'" + text : text;
  return '"' + safe.replaceAll('"', '""') + '"';
};

function save() {
  const lines = [data.columns.join(","), ...rows.map((row) => data.columns.map((name) => cell(row[name])).join(","))];
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([lines.join("\r\n") + "\r\n"], { type: "text/csv" }));
  link.download = data.file;
  link.click();
  URL.revokeObjectURL(link.href);
}

document.querySelectorAll("[data-label]").forEach((button) => button.addEventListener("click", () => label(button.dataset.label)));
at("back").addEventListener("click", () => move(-1));
at("next").addEventListener("click", () => move(1));
at("save").addEventListener("click", save);
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const act = { r: () => label("right"), w: () => label("wrong"), u: () => label("unsure"), s: save, ArrowLeft: () => move(-1), ArrowRight: () => move(1) }[event.key];
  if (act) { event.preventDefault(); act(); }
});
show();
