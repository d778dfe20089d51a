// Measured signals: levels from a beat to a day, marks, quality and gaps; their rows' painter and values.

const COARSER = 8;

/** Columns, quality, marks and gaps of one signal out of the packed bytes. */
function loadSignal(bytes, signal) {
  signal.min = column(bytes, signal.at, signal.n);
  signal.max = signal.single ? signal.min : column(bytes, signal.at + signal.n, signal.n);
  signal.levels = [{ min: signal.min, max: signal.max, step: signal.step, n: signal.n }];
  if (signal.quality) signal.grades = column(bytes, signal.quality.at, signal.quality.n);
  signal.gaps = signal.gaps.map(([a, b, why]) => ({ start: a / 1000, end: b / 1000, why, all: false, m: -1, s: -1, signal: signal.name }));
  if (signal.marks) {
    const { at, n } = signal.marks, high = column(bytes, at, n), low = column(bytes, at + n, n), times = [];
    for (let i = 0, t = 0; i < n; i++) {
      const step = (high[i] << 8) | low[i];
      t += step;
      if (step !== 65535) times.push(t / 1000);
    }
    signal.marks.times = times;
  }
}

/** The coarsest level whose cells are no longer than a pixel; levels are made when they are first wanted. */
function levelFor(signal, secondsPerPixel) {
  let k = 0;
  while (signal.step * COARSER ** (k + 1) <= secondsPerPixel && signal.n > COARSER ** (k + 1)) k++;
  for (let made = signal.levels.length; made <= k; made++) signal.levels.push(coarser(signal.levels[made - 1]));
  return signal.levels[k];
}

function coarser(fine) {
  const n = Math.ceil(fine.n / COARSER), min = new Uint8Array(n).fill(NONE), max = new Uint8Array(n).fill(NONE);
  for (let i = 0; i < fine.n; i++) {
    if (fine.min[i] === NONE) continue;
    const j = Math.floor(i / COARSER);
    if (min[j] === NONE) { min[j] = fine.min[i]; max[j] = fine.max[i]; continue; }
    if (fine.min[i] < min[j]) min[j] = fine.min[i];
    if (fine.max[i] > max[j]) max[j] = fine.max[i];
  }
  return { min, max, step: fine.step * COARSER, n };
}

/** First mark at or after a time. */
function firstMark(times, t) {
  let low = 0, high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < t) low = middle + 1; else high = middle;
  }
  return low;
}

const marksIn = (signal, from, to) => (signal.marks ? signal.marks.times.slice(firstMark(signal.marks.times, from), firstMark(signal.marks.times, to)) : []);

/** 2 good, 1 fair, 0 poor at a moment. */
const gradeAt = (signal, t) => (signal.grades ? signal.grades[clamp(Math.floor(t / signal.quality.step), 0, signal.grades.length - 1)] : 2);

/** A signal in its row: gaps hatched, then its range in each pixel, or a line where single values can be told apart. */
function paintSignal(ctx, signal, view, colour) {
  const { from, to, width, height } = view, per = width / (to - from);
  ctx.fillStyle = sheet.line;
  ctx.fillRect(0, height - 1, width, 1);
  paintGaps(ctx, view, signal.gaps, (gap) => gap.why);
  const y = (x) => height - 3 - (x / 250) * (height - (signal.marks ? 14 : 6));
  if (signal.step * per > 1.5) paintLine(ctx, signal, view, colour, y);
  else paintRange(ctx, signal, view, colour, y);
  paintMarks(ctx, signal, view, colour);
}

const STRENGTHS = [0.4, 0.7, 1];

function paintRange(ctx, signal, view, colour, y) {
  const { from, to, width } = view, per = width / (to - from), level = levelFor(signal, 1 / per);
  let before = null;
  for (let j = 0; j < Math.ceil(width); j++) {
    const t = from + j / per, a = Math.max(Math.floor(t / level.step + 1e-9), 0);
    const b = Math.min(Math.max(a + 1, Math.ceil((t + 1 / per) / level.step - 1e-9)), level.n);
    let least = 256, most = -1;
    for (let i = a; i < b; i++) {
      if (level.min[i] === NONE) continue;
      least = Math.min(least, level.min[i]);
      most = Math.max(most, level.max[i]);
    }
    if (most < 0) { before = null; continue; }
    let top = y(most), bottom = y(least);
    if (before) { top = Math.min(top, before[1]); bottom = Math.max(bottom, before[0]); }
    ctx.fillStyle = withAlpha(colour, STRENGTHS[gradeAt(signal, t)]);
    ctx.fillRect(j, top - 0.6, 1, Math.max(bottom - top, 0) + 1.2);
    before = [y(most), y(least)];
  }
}

function paintLine(ctx, signal, view, colour, y) {
  const { from, to, width } = view, per = width / (to - from);
  const first = Math.max(Math.floor(from / signal.step) - 1, 0), last = Math.min(Math.ceil(to / signal.step) + 1, signal.n - 1);
  ctx.lineWidth = 1.4;
  ctx.lineJoin = "round";
  let pen = false, grade = -1;
  const end = () => { if (pen) ctx.stroke(); pen = false; };
  for (let i = first; i <= last; i++) {
    if (signal.min[i] === NONE) { end(); continue; }
    const t = i * signal.step, x = (t - from) * per, now = gradeAt(signal, t);
    if (!pen || now !== grade) {
      const back = pen;
      end();
      ctx.strokeStyle = withAlpha(colour, STRENGTHS[now]);
      ctx.setLineDash(now === 0 ? [4, 2.5] : []);
      ctx.beginPath();
      ctx.moveTo(back ? x - per * signal.step : x, y(signal.max[back ? i - 1 : i]));
      pen = true;
      grade = now;
    }
    ctx.lineTo(x, y(signal.min[i]));
    if (signal.max[i] !== signal.min[i]) ctx.lineTo(x, y(signal.max[i]));
  }
  end();
  ctx.setLineDash([]);
}

/** Beats as dots and responses as triangles above the line; where they would touch, ticks say how dense they are. */
function paintMarks(ctx, signal, view, colour) {
  if (!signal.marks) return;
  const { from, to, width } = view, per = width / (to - from), times = marksIn(signal, from, to);
  if (signal.wave && times.length > width / 6) return;
  ctx.fillStyle = signal.wave ? colour : sheet.ink2;
  const close = times.length > width / 10;
  for (const t of times) {
    const x = (t - from) * per;
    ctx.beginPath();
    if (close) ctx.rect(x - 0.5, 0, 1, 6);
    else if (signal.wave) ctx.arc(x, 4, 2.2, 0, 7);
    else { ctx.moveTo(x - 3.5, 0); ctx.lineTo(x + 3.5, 0); ctx.lineTo(x, 6); ctx.closePath(); }
    ctx.fill();
  }
}

const signalNumber = (signal, x) => (signal.low < 0 && !signal.wave ? signed(x).replace(/\.\d+$/, "") : x.toFixed(signal.digits));
const signalLevel = (signal, columnOf, k) => signal.low + (columnOf[k] / 250) * (signal.high - signal.low);
/** "beats per minute" beside a row's name is "/min" beside a number. */
const shortUnit = (signal) => ({ "beats per minute": "/min", "breaths per minute": "/min", "conductance, µS": "µS", "of the skin, °C": "°C" })[signal.unit] ?? signal.unit;

/** What a signal's row says at a moment: the value, or why there is none; how many marks the window holds. */
function signalValue(signal, t) {
  const k = clamp(Math.floor(t / signal.step + 1e-6), 0, signal.n - 1), gap = gapAt(signal.gaps, t);
  const marks = !signal.wave && signal.marks ? plural(marksIn(signal, state.from, windowEnd()).length, signal.marks.name) : "";
  const rest = marks ? [["span", `▾ ${marks}`]] : [];
  // A gap of the signal may be hidden by a value that holds; a cell without one says why.
  if (signal.min[k] === NONE) return [["span", gap ? gap.why : "not told"], ...rest];
  if (signal.wave) return rest.length ? rest : [["span", gradeAt(signal, t) === 2 ? "good signal" : gradeAt(signal, t) ? "fair signal" : "poor signal"]];
  const least = signalNumber(signal, signalLevel(signal, signal.min, k)), most = signalNumber(signal, signalLevel(signal, signal.max, k));
  const text = least === most || signal.track === "voice.activity" ? most : `${least} to ${most}`;
  return [["b", `${text}${NBSP}${shortUnit(signal)}`], ...rest];
}
