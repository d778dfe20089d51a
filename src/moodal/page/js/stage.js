// The record itself: picture, sound as a wave, or text; where it cannot be played, how to choose it.

const record = { media: null, frame: null, url: null, broken: null };

const MIME = {
  h264: 'video/mp4; codecs="avc1.42E01E"', hevc: 'video/mp4; codecs="hvc1.1.6.L93.B0"', av1: 'video/mp4; codecs="av01.0.04M.08"',
  vp9: 'video/webm; codecs="vp09.00.10.08"', vp8: 'video/webm; codecs="vp8"', mpeg4: 'video/mp4; codecs="mp4v.20.9"',
  aac: 'audio/mp4; codecs="mp4a.40.2"', mp3: "audio/mpeg", opus: 'audio/ogg; codecs="opus"', vorbis: 'audio/ogg; codecs="vorbis"', flac: "audio/flac",
};
const NEVER = /^(mpeg[12]video|mjpeg|prores|dnxhd|wmv\d?|wmav\d|rawvideo|ac3|eac3|dts|ffv1|theora|msmpeg4.*|flv1|h263.*|cinepak)$/;

/** Whether this browser says that it knows the codec; unknown names are given the benefit of the doubt. */
function playable(codec, kind) {
  if (!codec || kind === "image") return true;
  if (NEVER.test(codec)) return false;
  return !MIME[codec] || document.createElement(kind === "audio" ? "audio" : "video").canPlayType(MIME[codec]) !== "";
}

function buildStage() {
  const { kind, url } = DATA.media;
  record.wave = DATA.signals.find((x) => x.track === "voice.activity");
  record.frame = el("div", { class: `frame ${kind || "text"}` });
  fill($("record"), record.frame);
  if (kind === "signal") {
    record.signal = DATA.signals.find((x) => x.wave) || DATA.signals.find((x) => x.track === "body.heart") || DATA.signals.find((x) => x.row);
    record.waveCanvas = el("canvas", { role: "img", "aria-label": `${record.signal.name} around the cursor` });
    record.waveNote = el("span", { class: "wavenote" });
    record.frame.append(record.waveCanvas, record.waveNote);
    return;
  }
  if (!kind) {
    record.lines = el("div", { class: "textrecord", tabindex: 0, role: "region", "aria-label": "The text" });
    record.frame.append(record.lines);
    return;
  }
  if (kind === "image") record.media = el("img", { alt: `The picture ${DATA.recording}` });
  else record.media = el(kind, { preload: "auto", playsinline: true, tabindex: -1 });
  record.message = el("div", { class: "message", hidden: true });
  record.boxes = DATA.subjects.map((s) => {
    const name = el("span", { class: "tag" });
    const node = el("div", { class: `box s${s.index % 4}`, hidden: true }, name, ["a", "b", "c", "d"].map((c) => el("i", { class: c })));
    return { s, node, name };
  });
  record.layer = el("div", { class: "layer", "aria-hidden": "true" }, record.boxes.map((b) => b.node));
  record.hiddenText = el("p", { class: "message hiddenpicture", hidden: true }, "Picture hidden.");
  record.close = el("button", { type: "button", class: "closedock", "aria-label": "Close the small picture", onclick: closeDock }, "×");
  if (kind === "audio") {
    record.waveCanvas = el("canvas", { role: "img", "aria-label": "Sound level around the cursor" });
    record.waveNote = el("span", { class: "wavenote" });
    record.frame.append(record.waveCanvas, record.waveNote);
  }
  record.frame.append(record.media, record.layer, record.hiddenText, record.message, record.close);
  record.media.addEventListener("error", () => broken());
  if (kind === "image") record.media.addEventListener("load", placeBoxes);
  else {
    record.media.addEventListener("loadedmetadata", () => {
      if (kind === "video" && !record.media.videoWidth) return broken("video");
      record.broken = null;
      record.message.hidden = true;
      record.media.currentTime = Math.min(state.t, Math.max(0, record.media.duration - 0.01));
      record.frame.classList.add("ready");
      placeBoxes();
      return undefined;
    });
    record.media.addEventListener("ended", () => { if (state.playing) { stop(); seek(DATA.duration); } });
  }
  if (url) record.media.src = url; else broken();
}

/** The recording cannot be shown: say which of the two it is, and offer to choose the file. */
function broken(part) {
  const { kind, codec } = DATA.media, unknown = part === "video" || !playable(codec, kind) || record.chosen;
  record.broken = unknown ? "format" : "absent";
  const file = el("input", { type: "file", class: "unseen", tabindex: -1, "aria-hidden": "true", accept: kind === "image" ? "image/*" : "video/*,audio/*" });
  file.addEventListener("change", () => { if (file.files[0]) useFile(file.files[0]); });
  const button = el("button", { type: "button", class: "plainbutton", onclick: () => file.click() }, "Choose the file");
  const text = unknown
    ? [el("p", {}, `This browser cannot play ${record.chosen || DATA.recording}${codec ? ` (${codec.toUpperCase()})` : ""}. Make a copy it can play, and choose that:`),
      el("code", {}, kind === "audio" ? "ffmpeg -i FILE -c:a aac COPY.m4a" : "ffmpeg -i FILE -c:v libx264 -c:a aac COPY.mp4")]
    : [el("p", {}, `${DATA.recording} is not beside this page. Put it there or choose it.`)];
  fill(record.message, text, button, file);
  record.message.hidden = false;
  record.frame.classList.remove("ready");
  stop();
}

function useFile(file) {
  if (record.url) URL.revokeObjectURL(record.url);
  record.url = URL.createObjectURL(file);
  record.chosen = file.name;
  record.broken = null;
  record.message.hidden = true;
  record.media.src = record.url;
}

const playsMedia = () => record.media && record.media.tagName !== "IMG" && !record.broken && record.media.readyState > 0;

/** Boxes of the persons over the picture, where their faces were at the cursor; names beside their marks. */
function placeBoxes() {
  if (!record.boxes || !record.media || state.pictureHidden) return;
  const m = record.media, w = m.videoWidth || m.naturalWidth, h = m.videoHeight || m.naturalHeight;
  const room = record.frame.getBoundingClientRect();
  if (!w || !room.width || record.broken) { record.layer.hidden = true; return; }
  record.layer.hidden = false;
  const scale = Math.min(room.width / w, room.height / h), left = (room.width - w * scale) / 2, top = (room.height - h * scale) / 2;
  const small = record.frame.classList.contains("docked");
  for (const { s, node, name } of record.boxes) {
    const box = boxAt(s, state.t);
    node.hidden = !box;
    if (!box) continue;
    const text = DATA.subjects.length > 3 ? state.names[s.index] || s.short : nameOf(s.index);
    if (name.dataset.text !== text) { name.dataset.text = text; fill(name, mark(s.index), text); }
    name.hidden = small || DATA.subjects.length > 6;
    node.classList.toggle("high", top + box[1] * h * scale < 24);
    node.style.setProperty("left", `${left + box[0] * w * scale}px`);
    node.style.setProperty("top", `${top + box[1] * h * scale}px`);
    node.style.setProperty("width", `${box[2] * w * scale}px`);
    node.style.setProperty("height", `${box[3] * h * scale}px`);
  }
}

/** x, y, width, height as shares of the picture at a moment; null where there was no face. */
function boxAt(s, t) {
  if (!s.boxes) return null;
  const at = (t / DATA.duration) * s.boxes.n, i = clamp(Math.floor(at), 0, s.boxes.n - 1), j = Math.min(i + 1, s.boxes.n - 1);
  const c = s.boxes.columns, mix = clamp(at - i, 0, 1);
  if (c[0][i] === NONE) return null;
  return c.map((values) => (values[j] === NONE ? values[i] : values[i] * (1 - mix) + values[j] * mix) / 250);
}

/** A wave 12 s around the cursor with its beats and the ms between them; another signal, 5 min around it. */
function drawPulse() {
  const width = record.frame.clientWidth, height = record.frame.clientHeight, signal = record.signal;
  if (!width) return;
  const span = Math.min(signal.wave ? 12 : 300, DATA.duration), from = clamp(state.t - span / 2, 0, Math.max(0, DATA.duration - span));
  const ctx = context(record.waveCanvas, width, height), per = width / span, top = 26 * sheet.rem, foot = signal.wave && signal.marks ? 26 * sheet.rem : 6;
  const owner = DATA.subjects.length === 1 ? 0 : Math.max(DATA.subjects.findIndex((x) => x.id === signal.subject), 0);
  say(record.waveNote, `${/^[A-Z]{2}/.test(signal.name) ? signal.name : signal.name.toLowerCase()}, ${lengthText(span)} around the cursor${signal.wave && signal.marks ? "; ms between beats" : ""}`);
  ctx.save();
  ctx.translate(0, top);
  paintSignal(ctx, signal, { from, to: from + span, width, height: height - top - foot }, hue(owner));
  ctx.restore();
  if (signal.wave && signal.marks) {
    const times = marksIn(signal, from, from + span);
    font(ctx, 11);
    ctx.fillStyle = sheet.ink2;
    ctx.textAlign = "center";
    for (let i = 1; i < times.length; i++) {
      const ms = Math.round((times[i] - times[i - 1]) * 1000), x = ((times[i] + times[i - 1]) / 2 - from) * per;
      // Two beats with a gap between them have no interval.
      if (ms <= 2500 && (times[i] - times[i - 1]) * per > 26) ctx.fillText(String(ms), x, height - 14 * sheet.rem);
    }
    ctx.textAlign = "left";
  }
  ctx.fillStyle = sheet.ink;
  ctx.fillRect(clamp((state.t - from) * per, 0, width - 1.5), 0, 1.5, height);
}

/** Sound as a wave, 12 s around the cursor, from the stored level. */
function drawWave() {
  if (!record.waveCanvas) return;
  if (record.signal) return void drawPulse();
  const width = record.frame.clientWidth, height = record.frame.clientHeight;
  if (!width) return;
  const ctx = context(record.waveCanvas, width, height), signal = record.wave, span = Math.min(12, DATA.duration);
  const from = clamp(state.t - span / 2, 0, Math.max(0, DATA.duration - span)), per = width / span, middle = height / 2;
  say(record.waveNote, signal ? `sound level, ${lengthText(span)} around the cursor` : "sound; its level is not stored in this page");
  const owner = DATA.subjects[state.person];
  ctx.fillStyle = withAlpha(owner ? hue(owner.index) : sheet.ink2, 0.72);
  for (let x = 0; x < width && signal; x += 3) {
    const a = Math.floor((from + x / per) / signal.step), b = Math.max(a + 1, Math.ceil((from + (x + 3) / per) / signal.step));
    let most = -1;
    for (let i = Math.max(0, a); i < Math.min(b, signal.n); i++) if (signal.max[i] !== NONE) most = Math.max(most, signal.max[i]);
    if (most < 0) continue;
    // Decibels drawn as loudness: 60 dB below full scale is silence on the page.
    const db = signal.low + (most / 250) * (signal.high - signal.low), tall = Math.max(1, clamp((db + 60) / 60, 0, 1) * (height * 0.36));
    ctx.fillRect(x, middle - tall, 2, 2 * tall);
  }
  ctx.fillStyle = sheet.ink;
  ctx.fillRect(clamp((state.t - from) * per, 0, width - 1.5), 0, 1.5, height);
}

/** The text itself: the sentence at the cursor in ink, its neighbours quieter. */
function showText() {
  if (!record.lines) return;
  if (!record.built) {
    record.built = true;
    fill(record.lines, WORDS.map((w) => el("p", { "data-t": w.start }, el("a", { href: `#t=${w.start}` }, w.text))));
  }
  let current = null;
  for (const node of record.lines.children) {
    const w = WORDS[[...record.lines.children].indexOf(node)], on = w.start <= state.t && state.t < w.end;
    node.classList.toggle("on", on);
    if (on) current = node;
  }
  if (current) record.lines.scrollTop = current.offsetTop - record.lines.clientHeight / 2 + current.offsetHeight / 2;
}

function hidePicture(hide = !state.pictureHidden) {
  state.pictureHidden = hide;
  record.frame.classList.toggle("nopicture", hide);
  if (record.hiddenText) record.hiddenText.hidden = !hide || Boolean(record.broken);
  if (record.layer) record.layer.hidden = hide;
  announce("picture");
  placeBoxes();
  dock();
}

/** The picture follows in a corner (on a phone: under the head) once the stage has scrolled off. */
function dock() {
  if (!record.frame || !["video"].includes(DATA.media.kind)) return;
  const stage = $("record").getBoundingClientRect(), lists = $("lists").getBoundingClientRect();
  const off = stage.bottom < (phone() ? 40 : 48), reading = !phone() || lists.top > innerHeight * 0.4;
  const wanted = off && reading && !state.dockClosed && !state.pictureHidden && !record.broken && record.frame.classList.contains("ready");
  if (!off) state.dockClosed = false;
  if (wanted !== record.frame.classList.contains("docked")) {
    if (wanted) $("record").style.setProperty("min-height", `${stage.height}px`);
    else $("record").style.removeProperty("min-height");
    record.frame.classList.toggle("docked", wanted);
    placeBoxes();
  }
}

function closeDock() {
  state.dockClosed = true;
  dock();
}

// Playing: the recording leads where it can be played, otherwise a clock of our own.
let clockFrom = 0, clockAt = 0;

function play() {
  if (DATA.still || state.playing || !DATA.duration) return;
  if (state.t >= DATA.duration - 0.05) seek(0);
  state.playing = true;
  clockFrom = performance.now();
  clockAt = state.t;
  if (playsMedia()) {
    record.media.currentTime = state.t;
    record.media.play().catch(() => { /* refused or not ready: the page's own clock runs on */ });
  }
  announce("playing");
  requestAnimationFrame(tick);
}

function stop() {
  if (!state.playing) return;
  state.playing = false;
  if (playsMedia()) record.media.pause();
  announce("playing", "t");
  remember();
}

function tick(now) {
  if (!state.playing) return;
  const own = clockAt + (now - clockFrom) / 1000;
  const t = playsMedia() && !record.media.paused ? record.media.currentTime : playsMedia() && record.media.ended ? DATA.duration : own;
  seek(t);
  if (t >= DATA.duration) return void stop();
  requestAnimationFrame(tick);
}

/** After a jump by hand the recording follows. */
function followMedia() {
  clockFrom = performance.now();
  clockAt = state.t;
  if (playsMedia() && Math.abs(record.media.currentTime - state.t) > 0.02) record.media.currentTime = state.t;
}
