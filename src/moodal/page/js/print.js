// Print: the chosen person's tracks in strips of equal span, always in the light colours.

const MOST_STRIPS = 24;

function buildPrint() {
  const holder = $("print-strips"), s = DATA.subjects[state.person];
  if (!s || DATA.still) return fill(holder, printGaps());
  const spans = ordered() ? [10, 20, 50, 100, 1000] : [10, 30, 60, 300, 600, 1800, 3600, 21600];
  const span = spans.find((x) => DATA.duration / x <= MOST_STRIPS) || DATA.duration / MOST_STRIPS;
  const each = Math.min(span, DATA.duration), width = 520;
  readColours(true);
  const parts = [el("h2", {}, "Whole recording"), printOverview(width),
    el("h2", {}, mark(s.index), ` ${nameOf(s.index)}: tracks in strips of ${lengthText(each)}`)];
  for (let from = 0; from < DATA.duration - 1e-6; from += each) parts.push(strip(s, from, from + each, width));
  parts.push(printGaps());
  fill(holder, parts);
  readColours();
  for (const x of DATA.subjects) x.slotKey = "";
  return undefined;
}

function printCanvas(width, height, paint) {
  const canvas = el("canvas", {});
  canvas.style.setProperty("height", `${height}px`);
  paint(context(canvas, width, height, 2));
  return canvas;
}

/** Every gap, however many. */
function printGaps() {
  return [el("h2", {}, "What is missing, and why"), table(["When", "Who", "What", "Why", "Length"], gapRows(GAPS).map((g) => [
    momentSpan(g.start, g.end), g.s >= 0 ? nameOf(g.s) : "", g.all ? "all: we cannot tell" : listed(g.modalities), g.why, DATA.still ? "" : lengthText(g.end - g.start)]))];
}

function printOverview(width) {
  const ruler = el("div", { class: "striprow" }, el("span", {}),
    printCanvas(width, 18, (ctx) => paintRuler(ctx, { from: 0, to: DATA.duration, width, height: 18 }, { ticks: false, short: true })));
  return el("div", { class: "strip" }, ruler, shownSubjects().map((s) => el("div", { class: "striprow" },
    el("span", { class: "stripname" }, mark(s.index), " ", nameOf(s.index)),
    printCanvas(width, 40, (ctx) => paintOverview(ctx, s, { from: 0, to: DATA.duration, width, height: 40 })),
    el("span", { class: "stripvalue" }, `told ${s.sums[0]}, cannot tell ${s.sums[1]}`))));
}

function strip(s, from, to, width) {
  const rows = rowsOf(s).filter((r) => r.kind !== "heading" && r.kind !== "said" && r.kind !== "signal");
  return el("div", { class: "strip" },
    el("div", { class: "striprow" }, el("span", { class: "stripname" }, momentSpan(from, Math.min(to, DATA.duration))),
      printCanvas(width, 20, (ctx) => paintRuler(ctx, { from, to, width, height: 20 }))),
    rows.map((row) => {
      const height = row.kind === "classes" ? row.height * 0.85 : row.height * 0.8;
      return el("div", { class: "striprow" },
        el("span", { class: "stripname" }, row.kind === "classes" ? CLASSES.map((c) => el("i", {}, c)) : row.kind === "lane" ? "Label set" : row.title),
        printCanvas(width, height, (ctx) => row.paint(ctx, { from, to, width, height })));
    }),
    el("p", { class: "stripwords" }, WORDS.filter((w) => w.start >= from && w.start < to).map((w) => w.text).join(" ")));
}
