// The Mood as the page holds it: packed columns, gaps, words, events.

const DATA = JSON.parse($("data").textContent);
const CLASSES = DATA.classes, K = CLASSES.length, MODALITIES = DATA.modalities;
const NONE = 255;

async function inflated() {
  const packed = bytesOf($("grid").textContent.trim());
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function column(bytes, at, n) {
  const values = bytes.subarray(at, at + n);
  for (let i = 1; i < n; i++) values[i] = (values[i] + values[i - 1]) & 255;
  return values;
}

/** Columns of one subject out of the packed bytes; `size` is the label count, 0 where nothing is told. */
function unpack(bytes, subject, index) {
  let at = subject.at;
  const n = subject.n, next = () => { const c = column(bytes, at, n); at += n; return c; };
  const s = subject;
  s.index = index;
  s.told = next();
  s.valence = [next(), next(), next()];
  s.arousal = [next(), next(), next()];
  s.scores = CLASSES.map(next);
  const masks = Array.from({ length: Math.ceil(K / 8) }, next);
  s.mask = new Uint32Array(n);
  s.size = new Uint8Array(n);
  for (let i = 0; i < n; i++) {
    let bits = 0, count = 0;
    for (let b = 0; b < masks.length; b++) bits |= masks[b][i] << (8 * b);
    s.mask[i] = bits >>> 0;
    for (let left = s.mask[i]; left; left = (left & (left - 1)) >>> 0) count++;
    s.size[i] = count;
  }
  s.support = MODALITIES.map(next);
  s.qualities = MODALITIES.map(next);
  s.quality = new Uint8Array(n);
  for (let i = 0; i < n; i++) {
    let sum = 0, weight = 0;
    for (let m = 0; m < MODALITIES.length; m++) {
      if (s.support[m][i] > 100 || s.qualities[m][i] > 100) continue;
      sum += s.support[m][i] * s.qualities[m][i];
      weight += s.support[m][i];
    }
    s.quality[i] = weight ? sum / weight : 0;
  }
  s.has = { valence: s.valence[0].some(Boolean), arousal: s.arousal[0].some(Boolean), classes: s.size.some(Boolean) };
  if (s.boxes) s.boxes.columns = [0, 1, 2, 3].map((i) => column(bytes, s.boxes.at + i * s.boxes.n, s.boxes.n));
  s.gaps = { all: s.fused.map(([a, b, why]) => ({ start: a / 1000, end: b / 1000, why, all: true, m: -1, s: index })) };
  MODALITIES.forEach((_, m) => { s.gaps[m] = []; });
}

let GAPS = [], WORDS = [], EVENTS = [], SUMMARY = null;

function load(bytes) {
  DATA.subjects.forEach((s, i) => unpack(bytes, s, i));
  for (const signal of DATA.signals) loadSignal(bytes, signal);
  const g = DATA.gaps;
  for (let i = 0; i < g.s.length; i++) {
    const gap = { start: g.a[i] / 1000, end: g.b[i] / 1000, m: g.m[i], s: g.s[i], reason: g.r[i] };
    gap.why = DATA.reasons[`${MODALITIES[gap.m]} ${gap.reason}`] || gap.reason;
    // A stream that only ends early is missing "here", not in the whole recording.
    if (g.a[i] > 0 || g.b[i] < Math.round(DATA.duration * 1000)) gap.why = gap.why.replace(" in this recording", " here");
    GAPS.push(gap);
    const own = DATA.subjects[gap.s];
    if (own && own.gaps[gap.m]) own.gaps[gap.m].push(gap);
  }
  for (const s of DATA.subjects) GAPS.push(...s.gaps.all);
  GAPS.sort((a, b) => a.start - b.start || a.s - b.s || b.all - a.all || a.m - b.m);
  utter();
  SUMMARY = JSON.parse($("summary").textContent);
  findEvents();
}

function utter() {
  const w = DATA.words;
  w.u.forEach((first, i) => {
    const last = (i + 1 < w.u.length ? w.u[i + 1] : w.t.length) - 1;
    const text = w.x.slice(first, last + 1).map((x) => x.trim()).filter(Boolean).join(" ");
    WORDS.push({ i, start: w.t[first] / 1000, end: Math.max(w.e[last], w.t[first] + 1) / 1000, text, s: w.s[first], first, last });
  });
}

/** Where j and k stop: each change of label set among the stretches, each edge of a gap in the answer, each skin response. */
function findEvents() {
  const at = new Map();
  SUMMARY.subjects.forEach((subject, s) => {
    subject.segments.forEach((segment) => { if (segment.start_s > 0) at.set(segment.start_s, s); });
    for (const gap of DATA.subjects[s].gaps.all) {
      if (gap.start > 0) at.set(gap.start, s);
      if (gap.end < DATA.duration) at.set(gap.end, s);
    }
  });
  for (const signal of DATA.signals) {
    if (signal.wave || !signal.marks) continue;
    const owner = Math.max(DATA.subjects.findIndex((x) => x.id === signal.subject), 0);
    for (const t of signal.marks.times) at.set(t, owner);
  }
  EVENTS = [...at.keys()].sort((a, b) => a - b);
}

const cellAt = (s, t) => clamp(Math.floor(t / DATA.step + 1e-6), 0, s.n - 1);
const value = (columnOf, i) => (columnOf[i] - 128) / 100;

/** Valence or arousal of a cell: value, low, high, or null where not told. */
function dimension(s, name, i) {
  const rows = s[name];
  return rows[0][i] ? rows.map((c) => value(c, i)) : null;
}

function labelsOf(mask) {
  return CLASSES.filter((_, i) => (mask >>> i) & 1);
}

/** The labels of a cell, the highest score first. */
function labelsAt(s, i) {
  return CLASSES.map((name, c) => [name, s.scores[c][i], c]).filter(([, , c]) => (s.mask[i] >>> c) & 1)
    .sort((a, b) => b[1] - a[1] || a[2] - b[2]);
}

const setText = (labels) => (labels.length > 3 ? "unclear" : listed(labels, "or"));
/** "sad" for sadness; the first letters, or the whole word where it is short. */
const shortLabel = (label) => label.slice(0, 3);

/** Where arousal alone is told (body signals): above, below or about the person's own baseline. */
function sideAt(s, i) {
  const a = s.valence[0][i] ? null : dimension(s, "arousal", i);
  return a && (a[1] > 0 ? "above" : a[2] < 0 ? "below" : "about");
}

function stateText(s, i) {
  if (!s.told[i]) return "we cannot tell";
  if (!s.size[i]) {
    const side = sideAt(s, i);
    return side ? `${side} this person’s baseline` : K ? "label not told" : "valence and arousal only";
  }
  return setText(labelsAt(s, i).map(([name]) => name));
}

/** The gap of a modality (or of the answer) that a moment lies in. */
function gapAt(list, at) {
  const t = Math.min(at, DATA.duration - 1e-4);
  let low = 0, high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle].start <= t) low = middle + 1; else high = middle;
  }
  return low && list[low - 1].end > t ? list[low - 1] : null;
}

function restsAt(s, i) {
  return MODALITIES.map((name, m) => [name, s.support[m][i]]).filter(([, w]) => w > 0 && w <= 100);
}

const sayingAt = (t) => WORDS.find((w) => w.start <= t && t < w.end + 0.4) || null;
