"""A report as one page: no script, nothing from elsewhere, every name escaped; and the folder it lies in."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from importlib import resources
from pathlib import Path

import numpy as np

from moodal.formats.files import json_text, new_folder

from . import plots
from .report import Report, Row
from .tables import Section, csv_text, figure, lead, markdown, quotes, sections, settings_lines, title_of

__all__ = ["render", "write"]


def write(report: Report, folder: Path) -> Path:
    """Write ``NAME.bench/`` into a folder, whole or not at all: ``index.html``, ``report.md``, ``.csv``, ``.json``."""
    name = "".join(c if c.isalnum() or c in "-_. " else "_" for c in report.name).strip(". ") or "report"
    target = folder / f"{name}.bench"
    with new_folder(target) as work:
        for file, text in (
            ("index.html", render(report)),
            ("report.md", markdown(report)),
            ("report.csv", csv_text(report)),
            ("report.json", json_text(report.to_dict())),
        ):
            (work / file).write_text(text, encoding="utf-8", newline="")
    return target / "index.html"


def _style() -> str:
    """The tokens of the Mood's own page, so that all pages look alike, and the rules of this one."""
    tokens = (resources.files("moodal.page") / "page.css").read_text(encoding="utf-8").split("*, *::before", 1)[0]
    return tokens + (resources.files(__package__) / "report.css").read_text(encoding="utf-8")


def render(report: Report) -> str:
    """The page's text."""
    style = _style()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    row = report.headline
    tables = sections(report)
    shown = report.title or report.name
    facts = " · ".join(lead(report))
    notices = "".join(f"<li>{escape(n)}</li>" for n in report.notices)
    told = "".join(f"<li>{escape(q)}</li>" for q in quotes(report))
    command = f"<p>Made by <code>{escape(report.command)}</code></p>" if report.command else ""
    versions = ", ".join(f"{k} {v}" for k, v in report.versions.items())
    how = [*settings_lines(report), f"contamination: {report.contamination}"]
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="moodal: benchmark">
<title>{escape(shown)}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<header class="mast"><h1>{escape(shown)}</h1><p class="facts">{escape(facts)}</p></header>
<main>
<p class="lead">{escape(_sentence(report, row))}</p>
{f'<ul class="told">{told}</ul>' if told else ""}
{f'<section class="notices"><h2>Read with care</h2><ul>{notices}</ul></section>' if notices else ""}
<div class="plots">
{_figures(report, row)}
</div>
{chr(10).join(_table(s) for s in tables)}
<section class="how"><h2>How</h2><ul>{"".join(f"<li>{escape(line)}</li>" for line in how)}</ul></section>
</main>
<footer class="foot">{command}<p>{escape(versions)}; seeds {escape(", ".join(map(str, report.seeds)))}.
The same as <a href="./report.csv">CSV</a>, <a href="./report.md">Markdown</a>, <a href="./report.json">JSON</a>.</p>
</footer>
</body>
</html>
"""


def _sentence(report: Report, row: Row) -> str:
    """The finding, in one sentence."""
    interval = f" ({figure(row.low)} to {figure(row.high)})" if np.isfinite(row.low) else ""
    text = f"{row.name} reaches {title_of(report.metric)} {figure(row.score)}{interval}, "
    text += "above chance." if row.above else "not above chance."
    if report.protocol["leaky"]:
        text += " The protocol is leaky: this is not what a new recording gets."
    if row.flags:
        text += f" It has {'; '.join(row.flags)}."
    return text


def _figures(report: Report, row: Row) -> str:
    metric = title_of(report.metric)
    chance = "Dashed: the best trivial row."
    drawn = [
        ("Learners", plots.scores(report), f"{metric} and its 95 % interval. {chance}"),
        (f"Each {report.unit}", plots.subjects(report, row), f"{metric} of {row.name}. Line: over all rows. {chance}"),
    ]
    if report.kind == "class":
        drawn += [
            ("Confusion", plots.confusion(report, row), f"{row.name}: per cent of each true class."),
            (
                "Reliability",
                plots.reliability(report, row),
                f"{row.name}: on the diagonal, it is as often right as sure.",
            ),
        ]
    drawn.append(("Any subset", plots.lattice(report), f"{metric} of {report.card} with these modalities alone."))
    return "\n".join(
        f"<figure{' class=broad' if title == 'Any subset' else ''}><h2>{escape(title)}</h2>"
        f'<div class="draw">{svg}</div><figcaption>{escape(note)}</figcaption></figure>'
        for title, svg, note in drawn
        if svg
    )


def _table(section: Section) -> str:
    def cell(tag: str, i: int, text: str) -> str:
        left = ' class="l"' if i == 0 or i in section.texts else ""
        scope = ' scope="row"' if tag == "td" and i == 0 else ' scope="col"' if tag == "th" else ""
        tag = "th" if i == 0 else tag
        return f"<{tag}{left}{scope}>{escape(text)}</{tag}>"

    head = "".join(cell("th", i, t) for i, t in enumerate(section.head))
    rows = "".join(
        f"<tr{' class=quiet' if r[-1] == 'trivial' else ''}>{''.join(cell('td', i, t) for i, t in enumerate(r))}</tr>"
        for r in section.rows
    )
    note = f'<p class="sub">{escape(section.note)}</p>' if section.note else ""
    return (
        f'<section class="table"><h2>{escape(section.title)}</h2><div class="scroll" tabindex="0"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>{note}</section>"
    )
