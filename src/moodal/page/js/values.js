// The value column: what each track says at the cursor, or under the pointer.

function showValues(t, hovering = false) {
  say(ruler.at, phone() ? "" : `${hovering || ordered() ? "" : "at "}${moment(t)}`);
  ruler.at.classList.toggle("hovering", hovering);
  for (const row of tracks.rows) if (row.kind !== "heading") rowValue(row, t);
}

function rowValue(row, t) {
  const s = row.s, i = cellAt(s, t);
  if (row.kind === "lane" || row.kind === "slim") {
    const labels = labelsAt(s, i).map(([name]) => name);
    const text = !s.told[i] || !s.size[i] || labels.length > 2 || row.kind === "slim" ? [stateText(s, i)]
      : labels.map((name, k) => (k ? `or ${name}` : name));
    return lines(row, text.map((x) => ["b", x]));
  }
  if (row.kind === "classes") return classValues(row, s, i);
  if (row.kind === "dimension") {
    const d = dimension(s, row.dimension, i);
    if (!d) return lines(row, [["span", s.has[row.dimension] ? (s.told[i] ? "not told" : "we cannot tell") : "not told"]]);
    return lines(row, [["b", signed(d[0])], ["span", `${signed(d[1])} to ${signed(d[2])}`]]);
  }
  if (row.kind === "support") {
    const weight = s.support[row.m][i], gap = gapAt(s.gaps[row.m], t);
    return lines(row, [["span", weight && weight <= 100 ? shareText(weight) : gap ? gap.why.replace(/ in this recording$/, "") : "no weight"]], "ink2");
  }
  if (row.kind === "said") {
    const w = sayingAt(t);
    markUtterance(row, w);
    return lines(row, w && w.s >= 0 ? [["b", state.names[w.s] || gutterName(DATA.subjects[w.s])], ["span", ordered() ? "" : "speaking"]] : w ? [["span", "said by nobody seen"]] : [["span", "no words"]]);
  }
  return lines(row, signalValue(row.signal, t));
}

function lines(row, parts, kind = "") {
  const key = parts.map((p) => p.join()).join("|");
  if (row.said === key) return;
  row.said = key;
  fill(row.value, parts.filter(([, text]) => text).map(([tag, text]) => el(tag, { class: tag === "span" ? "sub " + kind : kind }, text)));
}

/** A bar and a number a class; on a phone the highest two in words. */
function classValues(row, s, i) {
  if (!row.bars) {
    row.bars = CLASSES.map(() => ({ bar: el("i", { class: `bar s${s.index % 4}` }), text: el("span", {}) }));
    row.words = el("b", { class: "classwords" });
    fill(row.value, row.words, row.bars.map(({ bar, text }) => el("div", { class: "classvalue" }, bar, text)));
  }
  const told = s.size[i] > 0, inSet = new Set(labelsAt(s, i).map(([, , c]) => c));
  CLASSES.forEach((_, c) => {
    const { bar, text } = row.bars[c], score = s.scores[c][i];
    bar.style.setProperty("width", told ? `${(score / 100) * 2.25}rem` : "0");
    say(text, told ? shareText(score) : "");
    row.axisNode.children[c].classList.toggle("in", inSet.has(c));
    text.classList.toggle("in", inSet.has(c));
  });
  const best = labelsAt(s, i).slice(0, 2).map(([name, score]) => `${name} ${shareText(score)}`);
  say(row.words, told ? (inSet.size > 3 ? "unclear" : best.join(", ")) : "we cannot tell");
}

function markUtterance(row, w) {
  const at = w ? String(w.i) : "";
  for (const node of row.stops.children) node.classList.toggle("on", node.dataset.w === at);
}
