// At the cursor: the label set in words, two intervals, what it rests on, what is being said; and the plane.

const nowParts = {};

function buildNow() {
  const scale = (name, low, high) => {
    const part = { band: el("i", { class: "band" }), dot: el("i", { class: "dot" }), zero: el("i", { class: "zero" }) };
    part.bar = el("div", { class: "scale" }, el("i", { class: "rule" }), part.band, part.zero, part.dot);
    part.number = el("span", { class: "number" });
    part.range = el("span", { class: "range" });
    part.withheld = el("span", { class: "withheld" });
    nowParts[name] = part;
    part.node = el("div", { class: "interval" }, el("span", { class: "what" }, capital(name)),
      el("div", { class: "middle" }, part.bar, part.withheld, el("div", { class: "poles" }, el("span", {}, low), el("span", {}, high))),
      el("span", { class: "numbers" }, part.number, " ", part.range));
    return part.node;
  };
  nowParts.at = el("b", {});
  nowParts.who = el("span", { class: "who" });
  nowParts.state = el("p", { class: "bigstate" });
  nowParts.means = el("p", { class: "means" });
  nowParts.shares = el("div", { class: "shares" });
  nowParts.shareWords = el("div", { class: "sharewords" });
  nowParts.quote = el("p", { class: "quote" });
  nowParts.tabs = DATA.still && DATA.subjects.length > 1 ? el("div", {}) : null;
  fill($("now"), nowParts.tabs || el("p", { class: "when" }, nowParts.at, nowParts.who), nowParts.state, nowParts.means,
    scale("valence", "unpleasant", "pleasant"), scale("arousal", "calm", "activated"),
    el("div", { class: "restsbar" }, el("span", { class: "what" }, "Rests on"), el("div", {}, nowParts.shares, nowParts.shareWords)), nowParts.quote);
  if (bodyOnly()) {
    nowParts.lately = el("div", { class: "lately" });
    fill($("plane"), el("p", { class: "when" }, el("b", {}, `Last ${lengthText(LATELY_S)} before the cursor`)), nowParts.lately);
    return;
  }
  nowParts.canvas = el("canvas", { role: "img", "aria-label": "Plane of valence and arousal" });
  fill($("plane"), el("p", { class: "when" }, el("b", {}, "Valence and arousal"), el("span", { class: "trailtext" }, DATA.still || ordered() ? "" : " last 20 s")),
    el("div", { class: "planebox" }, nowParts.canvas,
      el("span", { class: "pole top" }, "activated"), el("span", { class: "pole bottom" }, "calm"),
      el("span", { class: "pole left" }, "unpleasant"), el("span", { class: "pole right" }, "pleasant"),
      nowParts.noPlane = el("span", { class: "noplane" })));
}

/** What the label set promises, or that it promises nothing. */
function meaning(s, i) {
  if (!s.told[i]) {
    const gap = gapAt(s.gaps.all, i * DATA.step + 1e-4);
    return gap ? `${capital(gap.why)}.` : "Nothing was measured here.";
  }
  const labels = labelsAt(s, i);
  if (!labels.length && sideAt(s, i)) return "Arousal only. Exercise, heat, caffeine or speech can do the same.";
  if (!labels.length) return "";
  const scores = labels.length > 3 ? listed(labels.map(([name]) => name), "or")
    : labels.map(([name, score]) => `${name} ${shareText(score)}`).join(", ");
  const number = ["", "this one", "one of these two", "one of these three"][labels.length];
  if (DATA.calibrated) {
    const of = ["", "This one", "One of the two", "One of the three"][labels.length] || `One of these ${labels.length}`;
    return `${of} in 9 of 10 such moments: ${scores}.`;
  }
  if (labels.length > 3) return `${labels.length} labels fit: ${scores}.`;
  return `Likely ${number}, scores not calibrated: ${scores}.`;
}

function showNow() {
  const s = DATA.subjects[state.person];
  say(nowParts.at, DATA.still ? "In this picture" : `At ${moment(state.t)}`);
  if (!s) {
    say(nowParts.state, "we cannot tell");
    say(nowParts.means, "Nobody was seen or heard; the list of gaps says why.");
    return drawPlane();
  }
  if (nowParts.shownWho !== nameOf(s.index) + s.index) {
    nowParts.shownWho = nameOf(s.index) + s.index;
    fill(nowParts.who, mark(s.index), el("span", {}, nameOf(s.index)));
    $("now").className = `now s${s.index % 4}`;
    if (nowParts.tabs) keepFocus(nowParts.tabs, () => fill(nowParts.tabs, tabsElement()));
  }
  const i = cellAt(s, state.t);
  say(nowParts.state, stateText(s, i));
  nowParts.state.classList.toggle("gone", !s.told[i]);
  say(nowParts.means, meaning(s, i));
  for (const name of ["valence", "arousal"]) showInterval(nowParts[name], dimension(s, name, i), s.has[name], s.told[i], checked(name));
  showShares(restsAt(s, i));
  const w = sayingAt(state.t);
  say(nowParts.quote, w ? `“${w.text}”` : "");
  drawPlane();
}

function showInterval(part, d, ever, told, sure) {
  part.node.classList.toggle("untold", !d);
  say(part.withheld, d ? "" : ever && !told ? "we cannot tell" : "not told");
  say(part.number, d ? signed(d[0]) : "");
  say(part.range, d ? `${signed(d[1])} to ${signed(d[2])}` : "");
  if (!d) return;
  const at = (x) => `${(x + 1) * 50}%`;
  part.band.style.setProperty("left", at(d[1]));
  part.band.style.setProperty("width", `${(d[2] - d[1]) * 50}%`);
  part.band.classList.toggle("loose", !sure);
  part.dot.style.setProperty("left", at(d[0]));
}

function showShares(rests) {
  const key = rests.map((r) => r.join(" ")).join("|");
  if (nowParts.shownShares === key) return;
  nowParts.shownShares = key;
  fill(nowParts.shares, rests.length ? rests.map(([name, weight]) => {
    const node = el("div", { class: "share" }, el("i", {}), el("span", {}, `${name} ${shareText(weight)}`));
    node.style.setProperty("flex-grow", String(weight));
    return node;
  }) : el("span", { class: "noshare" }, "nothing at this moment"));
  // Where a part is too narrow for its name, all names stand in one line below the bar.
  nowParts.shares.classList.remove("tight");
  const tight = [...nowParts.shares.children].some((c) => c.lastChild.scrollWidth > c.clientWidth + 1);
  nowParts.shares.classList.toggle("tight", tight);
  say(nowParts.shareWords, rests.map(([name, weight]) => `${name} ${shareText(weight)}`).join(", "));
}

const LATELY_S = 300;
/** Where body signals are all there is, valence is never told and a plane would stay empty. */
const bodyOnly = () => DATA.signals.some((x) => x.track.startsWith("body.")) && !DATA.subjects.some((s) => s.has.valence);

/** What the heart and the skin did in the last minutes: means with their range, rates, and how much of it was good. */
function showLately() {
  const to = Math.max(state.t, 1), from = Math.max(0, to - LATELY_S), rows = [];
  const range = (signal) => {
    let sum = 0, n = 0, least = 255, most = 0;
    for (let i = Math.floor(from / signal.step); i < Math.min(to / signal.step, signal.n); i++) {
      if (signal.min[i] === NONE) continue;
      sum += (signal.min[i] + signal.max[i]) / 2;
      n++;
      least = Math.min(least, signal.min[i]);
      most = Math.max(most, signal.max[i]);
    }
    const level = (x) => signalNumber(signal, signalLevel(signal, [x], 0));
    return n ? [level(sum / n), `${level(least)} to ${level(most)}${NBSP}${shortUnit(signal)}`, n] : null;
  };
  for (const name of ["Heart rate", "RMSSD", "Breathing", "Temperature"]) {
    const signal = DATA.signals.find((x) => x.name === name);
    if (!signal) continue;
    const told = range(signal);
    if (name !== "RMSSD") rows.push([name, ...(told || ["", "not told"])]);
    else {
      // RMSSD is itself of the last minutes: its value now, not a mean of means.
      const k = clamp(Math.floor(state.t / signal.step), 0, signal.n - 1), now = signal.min[k];
      rows.push([name, now === NONE ? "" : signalNumber(signal, signalLevel(signal, [now], 0)), now === NONE ? "withheld" : "ms"]);
    }
  }
  const skin = DATA.signals.find((x) => x.track === "body.eda");
  if (skin) {
    const told = range(skin), minutes = told ? (told[2] * skin.step) / 60 : 0;
    rows.push(["Skin responses", minutes >= 0.5 ? (marksIn(skin, from, to).length / minutes).toFixed(1) : "", minutes >= 0.5 ? "per min" : "not told"]);
  }
  const heart = DATA.signals.find((x) => x.wave) || DATA.signals.find((x) => x.track === "body.heart");
  if (heart) {
    // Before it has warmed up, and outside of what was analysed, nothing was judged: neither good nor poor.
    const beats = DATA.signals.find((x) => x.track === "body.heart") || heart;
    const first = Math.max(from, beats.judged[0]), last = Math.min(to, beats.judged[1]);
    let good = 0, n = 0;
    for (let i = Math.ceil(first / heart.step); i < last / heart.step; i++) {
      n++;
      good += heart.min[Math.min(i, heart.n - 1)] !== NONE && gradeAt(heart, i * heart.step) === 2;
    }
    rows.push(n ? ["Signal good", `${Math.round((100 * good) / n)}${NBSP}%`, "of the time"] : ["Signal good", "", "not judged"]);
  }
  if (!rows.length) rows.push(["", "", "no heart, breathing or skin in this recording"]);
  const key = rows.join("|");
  if (nowParts.shownLately === key) return;
  nowParts.shownLately = key;
  fill(nowParts.lately, rows.map(([name, value, rest]) => el("p", {}, el("span", { class: "what" }, name), el("span", {}, el("b", {}, value), ` ${rest}`))));
}

/** The plane: fading trail of 20 s, the two intervals as a box, other persons dashed. */
function drawPlane() {
  if (nowParts.lately) return void showLately();
  const box = nowParts.canvas.parentElement, width = box.clientWidth, height = box.clientHeight;
  if (!width) return;
  const ctx = context(nowParts.canvas, width, height), x = (v) => width / 2 + (v * (width - 8)) / 2, y = (a) => height / 2 - (a * (height - 8)) / 2;
  ctx.fillStyle = sheet.hatch;
  ctx.fillRect(0, Math.round(height / 2), width, 1);
  ctx.fillRect(Math.round(width / 2), 0, 1, height);
  const chosen = DATA.subjects[state.person];
  const both = (s, i) => { const v = dimension(s, "valence", i), a = dimension(s, "arousal", i); return v && a ? [v, a] : null; };
  const here = chosen && both(chosen, cellAt(chosen, state.t));
  say(nowParts.noPlane, here || !chosen ? "" : !chosen.has.valence || !chosen.has.arousal ? "not told" : "we cannot tell");
  for (const s of DATA.subjects) {
    if (s === chosen || DATA.subjects.length > 7) continue;
    const other = both(s, cellAt(s, state.t));
    if (other) planeBox(ctx, s, other, x, y, true);
  }
  if (!here) return;
  if (!DATA.still && !ordered()) trail(ctx, chosen, x, y);
  planeBox(ctx, chosen, here, x, y, false);
}

function planeBox(ctx, s, [v, a], x, y, dashed) {
  ctx.strokeStyle = hue(s.index);
  ctx.lineWidth = 1.25;
  ctx.setLineDash(dashed || !(checked("valence") && checked("arousal")) ? [4, 3] : []);
  if (!dashed) {
    ctx.fillStyle = withAlpha(hue(s.index), 0.2);
    ctx.fillRect(x(v[1]), y(a[2]), x(v[2]) - x(v[1]), y(a[1]) - y(a[2]));
  }
  ctx.strokeRect(x(v[1]), y(a[2]), x(v[2]) - x(v[1]), y(a[1]) - y(a[2]));
  ctx.setLineDash([]);
  shapeAt(ctx, s.index, x(v[0]), y(a[0]), dashed ? 4.5 : 5.5);
}

function shapeAt(ctx, index, cx, cy, r) {
  ctx.beginPath();
  const kind = index % 4;
  if (kind === 0) ctx.arc(cx, cy, r, 0, 7);
  else {
    const points = [[], [[0, -1.1], [1.15, 0.9], [-1.15, 0.9]], [[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]], [[0, -1.2], [1.2, 0], [0, 1.2], [-1.2, 0]]][kind];
    points.forEach(([px, py], k) => (k ? ctx.lineTo(cx + px * r, cy + py * r) : ctx.moveTo(cx + px * r, cy + py * r)));
    ctx.closePath();
  }
  ctx.fillStyle = index < 4 ? hue(index) : sheet.paper;
  ctx.strokeStyle = hue(index);
  ctx.lineWidth = 1.5;
  ctx.fill();
  ctx.stroke();
  if (index >= 8) { font(ctx, 9, 600); ctx.fillStyle = sheet.ink; ctx.textAlign = "center"; ctx.fillText(String(index + 1), cx, cy + 0.5); ctx.textAlign = "left"; }
}

function trail(ctx, s, x, y) {
  const last = cellAt(s, state.t), first = cellAt(s, Math.max(0, state.t - 20)), stride = Math.max(1, Math.floor((last - first) / 200));
  ctx.strokeStyle = hue(s.index);
  ctx.lineWidth = 1.25;
  let before = null;
  for (let i = first; i <= last; i += stride) {
    const told = s.valence[0][i] && s.arousal[0][i];
    const point = told ? [x(value(s.valence[0], i)), y(value(s.arousal[0], i))] : null;
    if (point && before) {
      ctx.globalAlpha = 0.08 + 0.72 * ((i - first) / Math.max(1, last - first)) ** 1.5;
      ctx.beginPath();
      ctx.moveTo(...before);
      ctx.lineTo(...point);
      ctx.stroke();
    }
    before = point;
  }
  ctx.globalAlpha = 1;
}

/** The moment read aloud: what the cursor's slider says after a step. */
function spokenNow() {
  const s = DATA.subjects[state.person];
  if (!s) return `${spokenMoment(state.t)}. We cannot tell.`;
  const i = cellAt(s, state.t), parts = [`${spokenMoment(state.t)}. ${nameOf(s.index).replaceAll(NBSP, " ")}: ${stateText(s, i)}.`];
  for (const name of ["valence", "arousal"]) {
    const d = dimension(s, name, i);
    if (d) parts.push(`${capital(name)} ${spokenSigned(d[0])}, from ${spokenSigned(d[1])} to ${spokenSigned(d[2])}${checked(name) ? "" : ", not calibrated"}.`);
  }
  const rests = restsAt(s, i).map(([name]) => name), gap = gapAt(s.gaps.all, state.t);
  if (rests.length) parts.push(`Rests on ${listed(rests)}.`);
  else if (gap) parts.push(`${capital(gap.why)}.`);
  return parts.join(" ");
}
