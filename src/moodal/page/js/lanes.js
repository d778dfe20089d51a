// Painters: each draws one track of one subject for one window into a context. None knows the page around it.

/** The fused answer's gaps in a window, at least 2 px wide, with words inside where they fit. */
function paintGaps(ctx, view, list, text) {
  const { from, to, width, height } = view, per = width / (to - from);
  let drawn = -1;
  for (const gap of list) {
    if (gap.end <= from) continue;
    if (gap.start >= to) break;
    const x0 = Math.max(0, (gap.start - from) * per), x1 = Math.min(width, (gap.end - from) * per);
    if (x1 <= drawn) continue;
    hatch(ctx, x0, x1, 0, height, text === undefined ? "" : typeof text === "string" ? text : text(gap));
    drawn = Math.max(x1, x0 + 2);
  }
}

/** Words of a label set into a block: in full, on two lines, shortened, or the number of labels. */
function setWords(ctx, labels, x0, x1, height, colour, slim) {
  const left = Math.max(x0, 0) + 7, room = x1 - left - 5, line = 13 * sheet.rem;
  font(ctx);
  ctx.fillStyle = colour;
  ctx.textAlign = "left";
  const fits = (lines) => lines.every((l) => ctx.measureText(l).width <= room);
  const put = (lines) => lines.forEach((l, i) => ctx.fillText(l, left, height / 2 + (i - (lines.length - 1) / 2) * line + 0.5));
  const many = labels.length > 3, whole = setText(labels);
  if (fits([whole])) return put([whole]);
  const tall = height >= 30 * sheet.rem;
  if (!many && tall && labels.length === 2 && fits([labels[0], `or ${labels[1]}`])) return put([labels[0], `or ${labels[1]}`]);
  const short = labels.map(shortLabel);
  if (!many && (labels.length === 1 || (tall && height >= labels.length * 11 * sheet.rem)) && room + 3 >= Math.max(...short.map((l) => ctx.measureText(l).width))) {
    const middle = (Math.max(x0, 0) + x1) / 2, gap = labels.length > 2 ? 11 * sheet.rem : line;
    ctx.textAlign = "center";
    short.forEach((l, i) => ctx.fillText(l, middle, height / 2 + (i - (labels.length - 1) / 2) * gap + 0.5));
    ctx.textAlign = "left";
    return undefined;
  }
  const number = String(labels.length);
  if (ctx.measureText(number).width + 4 <= x1 - Math.max(x0, 0)) {
    ctx.textAlign = "center";
    ctx.fillText(number, (Math.max(x0, 0) + x1) / 2, height / 2 + 0.5);
    ctx.textAlign = "left";
  }
  return undefined;
}

/** Codes of a lane in which arousal alone is told, beside label sets, told without labels (-1) and not told (-2). */
const SIDES = { about: -3, above: -4, below: -5 };

/** Label-set lane: strength is the size of the set; sets of two and more have an edge. */
function paintLane(ctx, s, view, slim = false) {
  const { width, height } = view, list = slots(s, view.from, view.to, width);
  for (const [mask, x0, x1, first] of runs(list, (i) => (s.size[i] ? s.mask[i] : s.told[i] ? SIDES[sideAt(s, i)] ?? -1 : -2))) {
    if (mask === -2) continue;
    const side = mask < -2 ? Object.keys(SIDES).find((name) => SIDES[name] === mask) : "";
    const size = side ? (side === "about" ? 2 : 1) : mask === -1 ? 9 : s.size[list.rep[first]];
    ctx.fillStyle = withAlpha(hue(s.index), strength(size));
    ctx.fillRect(x0, 0, x1 - x0, height);
    if (size > 1 && x1 - x0 >= 3) {
      ctx.strokeStyle = withAlpha(hue(s.index), sheet.edge);
      ctx.lineWidth = 1;
      ctx.strokeRect(x0 + 0.5, 0.5, x1 - x0 - 1, height - 1);
    } else if (size > 1) {
      // Too narrow for an edge of its own: the edge runs along the top and the bottom.
      ctx.fillStyle = withAlpha(hue(s.index), sheet.edge);
      ctx.fillRect(x0, 0, x1 - x0, 1);
      ctx.fillRect(x0, height - 1, x1 - x0, 1);
    } else if (x1 - x0 >= 3) {
      ctx.fillStyle = sheet.paper;
      ctx.fillRect(x1 - 0.5, 0, 0.5, height);
    }
    if (side) {
      const text = [`${side} this person’s baseline`, `${side} baseline`, side].find((x) => 6.4 * sheet.rem * x.length < x1 - Math.max(x0, 0) - 12);
      if (text) setWords(ctx, [text], x0, x1, height, size === 1 ? sheet.paper : sheet.ink, slim);
    } else if (mask === -1) { if (x1 - x0 > 90) setWords(ctx, ["label not told"], x0, x1, height, sheet.ink, slim); }
    else if (x1 - Math.max(x0, 0) > 9) {
      const labels = labelsAt(s, list.rep[first]).map(([name]) => name);
      setWords(ctx, labels, x0, x1, height, size === 1 ? sheet.paper : sheet.ink, slim);
    }
  }
  paintGaps(ctx, view, s.gaps.all, "we cannot tell");
  if (!s.seen && !DATA.still) {
    ctx.strokeStyle = hue(s.index);
    ctx.lineWidth = 1;
    ctx.setLineDash([4, 3]);
    ctx.strokeRect(0.5, 0.5, width - 1, height - 1);
    ctx.setLineDash([]);
  }
}

/** One row a class, strength by score; a pixel shows the least sure cell in it. */
function paintClasses(ctx, s, view) {
  const { width, height } = view, row = height / K, list = slots(s, view.from, view.to, width);
  for (let c = 0; c < K; c++) {
    const y = c * row;
    ctx.fillStyle = sheet.line;
    ctx.fillRect(0, Math.round(y + row) - 1, width, 1);
    for (const [alpha, x0, x1] of runs(list, (i) => (s.size[i] ? scoreStrength(s.scores[c][i]) : 0))) {
      if (!alpha) continue;
      ctx.fillStyle = withAlpha(hue(s.index), alpha);
      ctx.fillRect(x0, y + 1, x1 - x0, row - 2);
    }
  }
  paintGaps(ctx, view, s.gaps.all);
}

/** Valence or arousal, −1 to +1 always: a line over its band, the line thinner where the signal is poorer. */
function paintDimension(ctx, s, view, name) {
  const { width, height } = view, list = slots(s, view.from, view.to, width);
  const [v, lo, hi] = s[name], y = (x) => height / 2 - (x * (height - 4)) / 2;
  ctx.fillStyle = sheet.line;
  ctx.fillRect(0, 0, width, 1);
  ctx.fillRect(0, height - 1, width, 1);
  ctx.fillStyle = sheet.hatch;
  ctx.fillRect(0, Math.round(height / 2) - 0.5, width, 1);
  for (const [grade, , , first, last] of runs(list, (i) => (v[i] ? grade3(s.quality[i]) : 0))) {
    if (!grade) continue;
    const points = [];
    for (let j = first; j <= last; j++) {
      let least = 255, most = 0, low = 255, high = 0;
      for (let i = list.a[j]; i < list.b[j]; i++) {
        if (!v[i]) continue;
        least = Math.min(least, v[i]); most = Math.max(most, v[i]);
        low = Math.min(low, lo[i]); high = Math.max(high, hi[i]);
      }
      const levels = [y(value([least], 0)), y(value([most], 0)), y(value([low], 0)), y(value([high], 0))];
    // Sentences have no time between them: the line steps. Elsewhere it runs from one cell's middle to the next.
    if (ordered()) points.push([list.x0[j], list.x0[j], ...levels], [list.x1[j], list.x1[j], ...levels]);
    else points.push([list.x0[j], list.x1[j], ...levels]);
    }
    band(ctx, s, points, grade, checked(name));
  }
  if (s.has[name]) paintGaps(ctx, view, untold(s, name));
}

const grade3 = (quality) => (quality >= 66 ? 3 : quality >= 33 ? 2 : 1);

function band(ctx, s, points, grade, sure) {
  const colour = hue(s.index), middle = (p) => (p[0] + p[1]) / 2;
  const start = points[0][0], end = points[points.length - 1][1];
  const edge = (k) => {
    ctx.lineTo(start, points[0][k]);
    for (const p of points) ctx.lineTo(middle(p), p[k]);
    ctx.lineTo(end, points[points.length - 1][k]);
  };
  ctx.beginPath();
  edge(5);
  for (let j = points.length - 1; j >= 0; j--) {
    if (j === points.length - 1) ctx.lineTo(end, points[j][4]);
    ctx.lineTo(middle(points[j]), points[j][4]);
  }
  ctx.lineTo(start, points[0][4]);
  ctx.closePath();
  ctx.fillStyle = withAlpha(colour, 0.2);
  ctx.fill();
  if (!sure) {
    ctx.strokeStyle = withAlpha(colour, 0.72);
    ctx.lineWidth = 0.75;
    ctx.setLineDash([3, 3]);
    for (const k of [4, 5]) { ctx.beginPath(); edge(k); ctx.stroke(); }
    ctx.setLineDash([]);
  }
  ctx.strokeStyle = ctx.fillStyle = colour;
  ctx.lineJoin = "round";
  ctx.lineWidth = [0, 1.3, 1.6, 2][grade];
  ctx.setLineDash(grade === 1 ? [4, 2.5] : []);
  ctx.beginPath();
  ctx.moveTo(start, (points[0][2] + points[0][3]) / 2);
  for (const p of points) {
    ctx.lineTo(middle(p), p[2]);
    if (p[3] !== p[2]) ctx.lineTo(middle(p), p[3]);
  }
  ctx.lineTo(end, (points[points.length - 1][2] + points[points.length - 1][3]) / 2);
  ctx.stroke();
  ctx.setLineDash([]);
}

/** Stretches without this number: the answer's gaps, and where only this one is withheld. */
function untold(s, name) {
  s.untold = s.untold || {};
  if (!s.untold[name]) {
    const found = [], v = s[name][0];
    for (let i = 0; i < s.n; i++) {
      if (v[i]) continue;
      const start = i * DATA.step, end = i === s.n - 1 ? DATA.duration : (i + 1) * DATA.step, last = found[found.length - 1];
      if (last && Math.abs(last.end - start) < 1e-6) last.end = end;
      else found.push({ start, end, all: false, m: -1, s: s.index, why: `${name} is not told` });
    }
    for (const gap of found) {
      const same = gapAt(s.gaps.all, (gap.start + gap.end) / 2);
      if (same) gap.why = `we cannot tell: ${same.why}`;
    }
    s.untold[name] = found;
  }
  return s.untold[name];
}

/** How much of the answer rests on one modality: height is weight, dashed is a poor signal. */
function paintSupport(ctx, s, view, m) {
  const { width, height } = view, list = slots(s, view.from, view.to, width), weights = s.support[m];
  paintGaps(ctx, view, s.gaps[m], (gap) => gap.why);
  const colour = hue(s.index), tall = height - 4;
  const points = [];
  for (let j = 0; j < list.n; j++) {
    let sum = 0, told = 0, quality = 100;
    for (let i = list.a[j]; i < list.b[j]; i++) {
      if (!weights[i] || weights[i] > 100) continue;
      sum += weights[i];
      told++;
      quality = Math.min(quality, s.qualities[m][i]);
    }
    points.push(told ? [(sum / told / 100) * tall, quality < 33 ? 1 : 2] : [0, 0]);
  }
  ctx.fillStyle = withAlpha(colour, 0.5);
  for (let j = 0; j < list.n; j++) {
    if (!points[j][0]) continue;
    // From the left edge of this slot to that of the next, so that no seam shines through.
    let end = j;
    while (end + 1 < list.n && points[end + 1][0] === points[j][0]) end++;
    const x0 = list.x0[j], x1 = list.x1[end];
    ctx.fillRect(x0, height - points[j][0], x1 - x0, points[j][0]);
    j = end;
  }
  ctx.strokeStyle = colour;
  ctx.lineWidth = 1;
  ctx.setLineDash([3, 3]);
  ctx.beginPath();
  let pen = false;
  for (let j = 0; j < list.n; j++) {
    if (points[j][1] !== 1) { pen = false; continue; }
    const y = height - points[j][0];
    if (!pen) ctx.moveTo(list.x0[j], y);
    ctx.lineTo(list.x1[j], y);
    pen = true;
  }
  ctx.stroke();
  ctx.setLineDash([]);
}
