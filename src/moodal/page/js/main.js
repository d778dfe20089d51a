// Start: transport, theme, what changes when.

const bar = {};

function buildTransport() {
  const icon = (d) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg"), path = document.createElementNS(svg.namespaceURI, "path");
    svg.setAttribute("viewBox", "0 0 16 16");
    svg.setAttribute("aria-hidden", "true");
    path.setAttribute("d", d);
    svg.append(path);
    return svg;
  };
  bar.playIcon = icon("M4.5 2.6v10.8L13 8z");
  bar.pauseIcon = icon("M4 3h3v10H4zM9 3h3v10H9z");
  bar.play = el("button", { type: "button", class: "play", "aria-label": "Play", onclick: () => (state.playing ? stop() : play()) }, bar.playIcon);
  bar.time = el("b", {});
  bar.of = el("span", { class: "sub" });
  bar.event = el("span", { class: "eventtext" });
  const key = (text, name, work, d) => el("button", { type: "button", class: "key", "aria-label": name, title: name, onclick: work }, el("span", {}, text), d ? icon(d) : null);
  bar.span = el("select", { "aria-label": "Span shown" });
  bar.span.addEventListener("change", () => setSpan(Number(bar.span.value)));
  bar.spanText = el("span", { class: "spantext", "aria-hidden": "true" });
  $("transport").append(bar.play, el("p", { class: "time" }, bar.time, " ", bar.of),
    el("div", { class: "events" }, key("k", "Previous event", () => stepEvent(-1), "M4 3v10M12.5 3.5 7 8l5.5 4.5"), key("j", "Next event", () => stepEvent(1), "M12 3v10M3.5 3.5 9 8l-5.5 4.5"), bar.event),
    el("div", { class: "spans" }, key("−", "Zoom out", () => zoom(-1)), key("+", "Zoom in", () => zoom(1)), el("label", { class: "spanbox" }, bar.span, bar.spanText)),
    grammarKey());
}

function grammarKey() {
  const strengths = el("span", { class: "strengths" }, [4, 3, 2, 1].map((n) => el("i", { class: `set${n}` })));
  return el("div", { class: "grammar" },
    DATA.subjects.length > 1 ? el("span", {}, mark(0), mark(1), " who") : null,
    el("span", {}, strengths, " stronger: surer"), el("span", {}, el("i", { class: "hatched" }), " missing, with its reason"));
}

function showTransport() {
  say(bar.time, moment(state.t));
  say(bar.of, `of ${ordered() ? Math.ceil(DATA.duration) : DATA.duration < 60 ? clockText(DATA.duration, 1) : clockText(Math.round(DATA.duration))}`);
  let low = 0, high = EVENTS.length;
  while (low < high) { const m = (low + high) >> 1; if (EVENTS[m] <= state.t + 0.005) low = m + 1; else high = m; }
  say(bar.event, EVENTS.length ? (low ? `event ${low} of ${EVENTS.length}` : plural(EVENTS.length, "event")) : "no events");
}

function showSpans() {
  const spans = spansHere(), known = spans.some((s) => Math.abs(s - state.span) < 1e-6);
  fill(bar.span, [...(known ? [] : [state.span]), ...spans].map((s) => el("option", { value: s, selected: Math.abs(s - state.span) < 1e-6 }, spanText(s))));
  say(bar.spanText, `${state.span >= DATA.duration - 1e-6 ? "all" : spanText(state.span < 1 ? state.span : Math.round(state.span * 10) / 10)}${phone() ? "" : " shown"}`);
}

function showPlaying() {
  bar.play.replaceChildren(state.playing ? bar.pauseIcon : bar.playIcon);
  bar.play.setAttribute("aria-label", state.playing ? "Pause" : "Play");
}

const isDark = () => (document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

function setTheme(dark = !isDark()) {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  repaint();
}

function repaint() {
  readColours();
  say($("theme"), isDark() ? "Light" : "Dark");
  drawTracks();
  drawOverview();
  drawPlane();
  drawWave();
}

function showNames() {
  for (const node of document.querySelectorAll(".name[data-s]")) {
    node.dataset.own = node.dataset.own || node.textContent;
    say(node, state.names[node.dataset.s] || node.dataset.own);
  }
}

const redraw = { window: false, build: false, cursor: false };
const frame = eachFrame(() => {
  const { window: moved, build } = redraw;
  redraw.window = redraw.build = redraw.cursor = false;
  if (build && !DATA.still && DATA.subjects.length) buildTracks();
  else if (moved) { drawTracks(); placeWindow(); }
  if (build || moved) { if (!DATA.still) showSpans(); showLists(build); }
  showHeads();
  showNow();
  if (DATA.still || !DATA.subjects.length) { placeBoxes(); return; }
  placeCursor();
  placeWindow();
  showValues(state.hover === null ? state.t : state.hover, state.hover !== null);
  showTransport();
  markWord();
  placeBoxes();
  drawWave();
  showText();
});

function onChange(changes) {
  if (changes.has("playing")) { showPlaying(); if (!state.playing) speakSoon(); }
  if (changes.has("names")) showNames();
  if (changes.has("picture")) say($("hide"), state.pictureHidden ? "Show picture" : "Hide picture");
  redraw.build ||= changes.has("person") || changes.has("lists");
  redraw.window ||= changes.has("window");
  frame();
}

function bind() {
  $("save").addEventListener("click", (e) => menu(e.currentTarget, saveItems()));
  $("more").addEventListener("click", (e) => menu(e.currentTarget, [
    DATA.media.kind && DATA.media.kind !== "audio" && [state.pictureHidden ? "Show picture" : "Hide picture", () => hidePicture()],
    [isDark() ? "Light" : "Dark", () => setTheme()], !DATA.still && DATA.subjects.length && ["Table of this track", tableOfThis], ["How to read, keys, names", openHelp]]));
  $("hide").addEventListener("click", () => hidePicture());
  $("theme").addEventListener("click", () => setTheme());
  $("help").addEventListener("click", openHelp);
  if (!["video", "image"].includes(DATA.media.kind)) $("hide").hidden = true;
  addEventListener("keydown", onKey);
  addEventListener("click", (e) => { if (!e.target.closest(".tools")) closeMenus(); });
  addEventListener("hashchange", () => { if (recall()) { showNames(); announce("window", "person", "t", "lists"); followMedia(); speakSoon(); remember(); } });
  addEventListener("scroll", eachFrame(dock), { passive: true });
  addEventListener("beforeprint", buildPrint);
  let width = 0, small = phone();
  new ResizeObserver(eachFrame(() => {
    if (document.body.clientWidth === width) return;
    width = document.body.clientWidth;
    sheet.rem = rem();
    if (phone() !== small) { small = phone(); redraw.build = true; }
    measureTracks();
    redraw.window = true;
    dock();
    frame();
  })).observe(document.body);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  if (!DATA.still && DATA.subjects.length) onPointer();
}

async function start() {
  let bytes;
  try {
    bytes = await inflated();
  } catch {
    // Without this the numbers cannot be unpacked; the plain tables below hold every stretch and gap.
    document.querySelector(".mast").after(el("p", { class: "warning" }, "This browser is too old to draw the tracks. The tables below hold what they show."));
    return;
  }
  load(bytes);
  const root = document.documentElement;
  root.classList.remove("plain-only");
  root.classList.toggle("is-still", DATA.still);
  root.classList.toggle("is-nobody", !DATA.subjects.length);
  // What was measured of a body is worth seeing where nothing follows from it.
  root.classList.toggle("is-nothing", !DATA.subjects.some((s) => s.told_s > 0) && !DATA.signals.some((x) => x.row && x.track.startsWith("body.")));
  root.classList.toggle("is-order", ordered());
  for (const details of document.querySelectorAll("#tables details")) details.open = false;
  state.span = phone() ? Math.min(30, DATA.duration) : Math.min(60, DATA.duration);
  if (!recall() && DATA.subjects.length) { state.t = firstMoment(); state.from = clamp(state.t - state.span / 2, 0, Math.max(0, DATA.duration - state.span)); }
  readColours();
  buildStage();
  buildHeads();
  buildNow();
  if (!DATA.still) buildTransport();
  watch(onChange);
  bind();
  repaint();
  showNames();
  if (!DATA.still) showPlaying();
  announce("person", "window", "t", "lists");
  frame.now();
  placeStops.now();
  speak();
  root.classList.add("drawn");
}

/** Where the cursor starts: at the first state that the sentence names, else at the first told moment. */
function firstMoment() {
  const link = document.querySelector(".sentence a[href^='#t=']"), at = link && link.hash.includes(`p=${encodeURIComponent(DATA.subjects[0].id)}`) ? Number(new URLSearchParams(link.hash.slice(1)).get("t")) : NaN;
  if (Number.isFinite(at)) return Math.min(at + DATA.step / 2, DATA.duration);
  const s = DATA.subjects[0];
  return Math.max(0, s.told.indexOf(1)) * DATA.step;
}

start();
