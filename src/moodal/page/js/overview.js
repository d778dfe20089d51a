// The overview strip, the ruler with the cursor's flag, and where they lie.

const overview = { rows: [] };

function overviewElement() {
  const shown = shownSubjects();
  overview.rows = shown.map((s) => {
    const name = s.has.valence ? "valence" : s.has.arousal ? "arousal" : "label set";
    const canvas = el("canvas", { role: "img", "aria-label": `${nameOf(s.index)}, whole recording, ${name}: told ${lengthText(s.told_s)}, cannot tell ${lengthText(s.cannot_s)}.` });
    const node = el("div", { class: `row over${s.index === state.person ? " chosen" : ""}` },
      el("div", { class: "rowname" },
        el("button", { type: "button", class: "rowtitle", "aria-pressed": String(s.index === state.person), onclick: () => choose(s.index), title: `Choose (${s.index + 1})` },
          mark(s.index), el("span", {}, gutterName(s))),
        el("span", { class: "sub" }, name)),
      el("div", { class: "plot" }, canvas),
      el("div", { class: "value" }, el("span", {}, s.cannot_s < 0.0005 ? "told throughout" : `told ${s.sums[0]}`),
        s.cannot_s < 0.0005 ? null : el("span", { class: "sub" }, `cannot tell ${ordered() ? s.sums[1].split(NBSP)[0] : s.sums[1]}`)));
    return { s, canvas, node };
  });
  overview.ruler = el("canvas", { "aria-hidden": "true" });
  overview.box = el("div", { class: "window" });
  overview.now = el("div", { class: "window-cursor" });
  overview.wedge = el("canvas", { class: "wedge", "aria-hidden": "true" });
  const named = shown[0] && shown.every((s) => s.has.valence) ? "valence" : "";
  return el("div", { class: "overview" },
    el("div", { class: "row head" },
      el("div", { class: "rowname" }, el("b", {}, ordered() ? "Whole text" : "Whole recording"), el("span", { class: "sub phone-only" }, named)),
      el("div", { class: "plot" }, overview.ruler),
      el("div", { class: "value phone-only" }, el("span", { class: "sub" }, lengthText(DATA.duration)))),
    el("div", { class: "strips" }, overview.rows.map((r) => r.node),
      el("div", { class: "over-layer" }, overview.box, overview.now)),
    el("div", { class: "row wedge-row" }, el("div", { class: "plot" }, overview.wedge)));
}

function drawOverview() {
  if (!overview.rows.length || !overview.rows[0].canvas.clientWidth) return;
  const width = overview.rows[0].canvas.clientWidth;
  const view = { from: 0, to: Math.max(DATA.duration, 1e-6), width };
  paintRuler(context(overview.ruler, width, 18 * sheet.rem), { ...view, height: 18 * sheet.rem }, { ticks: false, short: true });
  for (const row of overview.rows) {
    const height = row.canvas.clientHeight, { slotKey, slotCache } = row.s;
    paintOverview(context(row.canvas, width, height), row.s, { ...view, height });
    // The detail's own cells stay cached while only the window moves.
    row.s.slotKey = slotKey;
    row.s.slotCache = slotCache;
  }
  placeWindow();
}

function placeWindow() {
  if (!overview.box || !overview.rows.length) return;
  const width = overview.rows[0].canvas.clientWidth, share = 100 / DATA.duration;
  overview.box.style.setProperty("left", `${state.from * share}%`);
  overview.box.style.setProperty("width", `max(4px, ${state.span * share}%)`);
  overview.now.style.setProperty("left", `${state.t * share}%`);
  if (!phone()) paintWedge(context(overview.wedge, width, overview.wedge.clientHeight), width, overview.wedge.clientHeight);
}

const ruler = {};

function rulerElement() {
  ruler.canvas = el("canvas", { "aria-hidden": "true" });
  ruler.flag = el("div", {
    class: "flag", role: "slider", tabindex: 0, "aria-label": "Cursor", "aria-valuemin": 0,
    "aria-valuemax": Number(DATA.duration.toFixed(2)), "aria-orientation": "horizontal",
  });
  ruler.range = el("span", { class: "range" });
  ruler.at = el("b", { class: "at" });
  return el("div", { class: "row ruler" },
    el("div", { class: "rowname" }, ruler.range),
    el("div", { class: "plot" }, ruler.canvas, el("i", { class: "cursor" }), el("i", { class: "hover" }), ruler.flag),
    el("div", { class: "value" }, ruler.at));
}

function drawRuler() {
  const height = 24 * sheet.rem;
  paintRuler(context(ruler.canvas, tracks.width, height), { ...windowView(), height });
  say(ruler.range, phone() ? `${spanText(state.span)} shown` : momentSpan(state.from, windowEnd()));
}

function spanText(span) {
  if (span >= DATA.duration - 1e-6) return "all";
  return ordered() ? lengthText(span) : span < 3600 && span % 60 === 0 && span > 60 ? `${span / 60}${NBSP}min` : lengthText(span);
}

/** The time on the cursor, kept inside the plot. */
function placeFlag() {
  if (!ruler.flag) return;
  say(ruler.flag, moment(state.t));
  const x = (state.t - state.from) * (tracks.width / state.span), half = ruler.flag.offsetWidth / 2;
  ruler.flag.style.setProperty("left", `${clamp(x, half, Math.max(half, tracks.width - half))}px`);
  ruler.flag.setAttribute("aria-valuenow", state.t.toFixed(1));
}
