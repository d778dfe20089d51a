// Colours from the stylesheet, canvases in device pixels, hatching, text that fits.

const sheet = { hues: [], fills: [] };

/** Read the stylesheet's colours; `light` forces the light set (print). */
function readColours(light = false) {
  const root = document.documentElement, before = root.dataset.theme;
  if (light) root.dataset.theme = "light";
  const css = getComputedStyle(root), get = (name) => css.getPropertyValue(name).trim();
  for (const name of ["paper", "rail", "ink", "ink2", "ink3", "hatch", "line"]) sheet[name] = get(`--${name}`);
  sheet.hues = [1, 2, 3, 4].map((i) => get(`--p${i}`));
  sheet.fills = [1, 2, 3, 4].map((i) => Number(get(`--set${i}`)));
  sheet.edge = Number(get("--edge"));
  sheet.font = getComputedStyle(document.body).fontFamily;
  sheet.rem = rem();
  sheet.rule = forcedColours() ? "CanvasText" : null;
  if (light) { if (before) root.dataset.theme = before; else delete root.dataset.theme; }
  sheet.hatching = null;
}

const forcedColours = () => matchMedia("(forced-colors: active)").matches;
const hue = (index) => sheet.hues[index % 4];

function withAlpha(colour, alpha) {
  const n = parseInt(colour.slice(1), 16);
  return Number.isNaN(n) ? colour : `rgba(${n >> 16},${(n >> 8) & 255},${n & 255},${alpha})`;
}

/** A canvas's context scaled so that one unit is one CSS pixel; cleared. */
function context(canvas, width, height, ratio = window.devicePixelRatio || 1) {
  const w = Math.max(1, Math.round(width * ratio)), h = Math.max(1, Math.round(height * ratio));
  if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
  const ctx = canvas.getContext("2d");
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.clearRect(0, 0, width, height);
  return ctx;
}

function font(ctx, size = 11, weight = 400) {
  ctx.font = `${weight} ${size * sheet.rem}px ${sheet.font}`;
  ctx.textBaseline = "middle";
}

function hatchPattern(ctx) {
  const scale = ctx.getTransform().a;
  if (!sheet.hatching || sheet.hatchScale !== scale) {
    const side = Math.round(6 * Math.SQRT2 * scale), tile = document.createElement("canvas");
    tile.width = tile.height = side;
    const c = tile.getContext("2d");
    c.fillStyle = sheet.rail;
    c.fillRect(0, 0, side, side);
    c.strokeStyle = sheet.hatch;
    c.lineWidth = scale;
    c.beginPath();
    for (const shift of [-side, 0, side]) { c.moveTo(shift, side); c.lineTo(shift + side, 0); }
    c.stroke();
    sheet.hatching = tile;
    sheet.hatchScale = scale;
  }
  const pattern = ctx.createPattern(sheet.hatching, "repeat");
  pattern.setTransform(new DOMMatrix([1 / scale, 0, 0, 1 / scale, 0, 0]));
  return pattern;
}

/** Hatching over `[x0, x1)`, never narrower than 2 px, with its reason inside where it fits. */
function hatch(ctx, x0, x1, y, height, text = "") {
  const width = Math.max(x1 - x0, 2);
  ctx.fillStyle = hatchPattern(ctx);
  ctx.fillRect(x0, y, width, height);
  if (text) label(ctx, text, x0, x0 + width, y + height / 2, sheet.ink2);
}

/** Words on a patch of paper in the middle of what can be seen of a stretch. */
function label(ctx, text, x0, x1, y, colour) {
  font(ctx);
  const left = Math.max(x0, 0), right = Math.min(x1, ctx.canvas.width / ctx.getTransform().a);
  const wide = ctx.measureText(text).width;
  if (wide + 14 > right - left) return false;
  const middle = (left + right) / 2, tall = 15 * sheet.rem;
  ctx.fillStyle = sheet.paper;
  ctx.fillRect(middle - wide / 2 - 4, y - tall / 2, wide + 8, tall);
  ctx.fillStyle = colour;
  ctx.textAlign = "center";
  ctx.fillText(text, middle, y + 0.5);
  ctx.textAlign = "left";
  return true;
}

const strength = (size) => sheet.fills[Math.min(Math.max(size, 1), 4) - 1];
const STEPS = [[85, 0.95], [65, 0.72], [35, 0.5], [15, 0.28], [5, 0.12]];
const scoreStrength = (hundredths) => { for (const [from, alpha] of STEPS) if (hundredths >= from) return alpha; return 0; };

/**
 * What each pixel of a window shows of a subject: the cells it covers and the least sure of them.
 * Zoomed in, one slot a cell; zoomed out, one a pixel.
 */
function slots(s, from, to, width) {
  const key = `${from}:${to}:${width}`;
  if (s.slotKey === key) return s.slotCache;
  const per = width / (to - from), step = DATA.step;
  const first = cellAt(s, from), last = Math.min(s.n, Math.ceil(to / step - 1e-6));
  const cells = Math.max(1, last - first), perPixel = cells > width;
  const n = perPixel ? Math.ceil(width) : cells;
  const x0 = new Float32Array(n), x1 = new Float32Array(n), a = new Uint32Array(n), b = new Uint32Array(n);
  const rep = new Uint32Array(n);
  for (let j = 0; j < n; j++) {
    if (perPixel) {
      x0[j] = j; x1[j] = Math.min(j + 1, width);
      a[j] = clamp(Math.floor((from + j / per) / step + 1e-6), 0, s.n - 1);
      b[j] = clamp(Math.ceil((from + (j + 1) / per) / step - 1e-6), a[j] + 1, s.n);
    } else {
      const i = first + j;
      x0[j] = (i * step - from) * per;
      x1[j] = (Math.min(i === s.n - 1 ? DATA.duration : (i + 1) * step, DATA.duration) - from) * per;
      a[j] = i; b[j] = i + 1;
    }
    let worst = a[j], least = -1;
    for (let i = a[j]; i < b[j]; i++) {
      const unsure = s.told[i] ? s.size[i] : 254;
      if (unsure > least) { least = unsure; worst = i; }
    }
    rep[j] = worst;
  }
  s.slotKey = key;
  s.slotCache = { n, x0, x1, a, b, rep, per };
  return s.slotCache;
}

/** Runs of slots of one kind: `kind(cell)` → any comparable; `[kind, x0, x1, firstSlot, lastSlot]`. */
function runs(list, kind) {
  const found = [];
  for (let j = 0; j < list.n; j++) {
    const k = kind(list.rep[j], j), last = found[found.length - 1];
    if (last && last[0] === k) { last[2] = list.x1[j]; last[4] = j; } else found.push([k, list.x0[j], list.x1[j], j, j]);
  }
  return found;
}
