// This view as a PNG: sentence, key, tracks and footer, drawn from what stands on the page. The recording's
// own pictures are left out: a face leaves the page only if somebody asks for it.

async function savePicture() {
  const parts = ["story", "record", "now", "plane", "transport", "tracks"].map($).concat(document.querySelector(".foot"), document.querySelector(".mast"));
  const visible = parts.filter((p) => p && p.getClientRects().length);
  const left = 0, width = document.documentElement.clientWidth;
  const rects = visible.map((p) => p.getBoundingClientRect());
  const top = Math.min(...rects.map((r) => r.top)), foot = document.querySelector(".foot").getBoundingClientRect();
  const lists = $("lists").getBoundingClientRect(), cut = Math.max(0, foot.top - lists.top);
  const height = foot.bottom - top - cut + 24, ratio = Math.min(2, 8000 / height);
  const canvas = document.createElement("canvas"), ctx = context(canvas, width, height, ratio);
  ctx.fillStyle = sheet.paper;
  ctx.fillRect(0, 0, width, height);
  for (const part of visible) {
    ctx.save();
    ctx.translate(-left, -top - (part.classList.contains("foot") ? cut : 0));
    drawNode(ctx, part);
    ctx.restore();
  }
  canvas.toBlob((blob) => { if (blob) offer(blob, "view.png"); }, "image/png");
}

const solid = (colour) => colour && colour !== "transparent" && !/, 0\)$/.test(colour);

/** An element and what is in it: fills, lines, canvases, shapes and words. */
function drawNode(ctx, node) {
  const css = getComputedStyle(node), box = node.getBoundingClientRect();
  if (css.display === "none" || css.visibility === "hidden" || node.classList.contains("unseen") || node.tagName === "VIDEO" || node.tagName === "IMG") return;
  ctx.globalAlpha = Number(css.opacity);
  if (node.classList.contains("play")) return;
  if (css.backgroundImage !== "none") {
    ctx.fillStyle = hatchPattern(ctx);
    ctx.fillRect(box.left, box.top, box.width, box.height);
  } else if (solid(css.backgroundColor)) { ctx.fillStyle = css.backgroundColor; ctx.fillRect(box.left, box.top, box.width, box.height); }
  for (const [side, x, y, w, h] of [["Top", box.left, box.top, box.width, 1], ["Bottom", box.left, box.bottom, box.width, -1], ["Left", box.left, box.top, 1, box.height], ["Right", box.right, box.top, -1, box.height]]) {
    const thick = parseFloat(css[`border${side}Width`]);
    if (!thick || css[`border${side}Style`] === "none" || !solid(css[`border${side}Color`])) continue;
    ctx.fillStyle = css[`border${side}Color`];
    ctx.fillRect(x, y, Math.abs(w) === 1 ? w * thick : w, Math.abs(h) === 1 ? h * thick : h);
  }
  if (node.tagName === "CANVAS") { if (box.width && box.height) ctx.drawImage(node, box.left, box.top, box.width, box.height); return; }
  if (node.classList.contains("mark")) {
    const index = [0, 1, 2, 3].findIndex((i) => node.classList.contains(`s${i}`)), hollow = node.classList.contains("hollow");
    shapeAt(ctx, index + (hollow ? 4 : 0), box.left + box.width / 2, box.top + box.height / 2, box.width * 0.36);
    return;
  }
  const clipped = css.overflowX === "hidden" || css.overflowX === "clip";
  if (clipped) { ctx.save(); ctx.beginPath(); ctx.rect(box.left, box.top, box.width, box.height); ctx.clip(); }
  for (const child of node.childNodes) {
    if (child.nodeType === Node.TEXT_NODE) drawText(ctx, child, css);
    else if (child.nodeType === Node.ELEMENT_NODE) drawNode(ctx, child);
  }
  if (clipped) ctx.restore();
}

function drawText(ctx, node, css) {
  const range = document.createRange();
  ctx.font = `${css.fontStyle} ${css.fontWeight} ${css.fontSize} ${css.fontFamily}`;
  ctx.fillStyle = css.color;
  ctx.textBaseline = "alphabetic";
  ctx.textAlign = "left";
  for (const match of node.data.matchAll(/\S+/g)) {
    range.setStart(node, match.index);
    range.setEnd(node, match.index + match[0].length);
    const box = range.getClientRects()[0];
    if (!box || !box.width) continue;
    const m = ctx.measureText(match[0]), up = m.fontBoundingBoxAscent, down = m.fontBoundingBoxDescent;
    ctx.fillText(match[0], box.left, box.top + (box.height - up - down) / 2 + up);
  }
}
