// Small things everything else uses: elements, numbers in words, shapes.

const NBSP = "\u00a0", MINUS = "\u2212";
const $ = (id) => document.getElementById(id);
const clamp = (x, low, high) => Math.min(Math.max(x, low), high);
const rem = () => parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;

/** An element; text goes in as text, never as markup. `on…` are listeners, `style` goes through CSSOM. */
function el(tag, props, ...children) {
  const node = tag === "svg" || tag === "use" || tag === "text"
    ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [key, value] of Object.entries(props || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "style") for (const [k, v] of Object.entries(value)) node.style.setProperty(k, v);
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  node.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}

function fill(node, ...children) {
  node.replaceChildren(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}

/** Text only where it changed, so that nothing is laid out again in vain. */
function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** A person's shape: four, the same hollow, then with the number inside. */
function mark(index) {
  const svg = el("svg", { class: `mark ${index < 4 ? "full" : "hollow"} s${index % 4}`, viewBox: "0 0 16 16", "aria-hidden": "true" },
    el("use", { href: `#mark${index % 4}` }));
  if (index >= 8) svg.append(el("text", { x: 8, y: 11.2 }, String(index + 1)));
  return svg;
}

function clockText(seconds, digits = 0) {
  const scale = 10 ** digits, ticks = Math.floor(Math.max(seconds, 0) * scale + 1e-6);
  const whole = Math.floor(ticks / scale), tail = digits ? "." + String(ticks % scale).padStart(digits, "0") : "";
  const two = (x) => String(x).padStart(2, "0"), hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return (hours ? `${hours}:${two(minutes)}` : `${minutes}`) + `:${two(whole % 60)}${tail}`;
}

function lengthText(seconds) {
  if (DATA.clock === "order") return plural(Math.round(seconds), "sentence");
  if (seconds > 0 && seconds < 0.005) return `under 0.01${NBSP}s`;
  if (seconds < 59.95) {
    const text = seconds >= 0.1 || seconds === 0 ? seconds.toFixed(1) : seconds.toFixed(2);
    return text.replace(/\.0$/, "") + NBSP + "s";
  }
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)}${NBSP}min` + (whole % 60 ? ` ${whole % 60}${NBSP}s` : "");
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)}${NBSP}h` + (minutes % 60 ? ` ${minutes % 60}${NBSP}min` : "");
}

const plural = (count, noun) => `${count.toLocaleString("en")}${NBSP}${noun}${count === 1 ? "" : "s"}`;
const ordered = () => DATA.clock === "order";
const sentenceAt = (t) => Math.min(Math.floor(t + 1e-6) + 1, Math.max(1, Math.ceil(DATA.duration - 1e-6)));

/** A position as the cursor shows it. */
function moment(t, digits = 1) {
  return ordered() ? `sentence${NBSP}${sentenceAt(t)}` : clockText(t, digits);
}

function momentSpan(start, end) {
  if (DATA.still) return "this picture";
  if (ordered()) {
    const first = sentenceAt(start), last = Math.max(first, Math.ceil(end - 1e-6));
    return first === last ? `sentence${NBSP}${first}` : `sentences ${first} to ${last}`;
  }
  const digits = DATA.duration < 120 || end - start < 2 ? 1 : 0;
  return `${clockText(start, digits)} to ${clockText(end, digits)}`;
}

/** A position read aloud: "13 minutes 16 seconds". */
function spokenMoment(t) {
  if (ordered()) return `Sentence ${sentenceAt(t)}`;
  const s = Math.floor(t * 10 + 1e-6) / 10, hours = Math.floor(s / 3600), minutes = Math.floor(s / 60) % 60;
  const seconds = DATA.duration < 60 ? (s % 60).toFixed(1).replace(/\.0$/, "") : String(Math.floor(s % 60));
  const part = (n, unit) => `${n} ${unit}${String(n) === "1" ? "" : "s"}`;
  return [hours && part(hours, "hour"), (hours || minutes) && part(minutes, "minute"), part(seconds, "second")]
    .filter(Boolean).join(" ");
}

function signed(value, minus = MINUS) {
  const text = Math.abs(value).toFixed(2);
  return Number(text) === 0 ? text : (value < 0 ? minus : "+") + text;
}

const spokenSigned = (value) => (value < 0 && value.toFixed(2) !== "-0.00" ? "minus " : "") + Math.abs(value).toFixed(2);

/** "a, b or c". */
function listed(parts, last = "and") {
  return parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} ${last} ${parts[parts.length - 1]}`;
}

/** Whether the interval of a dimension was checked on people; what a table derives from classes was not. */
const checked = (name) => DATA.calibrated && DATA.basis[name] === "measured";

/** A share or score (0 to 100): per cent where calibrated, otherwise a plain number. */
function shareText(hundredths) {
  if (!DATA.calibrated) return hundredths < 1 ? "< 0.01" : (hundredths / 100).toFixed(2);
  return hundredths < 1 ? `< 1${NBSP}%` : `${hundredths}${NBSP}%`;
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

function bytesOf(base64) {
  const binary = atob(base64), bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** Build a part anew without losing the keyboard's place in it. */
function keepFocus(holder, work) {
  const at = document.activeElement, inside = at !== holder && holder.contains(at);
  const all = () => [...holder.querySelectorAll("a, button, [tabindex]")], name = (node) => node.getAttribute("aria-label") || node.textContent;
  const place = inside ? all().indexOf(at) : -1;
  work();
  if (!inside) return;
  const next = at.classList.contains("tab") ? holder.querySelector(".tab[aria-selected=true]")
    : at.dataset.focus ? holder.querySelector(`[data-focus="${at.dataset.focus}"]`)
    : all().find((node) => name(node) === name(at)) || all()[Math.min(place, all().length - 1)];
  if (next) next.focus({ preventScroll: true });
}

/** One call a frame, however often it is asked for; `.now()` does not wait for one (a hidden page has no frames). */
function eachFrame(work) {
  let asked = false;
  const soon = () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => { asked = false; work(); });
  };
  soon.now = work;
  return soon;
}
