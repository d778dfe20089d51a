// What is missing and why, and the words: of the window, or all.

const FIRST = 8;

const showLists = (() => {
  let key = "";
  return (force) => {
    const now = [state.from, state.span, state.allGaps, state.allWords, state.moreGaps, state.moreWords, JSON.stringify(state.names)].join();
    if (!force && now === key) return;
    key = now;
    keepFocus($("gap-list"), showGaps);
    keepFocus($("word-list"), showWords);
  };
})();

const inWindow = (x) => x.end > state.from && x.start < windowEnd();

function listHead(title, note, all, toggle) {
  return el("div", { class: "listhead" }, el("h2", {}, title, note ? el("span", { class: "sub" }, ` ${note}`) : null),
    state.span < DATA.duration ? el("button", { type: "button", class: "word", "aria-pressed": String(all), onclick: toggle }, all ? "in view" : "all") : null);
}

function moreButton(left, show) {
  return left > 0 ? el("button", { type: "button", class: "word more", onclick: show }, `${left.toLocaleString("en")} more`) : null;
}

/** Gaps that say the same at the same time for one person are one row. */
function gapRows(list) {
  const rows = [];
  for (const gap of list) {
    const last = rows.findLast((r) => r.start === gap.start && r.end === gap.end && r.s === gap.s && !r.all && !gap.all && r.why === gap.why);
    if (last) last.modalities.push(MODALITIES[gap.m]);
    else rows.push({ ...gap, modalities: gap.m >= 0 ? [MODALITIES[gap.m]] : [] });
  }
  return rows;
}

function showGaps() {
  const wide = state.allGaps || state.span >= DATA.duration;
  const list = gapRows(wide ? GAPS : GAPS.filter(inWindow)), most = state.moreGaps || FIRST, total = gapRows(GAPS).length;
  const note = !list.length ? "" : `${wide ? "all" : "in view"}, ${list.length > most ? `first ${most} of ${list.length}` : wide ? list.length : `${list.length} of ${total}`}`;
  const rows = list.slice(0, most).map((gap) => {
    const who = gap.s >= 0 ? gutterName(DATA.subjects[gap.s]) : "", named = gap.all ? "all" : listed(gap.modalities);
    const what = named === who.toLowerCase() ? "" : named;
    const text = gap.all ? `${gap.why}. We cannot tell.` : gap.why;
    return el("li", {}, el("a", { class: "t", href: linkTo(gap) }, momentSpan(gap.start, gap.end)),
      el("span", { class: "what" }, gap.s >= 0 ? mark(gap.s) : null, `${[who, what].filter(Boolean).join(", ")}: ${text}`,
        DATA.still ? null : el("span", { class: "sub" }, ` ${lengthText(gap.end - gap.start)}`)));
  });
  fill($("gap-list"), listHead("What is missing, and why", note, state.allGaps, () => { state.allGaps = !state.allGaps; showLists(true); }),
    rows.length ? el("ul", {}, rows) : el("p", { class: "sub" }, GAPS.length ? "Nothing is missing in view." : "Nothing is missing."),
    moreButton(list.length - most, () => { state.moreGaps = most + 200; showLists(true); }),
    GAPS.length && !DATA.still ? el("button", { type: "button", class: "word", onclick: nextGap }, "next gap (g)") : null);
}

const linkTo = (x) => `#t=${Number(x.start.toFixed(2))}${x.s >= 0 ? `&p=${encodeURIComponent(DATA.subjects[x.s].id)}` : ""}`;

function showWords() {
  const wide = state.allWords || state.span >= DATA.duration, list = wide ? WORDS : WORDS.filter(inWindow), most = state.moreWords || FIRST;
  if (!WORDS.length && DATA.still) return void fill($("word-list"));
  if (!WORDS.length) {
    fill($("word-list"), el("div", { class: "listhead" }, el("h2", {}, "Words")), el("p", { class: "sub" }, "No words were found."));
    return undefined;
  }
  const note = `${wordsSource()}${wordsSource() === "speech to text" ? ", unchecked" : ""}${list.length > most ? `, first ${most} of ${list.length}` : ""}`;
  const now = sayingAt(state.t);
  const rows = list.slice(0, most).map((w) => el("li", { class: w === now ? "on" : "", "data-w": w.i },
    el("a", { class: "t", href: linkTo(w) }, moment(w.start, 0), w.s >= 0 ? [" ", mark(w.s), " ", DATA.subjects[w.s].short] : null),
    el("span", { class: "what" }, w.text)));
  fill($("word-list"), listHead("Words", note, state.allWords, () => { state.allWords = !state.allWords; showLists(true); }),
    rows.length ? el("ul", {}, rows) : el("p", { class: "sub" }, "No words in view."),
    moreButton(list.length - most, () => { state.moreWords = most + 200; showLists(true); }));
  return undefined;
}

function markWord() {
  const w = sayingAt(state.t), at = w ? String(w.i) : "";
  for (const node of $("word-list").querySelectorAll("li")) node.classList.toggle("on", node.dataset.w === at);
}

function nextGap() {
  const next = GAPS.find((g) => g.start > state.t + 0.005) || GAPS[0];
  if (next) { if (next.s >= 0 && next.s !== state.person) choose(next.s); jump(next.start); }
}

function stepEvent(direction) {
  const next = direction > 0 ? EVENTS.find((t) => t > state.t + 0.005) : EVENTS.filter((t) => t < state.t - 0.005).pop();
  if (next !== undefined) jump(next);
}
