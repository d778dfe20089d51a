// The whole recording above, the window's ruler below it, and the wedge that joins them.

const NICE = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600];

function tickStep(span, width, least) {
  const wanted = (span * least) / width;
  if (ordered()) return Math.max(1, Math.ceil(wanted));
  return NICE.find((s) => s >= wanted) || Math.ceil(wanted / 21600) * 21600;
}

function tickText(t, step) {
  if (ordered()) return String(Math.round(t) + 1);
  return clockText(t + 1e-6, step < 1 ? 1 : 0);
}

/** Ticks and times of a window; a label is left out where it would be cut or meet the next. */
function paintRuler(ctx, view, { ticks = true, short = false } = {}) {
  const { from, to, width, height } = view, per = width / (to - from);
  const step = tickStep(to - from, width, 76 * sheet.rem), first = Math.ceil(from / step - 1e-6) * step;
  font(ctx);
  let free = -1e9;
  for (let k = 0; first + k * step <= to + 1e-6; k++) {
    const t = first + k * step, x = (t - from) * per;
    if (ordered() && t >= DATA.duration - 1e-6) break;
    const minutes = short && step >= 60 && !ordered();
    const unit = minutes && k === 0 ? ` min` : "";
    const text = minutes && to < 36000 ? `${Math.round(t / 60)}${unit}` : tickText(t, step);
    const wide = ctx.measureText(text).width;
    const left = clamp(x - (ticks ? wide / 2 : 0), ticks ? 4 : 0, width - wide - (ticks ? 4 : 0));
    if (ticks) { ctx.fillStyle = sheet.hatch; ctx.fillRect(Math.min(Math.round(x), width - 1), height - 6, 1, 6); }
    if (left < free) continue;
    ctx.fillStyle = sheet.ink3;
    ctx.fillText(text, left, ticks ? height / 2 - 2 : height / 2);
    free = left + wide + 12;
  }
}

/**
 * One subject's whole recording: valence as an area from zero (arousal where valence is not told), strong
 * where the interval leaves out zero; the size of the label set where neither is told.
 */
function paintOverview(ctx, s, view) {
  const { width, height } = view, list = slots(s, view.from, view.to, width);
  const name = s.has.valence ? "valence" : s.has.arousal ? "arousal" : null;
  const lane = Math.min(34 * sheet.rem, height - 6), top = (height - lane) / 2, zero = height / 2;
  ctx.save();
  ctx.translate(0, top);
  if (name) {
    const [v, lo, hi] = s[name];
    for (let j = 0; j < list.n; j++) {
      let least = 256, most = -1, low = 256, high = -1, gone = false;
      for (let i = list.a[j]; i < list.b[j]; i++) {
        if (!v[i]) { gone = true; continue; }
        least = Math.min(least, v[i]); most = Math.max(most, v[i]);
        low = Math.min(low, lo[i]); high = Math.max(high, hi[i]);
      }
      if (gone || most < 0) continue;
      // Of the values in a pixel the one nearest to zero: the area never promises more than the detail.
      const near = least > 128 ? least : most < 128 ? most : 128, sure = low > 128 || high < 128;
      const tall = Math.max(Math.abs(value([near], 0)) * (lane / 2), 0.75);
      ctx.fillStyle = withAlpha(hue(s.index), sure ? 0.72 : 0.3);
      ctx.fillRect(list.x0[j], near >= 128 ? lane / 2 - tall : lane / 2, list.x1[j] - list.x0[j], tall);
    }
    ctx.fillStyle = sheet.hatch;
    ctx.fillRect(0, Math.round(lane / 2) - 0.5, width, 1);
  } else {
    for (const [size, x0, x1] of runs(list, (i) => s.size[i])) {
      if (!size) continue;
      ctx.fillStyle = withAlpha(hue(s.index), strength(size));
      ctx.fillRect(x0, lane * 0.04, x1 - x0, lane * 0.46);  // the names of states stand below
    }
  }
  paintGaps(ctx, { ...view, height: lane }, s.gaps.all);
  ctx.restore();
  overviewWords(ctx, s, view, zero, lane);
}

/** The long, sure stretches by name, on the side of zero that the area leaves free. */
function overviewWords(ctx, s, view, zero, lane) {
  const summary = SUMMARY.subjects[s.index], per = view.width / (view.to - view.from);
  font(ctx);
  ctx.fillStyle = sheet.ink2;
  ctx.textAlign = "center";
  let free = [-1e9, -1e9];
  for (const [start, end, labels, above] of stretchesOf(summary)) {
    const x0 = (start - view.from) * per, x1 = (end - view.from) * per, text = setText(labels);
    const wide = ctx.measureText(text).width, side = above ? 1 : 0;
    if (wide + 8 > x1 - x0 || x0 < free[side]) continue;
    ctx.fillText(text, (x0 + x1) / 2, above ? zero + lane * 0.27 : zero - lane * 0.27);
    free[side] = x1;
  }
  ctx.textAlign = "left";
}

/** Neighbouring segments of one small label set joined: start, end, labels, whether valence is above zero. */
function stretchesOf(summary) {
  if (summary.stretches) return summary.stretches;
  const found = [];
  for (const segment of summary.segments) {
    const key = [...segment.label_set].sort().join(), last = found[found.length - 1];
    const side = segment.valence.value === null ? segment.arousal.value : segment.valence.value;
    if (last && last[4] === key && Math.abs(last[1] - segment.start_s) < 1e-3) last[1] = segment.end_s;
    else found.push([segment.start_s, segment.end_s, segment.label_set, (side || 0) >= 0, key]);
  }
  summary.stretches = found.filter(([, , labels]) => labels.length && labels.length < 4);
  return summary.stretches;
}

/** The pale wedge between the window's box in the overview and the detail's full width. */
function paintWedge(ctx, width, height) {
  const x0 = (state.from / DATA.duration) * width, x1 = (windowEnd() / DATA.duration) * width;
  ctx.beginPath();
  ctx.moveTo(x0, 0);
  ctx.lineTo(x1, 0);
  ctx.lineTo(width, height);
  ctx.lineTo(0, height);
  ctx.closePath();
  ctx.fillStyle = sheet.rail;
  ctx.fill();
  ctx.strokeStyle = sheet.line;
  ctx.lineWidth = 1;
  ctx.beginPath();
  ctx.moveTo(x0, 0); ctx.lineTo(0, height);
  ctx.moveTo(x1, 0); ctx.lineTo(width, height);
  ctx.stroke();
}
