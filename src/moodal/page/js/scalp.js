// Maps of the head at the cursor: the same splines, steps and scales as the picture of the whole recording.

const heads = [];

function buildHeads() {
  for (const section of document.querySelectorAll(".scalp[data-cells]")) {
    const told = section.dataset, figures = [...section.querySelectorAll(".scalpmap")];
    const head = {
      section, cells: bytesOf(told.cells), weights: new Int8Array(bytesOf(told.weights).buffer), from: Number(told.from), step: Number(told.step),
      names: told.names.split(" "), n: Number(told.points), reach: Number(told.reach), size: Number(told.size), at: true, shown: null,
      maps: figures.map((f) => ({ svg: f.querySelector("svg"), steps: f.querySelector("g.steps"), top: Number(f.dataset.top), band: f.dataset.band })),
    };
    for (const m of head.maps) { m.whole = [...m.steps.children]; m.label = m.svg.getAttribute("aria-label"); }
    head.button = el("button", { type: "button", class: "word", onclick: () => { head.at = !head.at; head.shown = null; showHeads(); } });
    head.said = el("span", { class: "sub", role: "status" });
    section.querySelector(".heads").before(el("p", { class: "headbar" }, head.said, " ", head.button));
    heads.push(head);
  }
}

/** Draw what the cursor is on, where that changed; the whole recording where that was asked for. */
function showHeads() {
  for (const head of heads) {
    const cell = head.at ? Math.floor((state.t - head.from) / head.step + 1e-6) : -1;
    if (head.shown === cell) continue;
    head.shown = cell;
    say(head.button, head.at ? "show the whole recording" : "show what the cursor is on");
    if (!head.at) {
      for (const m of head.maps) { m.steps.replaceChildren(...m.whole); m.svg.setAttribute("aria-label", m.label); }
      say(head.said, "whole recording");
      continue;
    }
    const k = head.names.length, size = k * head.maps.length, row = head.cells.subarray(cell * size, (cell + 1) * size);
    const inside = cell >= 0 && row.length === size, silent = inside ? head.names.filter((_, i) => !row[i]) : [];
    const when = momentSpan(Math.max(head.from + cell * head.step, 0), Math.min(head.from + (cell + 1) * head.step, DATA.duration));
    say(head.said, !inside || silent.length === k ? "no EEG tells here" : silent.length ? `${when}: not drawn, ${silent.join(", ")} ${silent.length > 1 ? "do" : "does"} not tell here` : when);
    head.maps.forEach((m, b) => {
      const drawn = inside && !silent.length, values = Array.from(row.subarray(b * k, (b + 1) * k), (v) => (v - 1) / 254);
      m.steps.replaceChildren(...(drawn ? headSteps(head, values, m.top) : []));
      const most = values.indexOf(Math.max(...values));
      m.svg.setAttribute("aria-label", drawn ? `${m.band} at ${when}: most at ${head.names[most]}, ${Math.round(100 * values[most])}${NBSP}%` : `${m.band}: not told at the cursor`);
    });
  }
}

function headSteps(head, values, top) {
  const n = head.n, k = values.length, field = new Float32Array(n * n), paths = [];
  for (let p = 0; p < n * n; p++) {
    let sum = 0;
    for (let i = 0; i < k; i++) sum += head.weights[p * k + i] * values[i];
    // -128 marks points that are too far from any electrode.
    field[p] = head.weights[p * k] === -128 ? NaN : clamp(sum / 100, 0, 1);
  }
  for (let s = 0; s < 8; s++) {
    const path = headContour(head, field, (top * (s + 0.5)) / 8);
    if (path) { const node = document.createElementNS("http://www.w3.org/2000/svg", "path"); node.setAttribute("d", path); paths.push(node); }
  }
  return paths;
}

/** The region of at least `level`: marching squares, whole cells joined along a row. */
function headContour(head, field, level) {
  const { n, reach, size } = head, at = (i) => -reach + (2 * reach * i) / (n - 1);
  const spot = (x, y) => `${(size * x).toFixed(1)} ${(-size * y).toFixed(1)}`;
  let out = "";
  for (let r = 0; r < n - 1; r++) {
    let begun = -1;
    for (let c = 0; c < n; c++) {
      const corners = c < n - 1 ? [[r, c], [r, c + 1], [r + 1, c + 1], [r + 1, c]] : [];
      const values = corners.map(([a, b]) => field[a * n + b]), full = corners.length && values.every((v) => v >= level);
      if (full && begun < 0) begun = c;
      if (!full && begun >= 0) {
        out += `M${spot(at(begun), at(r))}L${spot(at(c), at(r))}L${spot(at(c), at(r + 1))}L${spot(at(begun), at(r + 1))}z`;
        begun = -1;
      }
      if (full || !values.some((v) => v >= level)) continue;
      const path = [];
      corners.forEach(([a, b], i) => {
        const [d, e] = corners[(i + 1) % 4], one = values[i], two = values[(i + 1) % 4];
        if (one >= level) path.push(spot(at(b), at(a)));
        if (one >= level === two >= level) return;
        const t = Number.isFinite(one) && Number.isFinite(two) ? (level - one) / (two - one) : 0.5;
        path.push(spot(at(b) + t * (at(e) - at(b)), at(a) + t * (at(d) - at(a))));
      });
      out += `M${path.join("L")}z`;
    }
  }
  return out;
}
