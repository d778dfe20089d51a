// Dialogs: the table of a track, the keys and how to read, names; the menus of Save and More.

function dialog(title, ...content) {
  document.querySelector("dialog")?.remove();
  const close = el("button", { type: "button", class: "word", onclick: () => node.close() }, "Close");
  const node = el("dialog", { "aria-labelledby": "dialog-title" }, el("div", { class: "dialoghead" }, el("h2", { id: "dialog-title" }, title), close),
    el("div", { class: "dialogbody", tabindex: 0 }, content));
  const from = document.activeElement;
  node.addEventListener("close", () => { node.remove(); if (from && from.isConnected) from.focus(); });
  node.addEventListener("click", (e) => { if (e.target === node) node.close(); });
  document.body.append(node);
  node.showModal();
  return node;
}

function table(head, rows) {
  return el("table", {}, el("thead", {}, el("tr", {}, head.map((h) => el("th", { scope: "col" }, h)))),
    el("tbody", {}, rows.map((r) => el("tr", {}, r.map((c) => el("td", {}, c))))));
}

const intervalText = (x) => (x.value === null ? "not told" : `${signed(x.value)}, ${signed(x.low)} to ${signed(x.high)}`);

/** A real table of one track; rows are the stretches of like state. */
function openTable(row) {
  const s = row.s, summary = SUMMARY.subjects[s.index], segments = summary.segments;
  const when = (x) => momentSpan(x.start_s, x.end_s), title = [mark(s.index), ` ${nameOf(s.index)}: ${row.kind === "lane" ? "label set" : row.title.toLowerCase()}`];
  const set = (x) => (x.label_set.length ? setText(x.label_set) + (x.label_set.length > 3 ? ` (${x.label_set.join(", ")})` : "") : "we cannot tell");
  let body;
  if (row.kind === "classes") {
    body = table(["When", ...CLASSES], segments.map((x) => [when(x), ...CLASSES.map((c) => (x.label_set.length ? shareText(Math.round(x.classes[c] * 100)) : "–"))]));
  } else if (row.kind === "dimension") {
    body = table(["When", `${capital(row.dimension)}, interval`, "Quality of the signal"], segments.map((x) => [when(x), intervalText(x[row.dimension]), qualityWord(s, x)]));
  } else if (row.kind === "support") {
    const name = MODALITIES[row.m];
    body = [table(["When", "Weight", "Share of what moved the answer"], segments.map((x) => [when(x), x.support[name] ? shareText(Math.round(x.support[name] * 100)) : "none", x.attribution[name] ? shareText(Math.round(x.attribution[name] * 100)) : "none"])),
      el("h3", {}, "Gaps"), table(["When", "Reason", "Length"], s.gaps[row.m].slice(0, 1000).map((g) => [momentSpan(g.start, g.end), g.why, lengthText(g.end - g.start)]))];
  } else if (row.kind === "said") {
    body = table(["When", "Who", "Words"], WORDS.slice(0, 2000).map((w) => [momentSpan(w.start, w.end), w.s >= 0 ? nameOf(w.s) : "", w.text]));
  } else if (row.kind === "signal") {
    body = signalTable(row.signal);
  } else {
    body = table(["When", "Label set", "Rests on"], segments.map((x) => [when(x), set(x), listed(Object.keys(x.support)) || "nothing"]));
  }
  dialog(title, row.kind === "lane" ? nameField(s) : null, el("div", { class: "wide" }, body));
}

const qualityWord = (s, x) => {
  const i = cellAt(s, (x.start_s + x.end_s) / 2);
  return s.told[i] ? ["", "poor", "fair", "good"][grade3(s.quality[i])] : "–";
};

/** A signal's range in at most 200 equal parts. */
function signalTable(signal) {
  const parts = Math.min(200, signal.n), rows = [], at = (x) => signed(signal.low + (x / 250) * (signal.high - signal.low)).replace(/\.\d+$/, "");
  for (let k = 0; k < parts; k++) {
    const a = Math.floor((k * signal.n) / parts), b = Math.floor(((k + 1) * signal.n) / parts);
    let least = 256, most = -1;
    for (let i = a; i < b; i++) if (signal.min[i] !== NONE) { least = Math.min(least, signal.min[i]); most = Math.max(most, signal.max[i]); }
    rows.push([momentSpan(a * signal.step, Math.min(b * signal.step, DATA.duration)), most < 0 ? "not told" : `${at(least)} to ${at(most)} ${signal.unit}`]);
  }
  return table(["When", signal.name], rows);
}

function nameField(s) {
  const field = el("input", { type: "text", maxlength: 60, value: state.names[s.index] || "", placeholder: s.name, autocomplete: "off" });
  field.addEventListener("change", () => rename(s.index, field.value));
  return el("label", { class: "namefield" }, "Name, kept in this page's address only: ", field);
}

const KEYS = [
  ["Space", "play or pause"], ["← →", "1 s; with Shift 10 s, with Alt one frame"], ["j k", "next, previous event: a change of label set, a gap's edge"],
  ["g", "next gap"], ["+ − 0", "zoom in, zoom out, all"], ["1 to 9", "person"], ["Home End", "start, end"], ["h", "hide picture"],
  ["t", "table of this track"], ["?", "this help"], ["Esc", "close"], ["Ctrl + wheel", "zoom at the pointer"],
];

function openHelp() {
  const rows = KEYS.filter(([k]) => !DATA.still || ["1 to 9", "h", "?", "Esc"].includes(k));
  dialog("How to read this page",
    el("p", {}, el("b", {}, "Hue says who. Strength says how sure. Hatching says missing. Position says what. Ink says now.")),
    el("p", {}, "A label set is the smallest set of labels that the scores allow; the more labels, the less sure. A band is an interval, and its scale is always −1 to +1. Zoomed out, a pixel shows the least sure moment in it. Hatching is never bridged: its reason stands in the list of gaps."),
    DATA.calibrated ? null : el("p", {}, "Scores and bands in this page are not calibrated: nobody has checked on people how often they hold."),
    DATA.calibrated && !(checked("valence") && checked("arousal")) ? el("p", {}, "A band with a dashed edge is derived from the labels by a written table: nobody has checked how often it holds.") : null,
    el("h3", {}, "Keys"), table(["Key", "Does"], rows.map(([k, what]) => [el("kbd", {}, k), what])),
    DATA.subjects.length ? [el("h3", {}, "Names"), DATA.subjects.map(nameField2)] : null,
    el("p", { class: "sub" }, "Displayed emotion is what face, voice, words and body show. It is not what a person feels."));
}

const nameField2 = (s) => el("div", { class: "namerow" }, mark(s.index), nameField(s));

/** A menu under a button: Escape and a click elsewhere close it. */
function menu(button, items) {
  const open = button.getAttribute("aria-expanded") === "true";
  closeMenus();
  if (open) return;
  const list = el("div", { class: "menu", role: "menu" }, items.filter(Boolean).map(([text, work]) =>
    el("button", { type: "button", role: "menuitem", onclick: () => { closeMenus(); button.focus(); work(); } }, text)));
  button.setAttribute("aria-expanded", "true");
  button.after(list);
  list.addEventListener("keydown", (e) => {
    const all = [...list.children], at = all.indexOf(document.activeElement), by = { ArrowDown: 1, ArrowUp: -1 }[e.key];
    if (by) { e.preventDefault(); e.stopPropagation(); all[(at + by + all.length) % all.length].focus(); }
    if (e.key === "Escape") { e.stopPropagation(); closeMenus(); button.focus(); }
  });
  list.firstChild.focus();
}

function closeMenus() {
  for (const node of document.querySelectorAll(".menu")) {
    node.previousElementSibling?.setAttribute("aria-expanded", "false");
    node.remove();
  }
}

function offer(blob, ending) {
  const link = el("a", { href: URL.createObjectURL(blob), download: `${DATA.recording}.${ending}` });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

/** The summary object as stored in the folder; words and gaps come back from the page's own data. */
function saveSummary() {
  const whole = JSON.parse($("summary").textContent), g = DATA.gaps, w = DATA.words;
  const gap = (i) => ({ modality: MODALITIES[g.m[i]], start_s: g.a[i] / 1000, end_s: g.b[i] / 1000, reason: g.r[i] });
  for (let i = 0; i < g.s.length; i++) (g.s[i] < 0 ? whole : whole.subjects[g.s[i]]).gaps.push(gap(i));
  whole.words = w.x.map((text, i) => ({ start_s: w.t[i] / 1000, end_s: w.e[i] / 1000, text, subject: w.s[i] < 0 ? "" : DATA.subjects[w.s[i]].id }));
  offer(new Blob([JSON.stringify(whole, null, 1) + "\n"], { type: "application/json" }), "summary.json");
}

/** The grid as the page holds it, two decimals; the columns are named as in mood.parquet. */
function saveTable() {
  const head = ["time_s", "subject", ...["valence", "arousal"].flatMap((n) => [n, `${n}_low`, `${n}_high`]), ...CLASSES.map((c) => `p_${c}`), "label_set", ...MODALITIES.map((m) => `support_${m}`)];
  const rows = [head.join()];
  const three = (d) => (d ? d.map((x) => x.toFixed(2)) : ["", "", ""]), share = (x) => (x > 100 ? "" : (x / 100).toFixed(2));
  for (const s of DATA.subjects) {
    for (let i = 0; i < s.n; i++) {
      rows.push([Number((i * DATA.step).toFixed(3)), s.id, ...three(dimension(s, "valence", i)), ...three(dimension(s, "arousal", i)),
        ...s.scores.map((c) => share(c[i])), labelsOf(s.mask[i]).join("|"), ...s.support.map((c) => share(c[i]))].join());
    }
  }
  offer(new Blob([rows.join("\n") + "\n"], { type: "text/csv" }), "table.csv");
}

const saveItems = () => [["Summary (JSON)", saveSummary], ["Table (CSV)", saveTable], ["This view (PNG)", () => savePicture()]];
