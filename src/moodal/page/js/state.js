// One state for everything: cursor, window, person. It lives in the address's fragment.

const SPANS = [5, 10, 30, 60, 300, 600, 1800, 3600, 21600, 86400];
const state = {
  t: 0, span: 60, from: 0, person: 0, open: [], names: {}, playing: false,
  pictureHidden: false, dockClosed: false, allGaps: false, allWords: false, hover: null,
};
const watchers = [];
/** `work(changes)` runs after each change; changes is a set of: t, window, person, names, playing, picture, lists. */
const watch = (work) => watchers.push(work);
const announce = (...changes) => { const set = new Set(changes); for (const work of watchers) work(set); };

const spansHere = () => [...SPANS.filter((s) => s < DATA.duration), DATA.duration];
const windowEnd = () => state.from + state.span;
const phone = () => matchMedia("(max-width: 63.99rem)").matches;

function nameOf(index) {
  return index < 0 ? "The recording" : state.names[index] || DATA.subjects[index].name;
}

/** The name where there is little room: a voice's "nobody seen" stands below it. */
function gutterName(s) {
  return state.names[s.index] || (s.given || /^p\d+$/.test(s.id) ? s.name : s.id === "text" ? s.name : s.id === "body" ? s.short : capital(s.id));
}

function seek(t, { page = true } = {}) {
  state.t = clamp(t, 0, DATA.duration);
  const changes = ["t"];
  if (page && (state.t < state.from || state.t >= windowEnd()) && state.span < DATA.duration) {
    // The window pages while time runs on, and centres after a jump.
    const runsOn = state.playing && state.t >= windowEnd() && state.t < windowEnd() + 1;
    moveWindow(runsOn ? state.t : state.t - state.span / 2, false);
    changes.push("window");
  }
  announce(...changes);
  rememberSoon();
}

function moveWindow(from, tell = true) {
  state.from = clamp(from, 0, Math.max(0, DATA.duration - state.span));
  if (tell) { announce("window"); rememberSoon(); }
}

/** Change the span; what lies under `anchor` s stays where it is. */
function setSpan(span, anchor = state.t) {
  const next = clamp(span, Math.min(1, DATA.duration), DATA.duration);
  const share = clamp((anchor - state.from) / state.span, 0, 1);
  state.span = next;
  moveWindow(anchor - share * next);
}

function zoom(direction) {
  const spans = spansHere();
  const next = direction > 0 ? spans.filter((s) => s < state.span - 1e-6).pop() : spans.find((s) => s > state.span + 1e-6);
  if (next) setSpan(next);
}

function choose(person) {
  if (person < 0 || person >= DATA.subjects.length) return;
  state.person = person;
  state.open = state.open.filter((p) => p !== person);
  announce("person", "t");
  rememberSoon();
}

/** Show or hide the tracks of another person beside the chosen one; three at most. */
function toggleOpen(person) {
  state.open = state.open.includes(person) ? state.open.filter((p) => p !== person) : [...state.open, person].slice(-2);
  announce("person");
}

function rename(person, name) {
  const clean = name.replace(/\s+/g, " ").trim().slice(0, 60);
  if (clean && clean !== DATA.subjects[person].name) state.names[person] = clean; else delete state.names[person];
  announce("names", "person", "t", "lists");
  remember();
}

function fragment() {
  const parts = [`t=${Number(state.t.toFixed(2))}`];
  parts.push(`span=${state.span >= DATA.duration - 1e-6 ? "all" : Number(state.span.toFixed(2))}`);
  if (DATA.subjects.length) parts.push(`p=${encodeURIComponent(DATA.subjects[state.person].id)}`);
  for (const [index, name] of Object.entries(state.names)) {
    parts.push(`n.${encodeURIComponent(DATA.subjects[index].id)}=${encodeURIComponent(name)}`);
  }
  return `#${parts.join("&")}`;
}

function remember() {
  try { history.replaceState(null, "", fragment()); } catch { /* a viewer without addresses: nothing to keep */ }
}

let rememberTimer = 0;
function rememberSoon() {
  if (rememberTimer || state.playing) return;
  rememberTimer = setTimeout(() => { rememberTimer = 0; if (!state.playing) remember(); }, 250);
}

/** Read what the fragment says; what it leaves out stays as it is. False where it is another anchor. */
function recall() {
  const pairs = location.hash.slice(1).split("&").map((p) => p.split("="));
  const decoded = (text) => { try { return decodeURIComponent(text); } catch { return text; } };
  let known = false;
  for (const [key, raw = ""] of pairs) {
    const text = decoded(raw), number = Number(text);
    const who = DATA.subjects.findIndex((s) => s.id === (key.startsWith("n.") ? decoded(key.slice(2)) : text));
    if (key === "p" && who >= 0) { state.person = who; known = true; }
    else if (key === "span" && (text === "all" || number > 0)) {
      state.span = text === "all" ? DATA.duration : clamp(number, Math.min(1, DATA.duration), DATA.duration);
      known = true;
    } else if (key === "t" && text !== "" && Number.isFinite(number)) { state.t = clamp(number, 0, DATA.duration); known = true; }
    else if (key.startsWith("n.") && who >= 0) { state.names[who] = text.slice(0, 60); known = true; }
  }
  if (!known) return false;
  state.open = state.open.filter((p) => p !== state.person);
  if (state.t < state.from || state.t >= windowEnd()) state.from = state.t - state.span / 2;
  state.from = clamp(state.from, 0, Math.max(0, DATA.duration - state.span));
  return true;
}
