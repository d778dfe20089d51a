"""The run card as one page, in the style of moodal's pages; whatever comes from outside is escaped."""

from __future__ import annotations

from html import escape
from importlib import resources
from typing import Any

from .card import Card
from .draw import svg

__all__ = ["page"]

_CSS = """
.wide { overflow-x: auto; } table { border-collapse: collapse; overflow-wrap: normal; margin: .25rem 0 1rem; } h2 {
padding: 1rem 0 .25rem; }
th { text-align: left; font-weight: 600; color: var(--ink2); } td, th {
padding: .2rem 1rem .2rem 0; vertical-align: top;
border-bottom: 1px solid var(--line); } td.n, th.n { text-align: right; } .bad { color: #B3261E; font-weight: 600; }
@media (prefers-color-scheme: dark) { .bad { color: #F2B8B5; } }
pre { font: 12px/1.5 ui-monospace, monospace; background: var(--rail); padding: .75rem; overflow-x: auto; }

.wide td, .wide th { white-space: nowrap; }
.heat { text-align: right; } .bar { fill: var(--p1); } .low { color: var(--ink2); } .plot { color: var(--ink2); }
details { padding: .25rem 0; } summary { cursor: pointer; }
"""


def _style() -> str:
    home = resources.files("moodal.page")
    tokens = (home / "page.css").read_text(encoding="utf-8").split("*, *::before", 1)[0]
    return tokens + (home / "index.css").read_text(encoding="utf-8") + _CSS


def page(card: Card) -> str:
    """The whole page: no script, nothing from elsewhere."""
    t = card.told
    head = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(t['name'])}</title><style>{_style()}</style></head><body>"
    )
    data, split = t["data"], t["split"]
    facts = (
        f"{data['recordings']} recordings, {len(data['subjects'])} subjects, "
        f"{', '.join(f'{n} windows' for n in t['windows']['count'].values())}, {split['name']}"
    )
    body = [
        f'<header class="mast"><h1>{escape(t["name"])}</h1><span class="facts">{escape(facts)}</span></header>',
        f'<p class="lead">{escape(_lead(t))}</p>',
    ]
    if t["permuted_labels"] is not None:
        body.append('<p class="bad">Labels were permuted within subjects: this is what chance gives.</p>')
    body += [f'<p class="{_mood(line)}">{escape(line)}</p>' for line in (*t["declared"], *split["notices"])]
    body.append(f'<div class="wide">{svg(t["graph"])}</div>')
    body.append(_scores(t))
    body += [_one(row) for row in t["estimates"]]
    body.append(_windows(t))
    body.append(_folds(split))
    body.append(f"<h2>Pipeline</h2><pre>{escape(t['pipeline'])}</pre>")
    versions = ", ".join(f"{k} {v}" for k, v in t["versions"].items())
    body.append(
        f'<p class="sub">pipeline {escape(t["pipeline_sha256"][:12])}, data {escape(data["sha256"][:12])}; '
        f'{escape(versions)}</p><p class="sub">{escape(t["statement"])}</p>'
    )
    return head + "".join(body) + "</body></html>\n"


def _mood(line: str) -> str:
    return "bad" if "OVERLAP" in line or "LEAKY" in line else "sub"


def _number(value: Any, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _span(pair: Any) -> str:
    return "" if pair is None or pair[0] is None else f"{_number(pair[0])} to {_number(pair[1])}"


def _lead(t: dict[str, Any]) -> str:
    best = max(t["estimates"], key=lambda r: r["metrics"][r["metric"]] or -9)
    m = best["metric"]
    return (
        f"{best['name']}: {m.replace('_', ' ')} {_number(best['metrics'][m])} ({_span(best['interval'][m])} over "
        f"{best['resampled']}), {best['verdict']}."
    )


def _scores(t: dict[str, Any]) -> str:
    names: list[str] = list(dict.fromkeys(m for r in t["estimates"] for m in r["metrics"]))
    head = "".join(f'<th class="n">{escape(n.replace("_", " "))}</th>' for n in names)
    rows = []
    for r in t["estimates"]:
        cells = "".join(
            f'<td class="n">{_number(r["metrics"].get(n))}<br>'
            f'<span class="low">{_span(r["interval"].get(n))}</span></td>'
            for n in names
        )
        rows.append(
            f"<tr><td>{escape(r['name'])}</td><td>{escape(r['label'])}</td>{cells}<td>{escape(r['verdict'])}</td></tr>"
        )
    for label in dict.fromkeys(r["label"] for r in t["estimates"]):
        first = next(r for r in t["estimates"] if r["label"] == label)
        for name, said in first["trivial"].items():
            blank = "<td></td>" * (len(names) - 1)
            rows.append(
                f'<tr class="low"><td>{escape(name)}</td><td>{escape(label)}</td>'
                f'<td class="n">{_number(said["score"])}<br>{_span(said["interval"])}</td>{blank}'
                "<td>sees nothing</td></tr>"
            )
    return (
        f'<h2>Scores</h2><div class="wide"><table><tr><th>estimate</th><th>label</th>{head}<th></th></tr>'
        f"{''.join(rows)}</table></div>"
    )


def _one(r: dict[str, Any]) -> str:
    parts = [f"<details><summary>{escape(r['name'])}: confusion, subjects, calibration, importance</summary>"]
    if counts := r.get("confusion"):
        names = [*r["classes"], "withheld"]
        head = "".join(f'<th class="n">{escape(n)}</th>' for n in names)
        rows = "".join(
            f"<tr><th>{escape(names[k])}</th>" + "".join(_cell(v, max(sum(row), 1)) for v in row) + "</tr>"
            for k, row in enumerate(counts)
        )
        parts.append(f'<div class="wide"><table><tr><th>true, predicted</th>{head}</tr>{rows}</table></div>')
    if bins := r.get("reliability"):
        parts.append(_reliability(bins))
    if r["by_subject"]:
        parts.append(_subjects(r["by_subject"]))
    if top := r["importance"].get("top"):
        rows = "".join(
            f'<tr><td>{escape(f["feature"])}</td><td class="n">{_number(f["mean"])} ± {_number(f["sd"])}</td></tr>'
            for f in top
        )
        stable = r["importance"]["stability"]
        parts.append(
            f'<table><tr><th>feature</th><th class="n">importance over folds</th></tr>{rows}</table>'
            f'<p class="sub">the ten best of two folds share {_number(stable)} (Jaccard)</p>'
        )
    return "".join(parts) + "</details>"


def _cell(value: int, total: int) -> str:
    share = round(100 * value / total)
    return (
        f'<td class="heat" style="background: color-mix(in srgb, var(--p1) {share * 0.5:g}%, transparent)">{value}</td>'
    )


def _reliability(bins: list[dict[str, Any]]) -> str:
    dots = "".join(
        f'<circle cx="{100 * b["confidence"]:.1f}" cy="{100 - 100 * b["right"]:.1f}" r="2.5" class="bar"><title>'
        f"{b['n']} windows: said {b['confidence']:.2f}, right {b['right']:.2f}</title></circle>"
        for b in bins
    )
    return (
        '<svg viewBox="-4 -4 108 108" width="180" height="180" role="img" aria-label="Reliability: said against right" '
        'class="plot"><path d="M0 0V100H100M0 100L100 0" fill="none" stroke="currentColor" stroke-opacity=".5"/>'
        f"{dots}</svg>"
    )


def _subjects(by: dict[str, Any]) -> str:
    step, high = 14, 60
    bars = "".join(
        f'<g><title>{escape(s)}: {_number(v)}</title><rect class="bar" x="{k * step}" y="{high - high * (v or 0):.1f}" '
        f'width="{step - 4}" height="{high * (v or 0):.1f}"/></g>'
        for k, (s, v) in enumerate(by.items())
    )
    wide = max(len(by) * step, 1)
    return (
        f'<p class="sub">accuracy of each subject</p><div class="wide"><svg viewBox="0 0 {wide} {high}" width="{wide}" '
        f'height="{high}" role="img" aria-label="Accuracy of each subject">{bars}</svg></div>'
    )


def _windows(t: dict[str, Any]) -> str:
    rows = []
    for label, counts in t["windows"]["classes"].items():
        told = ", ".join(f"{escape(c)} {n}" for c, n in counts.items())
        rows.append(
            f"<tr><td>{escape(label)}</td><td>{told}; without label {t['windows']['unlabelled'][label]}</td></tr>"
        )
    for extract, why in t["windows"]["withheld"].items():
        rows.append(f"<tr><td>{escape(extract)}</td><td>withheld: {_counted(why)}</td></tr>")
    for extract, holes in t["windows"]["missing_values"].items():
        rows.append(f"<tr><td>{escape(extract)}</td><td>missing: {_counted(holes)}</td></tr>")
    warned = "".join(f'<p class="sub">{escape(w)}</p>' for w in t["warnings"][:20])
    return f"<h2>Windows</h2><table>{''.join(rows)}</table>{warned}"


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{escape(k)} {v}" for k, v in counts.items())


def _few(names: list[str]) -> str:
    return ", ".join(names[:12]) + (" …" if len(names) > 12 else "")


def _folds(split: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{escape(f['name'])}</td>"
        + "".join(
            f"<td>{f[p]['windows']} of {escape(_few(f[p]['subjects']))}</td>" for p in ("train", "validation", "test")
        )
        + f'<td class="n">{f["purged"]}</td></tr>'
        for f in split["folds"]
    )
    return (
        '<h2>Folds</h2><div class="wide"><table><tr><th>fold</th><th>train</th><th>validation</th><th>test</th>'
        f'<th class="n">purged</th></tr>{rows}</table></div>'
    )
