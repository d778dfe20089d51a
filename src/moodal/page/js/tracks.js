// Rows of tracks: name, axis, plot, value. One description a row; painters and values fill them.

const HEIGHTS = { lane: 38, slim: 20, dimension: 58, support: 20, said: 36, signal: 44 };
const tracks = { rows: [], width: 0 };

const uncalibrated = (told, not) => (DATA.calibrated ? told : not);
const NOT_TOLD = () => ({
  valence: bodyOnly() ? "not told: body signals do not show whether a state is pleasant" : "not told: nothing in this recording shows whether a state is pleasant",
  arousal: DATA.state === "body" ? "not told: the body is read for stress here, another scheme tells arousal" : "not told: nothing in this recording shows how activated a state is",
});

/** Every row of one subject in full, top to bottom. */
function rowsOf(s) {
  const rows = [{
    kind: "lane", s, height: HEIGHTS.lane, title: phone() ? "Label set" : gutterName(s), mark: phone() ? undefined : s.index,
    sub: !s.has.classes && !s.has.valence ? "arousal" : phone() ? uncalibrated(`at 90${NBSP}%`, "not calibrated") : !s.seen && s.id !== "text" ? "nobody seen" : uncalibrated(`label set at 90${NBSP}%`, "set, not calibrated"),
    paint: (ctx, view) => paintLane(ctx, s, view), gaps: s.gaps.all,
  }];
  if (K && s.has.classes) {
    rows.push({
      kind: "classes", s, height: 13 * K, title: DATA.state ? "State" : "Displayed", sub: uncalibrated("probability", "score"),
      axis: CLASSES, paint: (ctx, view) => paintClasses(ctx, s, view), gaps: s.gaps.all, quiet: true,
    });
  }
  for (const [name, high, low] of [["valence", "pleasant", "unpleasant"], ["arousal", "activated", "calm"]]) {
    const told = s.has[name];
    rows.push({
      kind: "dimension", dimension: name, s, height: told ? HEIGHTS.dimension : 28, title: capital(name),
      sub: told ? (checked(name) ? `90${NBSP}% band` : "band, not calibrated") : "not told", axis: told ? [high, low] : [],
      paint: (ctx, view) => (told ? paintDimension(ctx, s, view, name) : hatch(ctx, 0, view.width, 0, view.height, NOT_TOLD()[name]) || null),
      gaps: told ? untold(s, name) : [], quiet: true,
    });
  }
  rows.push({ kind: "heading", s, title: "Rests on", sub: "height is weight, dashed is poor signal", height: 0 });
  // What a wristband never had is in the list of gaps; three hatched rows would say no more.
  const never = (m) => bodyOnly() && s.gaps[m].length === 1 && s.gaps[m][0].reason === "no_stream";
  MODALITIES.forEach((name, m) => never(m) || rows.push({
    kind: "support", m, s, height: HEIGHTS.support, title: capital(name), paint: (ctx, view) => paintSupport(ctx, s, view, m),
    gaps: s.gaps[m],
  }));
  if (WORDS.length) rows.push({ kind: "said", s, height: HEIGHTS.said, title: "Said", sub: wordsSource(), paint: () => {} });
  for (const signal of DATA.signals) {
    const owner = DATA.subjects.findIndex((x) => x.id === signal.subject);
    if (!signal.row || (owner >= 0 && owner !== s.index)) continue;
    rows.push({
      kind: "signal", signal, s, height: HEIGHTS.signal, title: signal.name, sub: signal.unit,
      axis: signal.wave ? [] : [signalNumber(signal, signal.high), signalNumber(signal, signal.low)],
      paint: (ctx, view) => paintSignal(ctx, signal, view, owner < 0 && DATA.subjects.length > 1 ? sheet.ink2 : hue(Math.max(owner, 0))),
      gaps: signal.gaps,
    });
  }
  return rows;
}

const wordsSource = () => (ordered() || DATA.fromTranscript ? "transcript" : "speech to text");

/** Subjects drawn: at most six, those with most told time; the others stand in a list. */
function shownSubjects() {
  const ranked = [...DATA.subjects].sort((a, b) => b.told_s - a.told_s || a.index - b.index).slice(0, 6).map((s) => s.index);
  if (!ranked.includes(state.person)) ranked[ranked.length - 1] = state.person;
  return DATA.subjects.filter((s) => ranked.includes(s.index));
}

function rowElement(row) {
  const open = row.kind === "heading" ? null : () => openTable(row);
  const title = row.mark !== undefined ? [mark(row.mark), el("span", {}, row.title)]
    : row.kind === "signal" && phone() ? [el("span", {}, row.title), el("span", { class: "unit" }, row.sub)] : row.title;
  const name = el("div", { class: "rowname" },
    open ? el("button", { type: "button", class: "rowtitle", onclick: open, title: "Table of this track (t)" }, title) : el("b", {}, title),
    row.sub && !(row.kind === "signal" && phone()) ? el("span", { class: "sub" }, row.sub) : null);
  if (row.kind === "slim") {
    name.replaceChildren(
      el("button", { type: "button", class: "rowtitle", onclick: () => choose(row.s.index), title: `Choose (${row.s.index + 1})` }, title),
      el("button", { type: "button", class: "word sub", onclick: () => toggleOpen(row.s.index), "aria-expanded": false, "data-focus": `fold${row.s.index}` }, "show tracks"));
  }
  const axis = el("div", { class: "axis" }, (row.axis || []).map((text) => el("span", {}, text)));
  const plot = row.kind === "heading" ? el("div", { class: "plot none" }, el("i", { class: "cursor" }), el("i", { class: "hover" }))
    : el("div", { class: "plot" },
      el("canvas", { role: "img", "aria-label": "" }), el("div", { class: "stops" }),
      el("i", { class: "cursor" }), el("i", { class: "hover" }));
  row.canvas = plot.querySelector("canvas");
  row.stops = plot.querySelector(".stops");
  row.plot = plot;
  row.value = el("div", { class: "value" }, row.kind === "heading" ? el("span", { class: "sub" }, "weight") : null);
  row.axisNode = axis;
  row.node = el("div", { class: `row ${row.kind}`, "data-kind": row.kind }, name, axis, plot, row.value);
  if (row.canvas) {
    row.canvas.style.setProperty("height", `${row.height / 16}rem`);
    row.stops.style.setProperty("height", `${row.height / 16}rem`);
    row.canvas.setAttribute("aria-label", rowSentence(row));
  }
  return row.node;
}

/** Range, largest change and share missing of a track, in one sentence. */
function rowSentence(row) {
  const s = row.s, who = nameOf(s.index), summary = SUMMARY.subjects[s.index];
  const missing = s.cannot_s > 0.05 ? `we cannot tell for ${lengthText(s.cannot_s)} of ${lengthText(DATA.duration)}` : "told throughout";
  if (row.kind === "dimension") {
    if (!s.has[row.dimension]) return `${who}, ${row.dimension}: ${NOT_TOLD()[row.dimension]}.`;
    const told = s[row.dimension][0].filter(Boolean);
    let low = 255, high = 0;
    for (const x of told) { low = Math.min(low, x); high = Math.max(high, x); }
    let change = 0, at = 0, before = null;
    for (const segment of summary.segments) {
      const v = segment[row.dimension].value;
      if (v !== null && before !== null && Math.abs(v - before) > Math.abs(change)) { change = v - before; at = segment.start_s; }
      before = v === null ? before : v;
    }
    const largest = change ? `; largest change ${spokenSigned(change)} at ${moment(at, 0)}` : "";
    return `${who}, ${row.dimension}: from ${spokenSigned(value([low], 0))} to ${spokenSigned(value([high], 0))}${largest}; ${missing}.`;
  }
  if (row.kind === "support") {
    const gone = s.gaps[row.m].reduce((sum, gap) => sum + gap.end - gap.start, 0);
    return `${who}, weight of ${MODALITIES[row.m]}: ${plural(s.gaps[row.m].length, "gap")}, ${lengthText(gone)} missing.`;
  }
  if (row.kind === "said") return `${plural(WORDS.length, "utterance")} in words.`;
  if (row.kind === "signal") {
    const x = row.signal, axis = x.wave ? "" : `, axis from ${signalNumber(x, x.low)} to ${signalNumber(x, x.high)}`;
    return `${x.name}${x.unit ? `, ${x.unit}` : ""}${axis}; ${plural(x.gaps.length, "gap")}${x.marks ? `, ${plural(x.marks.times.length, x.marks.name)}` : ""}.`;
  }
  const n = summary.segments.length;
  return `${who}, ${row.kind === "classes" ? "scores of each label" : "label set"}: ${plural(n, "stretch").replace("stretchs", "stretches")}; ${missing}.`;
}

/** Build the section anew: after another person is chosen, opened or renamed. */
function buildTracks() {
  const holder = $("tracks"), title = $("tracks-title");
  tracks.rows = [];
  const parts = [title, overviewElement()];
  if (phone() && DATA.subjects.length > 1) parts.push(tabsElement());
  parts.push(rulerElement());
  const shown = phone() ? [DATA.subjects[state.person]] : shownSubjects();
  shown.forEach((s, i) => {
    const full = s.index === state.person || state.open.includes(s.index);
    const rows = full ? rowsOf(s)
      : [{ kind: "slim", s, height: HEIGHTS.slim, title: gutterName(s), mark: s.index, paint: (ctx, view) => paintLane(ctx, s, view, true), gaps: s.gaps.all }];
    const group = el("div", { class: `person${i ? " next" : ""}`, role: "group", "aria-label": nameOf(s.index) }, rows.map(rowElement));
    if (full && s.index !== state.person) {
      group.append(el("div", { class: "row foldrow" },
        el("button", { type: "button", class: "word sub", onclick: () => toggleOpen(s.index), "aria-expanded": true, "data-focus": `fold${s.index}` }, "hide tracks"),
        el("div", { class: "plot none" }, el("i", { class: "cursor" }), el("i", { class: "hover" }))));
    }
    tracks.rows.push(...rows);
    parts.push(group);
  });
  const rest = phone() ? [] : DATA.subjects.filter((s) => !shown.includes(s));
  if (rest.length) {
    parts.push(el("details", { class: "others" }, el("summary", {}, `${rest.length} more`),
      el("ul", {}, rest.map((s) => el("li", {}, el("button", { type: "button", class: "word", onclick: () => choose(s.index) }, mark(s.index), " ", nameOf(s.index)),
        el("span", { class: "sub" }, ` told ${lengthText(s.told_s)}, cannot tell ${lengthText(s.cannot_s)}`))))));
  }
  keepFocus(holder, () => fill(holder, parts));
  measureTracks();
}

function tabsElement() {
  const tab = (s) => el("button", {
    type: "button", role: "tab", class: "tab", "aria-selected": String(s.index === state.person), onclick: () => choose(s.index),
    tabindex: s.index === state.person ? 0 : -1,
    onkeydown: (e) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
      if (!by) return;
      e.stopPropagation();
      e.preventDefault();
      choose((s.index + by + DATA.subjects.length) % DATA.subjects.length);
    },
  }, mark(s.index), el("span", {}, DATA.subjects.length > 4 ? state.names[s.index] || s.short : gutterName(s)));
  return el("div", { class: "tabs", role: "tablist", "aria-label": "Persons" }, DATA.subjects.map(tab));
}

function measureTracks() {
  const plot = document.querySelector("#tracks .ruler .plot");
  tracks.width = plot ? plot.clientWidth : 0;
  drawTracks();
  drawOverview();
  placeCursor();
}

const windowView = () => ({ from: state.from, to: windowEnd(), width: tracks.width });

function drawTracks() {
  if (!tracks.width) return;
  const view = windowView();
  drawRuler();
  for (const row of tracks.rows) {
    if (!row.canvas) continue;
    const height = row.height * sheet.rem;
    row.paint(context(row.canvas, tracks.width, height), { ...view, height });
    if (row.kind === "said") placeUtterances(row);
  }
  placeStops();
}

const MOST_STOPS = 40;
/** A tab stop for each gap in view, inside its row; where there are very many, for the longest. */
const placeStops = (() => {
  let timer = 0;
  const place = () => {
    timer = 0;
    const per = tracks.width / state.span;
    for (const row of tracks.rows) {
      if (!row.gaps || row.quiet) continue;
      let list = row.gaps.filter((g) => g.end > state.from && g.start < windowEnd());
      if (list.length > MOST_STOPS) {
        const kept = new Set([...list].sort((a, b) => b.end - b.start - (a.end - a.start)).slice(0, MOST_STOPS));
        list = list.filter((g) => kept.has(g));
      }
      if (row.stops.contains(document.activeElement)) continue;
      fill(row.stops, list.map((gap) => {
        const x0 = Math.max(0, (gap.start - state.from) * per), x1 = Math.min(tracks.width, (gap.end - state.from) * per);
        const node = el("button", {
          type: "button", class: `stop${x0 > tracks.width * 0.6 ? " left" : ""}`, "aria-label": gapSentence(gap),
          onkeydown: (e) => { if (e.key === "Enter") { e.preventDefault(); seek(gap.start); } },
        });
        node.style.setProperty("left", `${x0}px`);
        node.style.setProperty("width", `${Math.max(x1 - x0, 2)}px`);
        return node;
      }));
    }
  };
  const soon = () => { clearTimeout(timer); timer = setTimeout(place, state.playing ? 400 : 60); };
  soon.now = place;
  return soon;
})();

function gapSentence(gap) {
  const what = gap.signal ? gap.signal.toLowerCase() : gap.all ? "we cannot tell" : gap.m >= 0 ? MODALITIES[gap.m] : "";
  return `${momentSpan(gap.start, gap.end)}, ${gap.s < 0 ? "" : nameOf(gap.s)}${what ? `, ${what}` : ""}: ${gap.why}`;
}

/** Utterances of the window as words in place; the one being said is marked as the cursor moves. */
function placeUtterances(row) {
  const per = tracks.width / state.span, many = DATA.subjects.length > 1;
  const inView = WORDS.filter((w) => w.end > state.from && w.start < windowEnd());
  const blocks = inView.map((w, k) => {
    // A block may reach past its last word, up to the next one, so that the words can be read.
    const x0 = Math.max(0, (w.start - state.from) * per), own = (w.end - state.from) * per;
    const next = k + 1 < inView.length ? (inView[k + 1].start - state.from) * per : tracks.width;
    return [w, x0, Math.min(Math.max(own, x0 + 110 * sheet.rem), Math.max(next - 2, own), tracks.width)];
  });
  const wide = inView.length <= 120 ? blocks.filter(([, x0, x1]) => x1 - x0 >= 14) : [];
  if (wide.length < blocks.length) {
    const ctx = row.canvas.getContext("2d");
    ctx.fillStyle = sheet.hatch;
    for (const [w, x0, x1] of blocks) if (!wide.some((x) => x[0] === w)) ctx.fillRect(x0, 12 * sheet.rem, Math.max(x1 - x0, 1), 12 * sheet.rem);
  }
  fill(row.stops, wide.map(([w, x0, x1]) => {
    const node = el("span", { class: "utterance", title: w.text, "data-w": w.i },
      x1 - x0 > 40 ? [many && w.s >= 0 ? mark(w.s) : null, el("span", {}, w.text)] : null);
    node.style.setProperty("left", `${x0}px`);
    node.style.setProperty("width", `${Math.max(x1 - x0, 2)}px`);
    return node;
  }));
}

function placeCursor() {
  const per = tracks.width / state.span, holder = $("tracks");
  holder.style.setProperty("--x", `${clamp((state.t - state.from) * per, 0, tracks.width)}px`);
  const inside = state.t >= state.from - 1e-9 && state.t <= windowEnd() + 1e-9;
  holder.classList.toggle("away", !inside);
  placeFlag();
}
