(() => {
  "use strict";
  const LISTED = 50, LONG = 40;
  const data = JSON.parse(document.getElementById("data").textContent);
  const loaded = new Map();

  /* An element with text in it. Nothing that a model said is ever read as HTML. */
  const make = (tag, text, className) => {
    const element = document.createElement(tag);
    if (text !== undefined && text !== null) element.textContent = text;
    if (className) element.className = className;
    return element;
  };
  const number = value => typeof value === "number" ? value.toLocaleString("en", { maximumSignificantDigits: 4 }) : value;

  const answersOf = view => {
    if (!loaded.has(view.number)) loaded.set(view.number, JSON.parse(document.getElementById(`answers-${view.number}`).textContent));
    return loaded.get(view.number);
  };

  const draw = (place, spec, chosen) =>
    vegaEmbed(place, spec, { actions: false, renderer: "svg", ast: true, tooltip: { theme: "light" } }).then(({ view }) => {
      const svg = place.querySelector("svg");
      if (svg) { svg.removeAttribute("role"); svg.setAttribute("aria-hidden", "true"); }
      for (const name of ["role", "aria-label", "aria-roledescription"]) place.removeAttribute(name);  // the table says it
      if (chosen) view.addEventListener("click", (event, item) => item && item.datum && chosen(item.datum));
    });

  const cellName = (view, cell) => {
    const parts = [];
    if (cell.series) parts.push(cell.series);
    if (view.x) parts.push(`${view.x}: ${number(cell.x)}`);
    if (view.y) parts.push(`${view.y}: ${number(cell.y)}`);
    return parts.join(", ") || "all";
  };
  const interval = cell => cell.value === null ? "no answer counts" :
    `${cell.value.toFixed(2)}${cell.low === null || cell.high === null ? "" : ` [${cell.low.toFixed(2)}, ${cell.high.toFixed(2)}]`}`;

  const stateOf = row => row.problem ? row.problem.replaceAll("_", " ") : row.score === null ? row.outcome : "right";
  const state = row => make("span", `${stateOf(row)}${row.score !== null && row.score > 0 && row.score < 1 ? ` (${number(row.score)})` : ""}`,
    `state ${row.problem ? "wrong" : "right"}`);

  /* ---- the list of answers ---- */

  const list = (section, view, title, belongs) => {
    const place = section.querySelector(".answers");
    const rows = answersOf(view).filter(belongs);
    const heading = make("h3", title);
    heading.tabIndex = -1;
    const filters = make("div", null, "filters");
    const telling = view.conditions.map((name, i) => [name, i]).filter(([, i]) => rows.some(row => row.conditions[i] !== rows[0].conditions[i]));
    const states = [...new Set(rows.map(stateOf))].sort();
    const select = make("select");
    for (const [value, text] of [["", "all"], ...states.map(s => [s, s])]) {
      const option = make("option", text);
      option.value = value;
      select.append(option);
    }
    const search = make("input");
    search.type = "search";
    for (const [text, control] of [["Outcome", select], ["Answer contains", search]]) {
      const label = make("label", text);
      label.append(control);
      filters.append(label);
    }
    const count = make("output");
    filters.append(count);
    const items = make("ul", null, "list");
    const more = make("button");
    more.type = "button";
    let found = [], shown = 0;
    const extend = () => {
      for (const [offset, row] of found.slice(shown, shown + LISTED).entries()) {
        const index = shown + offset;
        const button = make("button");
        button.type = "button";
        const conditions = telling.filter(([, i]) => row.conditions[i].length <= LONG).map(([name, i]) => `${name.replaceAll("_", " ")} ${row.conditions[i]}`);
        button.append(state(row), make("span", (row.turn ? [`turn ${row.turn + 1}`] : []).concat(conditions).join(" · ") || row.id),
          make("span", row.answer || row.error || "no text", "one-line"));
        button.addEventListener("click", () => open(view, found, index));
        const item = make("li");
        item.append(button);
        items.append(item);
      }
      shown = Math.min(found.length, shown + LISTED);
      more.hidden = shown >= found.length;
      more.textContent = `Show ${Math.min(LISTED, found.length - shown)} more`;
    };
    const filter = () => {
      const text = search.value.toLowerCase();
      found = rows.filter(row => (!select.value || stateOf(row) === select.value) && (!text || (row.answer || "").toLowerCase().includes(text)));
      count.textContent = `${number(found.length)} of ${number(rows.length)} answers`;
      items.replaceChildren();
      shown = 0;
      extend();
    };
    filters.addEventListener("input", filter);  // not "change": it comes with the click that leaves the field, and takes its target away
    more.addEventListener("click", extend);
    filter();
    place.replaceChildren(heading, filters, items, more);
    place.hidden = false;
    heading.focus();
    place.scrollIntoView({ block: "nearest" });
  };

  /* ---- one answer ---- */

  const dialog = document.querySelector("dialog"), body = dialog.querySelector(".body");
  let current = null;
  const block = (title, content) => {
    if (content === undefined || content === null || content === "") return;
    const text = make("div", content, "text");
    text.dir = "auto";
    text.tabIndex = 0;
    body.append(make("h3", title), text);
  };
  const prompt = segments => {
    if (!segments.length) return;
    const text = make("div", null, "text");
    text.dir = "auto";
    text.tabIndex = 0;
    const kinds = new Set();
    for (const [kind, content] of segments) {
      if (kind === "fold") {
        const fold = make("details");
        fold.append(make("summary", `… ${number(content.length)} characters folded …`), make("span", content));
        text.append(fold);
      } else if (kind === "gone") text.append(make("span", ` … ${content.toLocaleString("en")} characters are not in this page … `, "gone"));
      else if (kind) { kinds.add(kind); text.append(make("mark", content, kind)); }
      else text.append(document.createTextNode(content));
    }
    body.append(make("h3", "Prompt"));
    if (kinds.size) {
      const legend = make("p", "Marked: ", "legend");
      for (const kind of kinds) legend.append(make("mark", kind, kind));
      body.append(legend);
    }
    body.append(text);
  };
  const open = (view, rows, index) => {
    const row = rows[index];
    current = { view, rows, index };
    dialog.querySelector("h2").textContent = `${row.id}${row.turn ? `, turn ${row.turn + 1}` : ""} — ${view.model_title}`;
    dialog.querySelector(".previous").disabled = index === 0;
    dialog.querySelector(".next").disabled = index === rows.length - 1;
    body.replaceChildren();
    const facts = make("dl");
    const fact = (name, value) => {
      if (value === null || value === undefined || value === "") return;
      const pair = make("div");
      pair.append(make("dt", name.replaceAll("_", " ")), make("dd", number(value)));
      facts.append(pair);
    };
    fact("outcome", row.outcome);
    fact("finish reason", row.finish);
    fact("score", row.score);
    view.conditions.forEach((name, i) => fact(name, row.conditions[i]));
    data.measured.forEach((name, i) => fact(name, row.measured[i]));
    const top = make("h3");
    top.append(state(row));
    body.append(top, facts);
    block("Error", row.error);
    block("Answer", row.answer);
    block("Expected", (row.expected || []).join("\n"));
    if (row.verdicts.length) {
      const verdicts = make("ul");
      for (const [judge, verdict, why] of row.verdicts) {
        const item = make("li");
        item.append(make("b", `${judge}: `), make("span", verdict === null ? "no clear verdict" : verdict ? "right" : "wrong",
          verdict ? "state right" : "state wrong"), make("span", why ? ` — ${why}` : ""));
        item.dir = "auto";
        verdicts.append(item);
      }
      body.append(make("h3", "Verdicts"), verdicts);
    }
    block("Thought", row.reasoning);
    prompt(row.prompt);
    if (!dialog.open) dialog.showModal();
    body.scrollTop = 0;
    const needle = body.querySelector(".text mark.needle, .text mark.answer");
    if (needle) needle.closest(".text").scrollTop = needle.offsetTop - needle.closest(".text").offsetTop - 60;
  };
  const step = by => {
    const next = current.index + by;
    if (current.rows[next]) open(current.view, current.rows, next);
  };
  dialog.querySelector(".close").addEventListener("click", () => dialog.close());
  dialog.querySelector(".previous").addEventListener("click", () => step(-1));
  dialog.querySelector(".next").addEventListener("click", () => step(1));
  dialog.addEventListener("click", event => { if (event.target === dialog) dialog.close(); });

  /* ---- an experiment ---- */

  const cellsTable = (section, view, choose) => {
    const table = make("table"), head = make("tr"), rows = make("tbody");
    const series = view.cells.some(cell => cell.series);
    for (const name of [series ? "condition" : null, view.x || "all", view.y || null, "score [95 %]", "n", "answers"])
      if (name) { const th = make("th", name); th.scope = "col"; head.append(th); }
    for (const cell of view.cells) {
      const row = make("tr");
      for (const value of [series ? cell.series : null, number(cell.x), view.y ? number(cell.y) : null, interval(cell), number(cell.n)])
        if (value !== null) row.append(make("td", value));
      const button = make("button", "list");
      button.type = "button";
      button.setAttribute("aria-label", `List the answers of ${cellName(view, cell)}`);
      button.addEventListener("click", () => choose(cell));
      const last = make("td");
      last.append(button);
      row.append(last);
      rows.append(row);
    }
    const top = make("thead");
    top.append(head);
    table.append(top, rows);
    section.querySelector(".as-table .scroll").replaceChildren(table);
  };

  const show = (section, number_) => {
    const view = data.views[number_];
    const choose = cell => list(section, view, `${cellName(view, cell)} — ${view.model_title}: ${interval(cell)}, n = ${number(cell.n)}`, row => row.cell === cell.cell);
    const place = section.querySelector(".cells");
    place.replaceChildren();
    for (const spec of view.specs) {
      const chart = make("div", null, "chart");
      place.append(chart);
      draw(chart, spec, datum => { if (view.cells[datum.cell]) choose(view.cells[datum.cell]); });
    }
    if (view.y && view.cells.some(cell => cell.value === null))
      place.append(make("p", "Grey: no answer counts there, because none was asked (over the window), or none came."));
    cellsTable(section, view, choose);
    section.querySelector(".answers").hidden = true;
    section.querySelector(".all").onclick = () => list(section, view, `All answers — ${view.model_title}`, () => true);
  };

  const start = section => {
    const experiment = data.experiments[section.dataset.experiment];
    const select = section.querySelector(".which select");
    const viewOf = model => experiment.views.find(view => data.views[view.number].model === model);
    for (const place of section.querySelectorAll(".panel"))
      draw(place, experiment.panels[place.dataset.panel].spec, datum => {
        const chosen = viewOf(datum.model);
        if (!chosen) return;
        if (select && Number(select.value) !== chosen.number) { select.value = chosen.number; show(section, chosen.number); }
        const view = data.views[chosen.number], cells = new Set(view.cells.filter(cell => cell.x === datum.x).map(cell => cell.cell));
        list(section, view, `${view.x}: ${number(datum.x)} — ${view.model_title}`, row => cells.has(row.cell));
      });
    show(section, experiment.views[0].number);
    if (select) select.addEventListener("change", () => show(section, Number(select.value)));
  };

  /* Charts are drawn when they come near the window: fifty models are many charts. */
  const near = new IntersectionObserver(entries => {
    for (const entry of entries) if (entry.isIntersecting) { near.unobserve(entry.target); start(entry.target); }
  }, { rootMargin: "600px" });
  for (const section of document.querySelectorAll(".experiment")) near.observe(section);
})();
