// Keys, pointer, touch: every way to move the one cursor.

/** A jump by hand: the recording follows, and the slider says where it landed. */
function jump(t) {
  seek(t);
  followMedia();
  speakSoon();
}

let speakTimer = 0;
function speakSoon() {
  clearTimeout(speakTimer);
  speakTimer = setTimeout(speak, 120);
}

function speak() {
  if (!state.playing && ruler.flag) ruler.flag.setAttribute("aria-valuetext", spokenNow());
}

function onKey(e) {
  if (e.defaultPrevented || e.isComposing || document.querySelector("dialog[open]")) return;
  if (e.target.closest && e.target.closest("input, select, textarea, [contenteditable]")) return;
  if (e.ctrlKey || e.metaKey) return;
  const onControl = e.target.closest && e.target.closest("button, a, summary");
  const frame = ordered() ? 1 : 1 / (DATA.media.fps || 1 / DATA.step), second = ordered() ? 1 : 1;
  const arrow = e.altKey ? frame : e.shiftKey ? 10 * second : second;
  const work = {
    " ": onControl ? null : () => (state.playing ? stop() : play()),
    ArrowLeft: () => jump(state.t - arrow), ArrowRight: () => jump(state.t + arrow),
    j: () => stepEvent(1), k: () => stepEvent(-1), g: nextGap,
    "+": () => zoom(1), "=": () => zoom(1), "-": () => zoom(-1), "\u2212": () => zoom(-1), 0: () => setSpan(DATA.duration),
    Home: () => jump(0), End: () => jump(DATA.duration), h: () => hidePicture(), t: tableOfThis,
  }[e.key];
  const always = { h: 1, "?": 1, Escape: 1, t: 1 };
  if (e.key === "?") openHelp();
  else if (e.key === "Escape") { closeMenus(); closeDock(); }
  else if (/^[1-9]$/.test(e.key) && DATA.subjects[e.key - 1]) choose(e.key - 1);
  else if (work && (!DATA.still || always[e.key])) work();
  else return;
  e.preventDefault();
}

/** The table of the row that has the focus, else of the chosen person's label sets. */
function tableOfThis() {
  const at = document.activeElement && document.activeElement.closest(".row");
  const row = tracks.rows.find((r) => r.node === at && r.kind !== "heading") || tracks.rows.find((r) => r.s.index === state.person && r.kind === "lane");
  if (row) openTable(row.kind === "slim" ? { ...row, kind: "lane" } : row);
}

function onPointer() {
  const holder = $("tracks"), fingers = new Map();
  let dragging = null, pinch = null;
  const plotOf = (e) => e.target.closest && e.target.closest(".plot, .over-layer");
  const timeAt = (x, plot) => {
    const over = plot.closest(".overview"), box = (over ? overview.rows[0].canvas : plot).getBoundingClientRect();
    const share = clamp((x - box.left) / Math.max(box.width, 1), 0, 1);
    return over ? share * DATA.duration : state.from + share * state.span;
  };
  holder.addEventListener("pointerdown", (e) => {
    const plot = plotOf(e);
    if (!plot || e.button) return;
    fingers.set(e.pointerId, e.clientX);
    if (fingers.size === 2) {
      const [a, b] = [...fingers.values()];
      pinch = { wide: Math.max(Math.abs(a - b), 20), span: state.span, anchor: timeAt((a + b) / 2, plot) };
      dragging = null;
      return;
    }
    dragging = { plot, id: e.pointerId, over: Boolean(plot.closest(".overview")) };
    if (e.pointerType === "mouse") { e.preventDefault(); if (document.activeElement !== document.body) document.activeElement.blur(); }
    dragTo(e);
  });
  const dragTo = (e) => {
    const t = timeAt(e.clientX, dragging.plot);
    if (dragging.over && state.span < DATA.duration) moveWindow(t - state.span / 2);
    seek(t, { page: false });
    followMedia();
    speakSoon();
  };
  addEventListener("pointermove", (e) => {
    if (fingers.has(e.pointerId)) fingers.set(e.pointerId, e.clientX);
    if (pinch && fingers.size === 2) {
      const [a, b] = [...fingers.values()];
      setSpan((pinch.span * pinch.wide) / Math.max(Math.abs(a - b), 20), pinch.anchor);
    } else if (dragging && dragging.id === e.pointerId) dragTo(e);
    else hoverAt(e);
  });
  const lift = (e) => {
    fingers.delete(e.pointerId);
    if (fingers.size < 2) pinch = null;
    if (dragging && dragging.id === e.pointerId) dragging = null;
  };
  addEventListener("pointerup", lift);
  addEventListener("pointercancel", lift);
  const hoverAt = (e) => {
    const plot = e.pointerType === "mouse" && plotOf(e);
    const inside = plot && !plot.closest(".overview") && holder.contains(plot);
    const t = inside ? timeAt(e.clientX, plot) : null;
    if (t === state.hover) return;
    state.hover = t;
    holder.classList.toggle("hovered", t !== null);
    if (t !== null) holder.style.setProperty("--hx", `${(t - state.from) * (tracks.width / state.span)}px`);
    hoverValues();
  };
  holder.addEventListener("wheel", (e) => {
    const plot = plotOf(e);
    if (!e.ctrlKey || !plot) return;
    e.preventDefault();
    setSpan(state.span * 1.0025 ** clamp(e.deltaY, -200, 200), timeAt(e.clientX, plot));
  }, { passive: false });
}

const hoverValues = eachFrame(() => showValues(state.hover === null ? state.t : state.hover, state.hover !== null));
