"""The page and the table of many recordings: one row each, with its persons, and a link to its own page."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from moodal.core.summary import against_baseline
from moodal.formats.files import write_text
from moodal.formats.tables import csv_text
from moodal.formats.writer import unguarded

from . import words
from .build import mark, symbols

__all__ = ["Row", "refresh", "render", "summary_table", "write"]

#: Steps of a strip: more cannot be told apart at its width.
STEPS = 120


@dataclass(frozen=True)
class Row:
    """One recording: its summary and where its Mood lies from the index (``NAME.mood``), or why there is none."""

    name: str
    folder: str
    summary: Mapping[str, Any] | None
    error: str = ""


def _style() -> str:
    """The tokens of the Mood's own page, so that both look alike, and the rules of this one."""
    home = resources.files(__package__)
    tokens = (home / "page.css").read_text(encoding="utf-8").split("*, *::before", 1)[0]
    return tokens + (home / "index.css").read_text(encoding="utf-8")


def _state(subject: Mapping[str, Any]) -> str:
    labels = subject["overall"]["label_set"]
    nothing = not labels and all(subject["overall"][d]["value"] is None for d in ("valence", "arousal"))
    if against := against_baseline(subject["overall"]):
        return f"arousal {against} baseline"
    return words.set_text(labels) if labels or nothing else "numbers only"


def _who(subject: Mapping[str, Any]) -> str:
    return str(subject.get("name") or words.person_name(subject["id"]))


def _strip(subject: Mapping[str, Any], duration: float) -> str:
    """Where something is told and how sure it is: runs of like state on an even grid."""
    state = np.zeros(STEPS, int)
    for s in subject["segments"]:
        size = len(s["label_set"])
        told = size > 0 or s["valence"]["value"] is not None or s["arousal"]["value"] is not None
        first, last = (round(t / duration * STEPS) for t in (s["start_s"], s["end_s"]))
        state[first : max(last, first + 1)] = min(size, 4) if size else 4 * told
    cuts = [0, *(np.flatnonzero(np.diff(state)) + 1).tolist(), STEPS]
    runs = "".join(
        f'<rect class="{"uabcd"[state[a]]}" x="{a}" y="0" width="{b - a}" height="8"/>' for a, b in pairwise(cuts)
    )
    return f'<svg class="strip" viewBox="0 0 {STEPS} 8" preserveAspectRatio="none" aria-hidden="true">{runs}</svg>'


def _recording(row: Row) -> str:
    summary = row.summary
    assert summary is not None
    subjects = []
    for index, subject in enumerate(summary["subjects"]):
        who = f'<span class="who">{mark(index)} {escape(_who(subject))}</span>'
        strip = _strip(subject, summary["duration_s"])
        state = f'<span class="state">{escape(_state(subject))}</span>'
        subjects.append(f'<div class="subject s{index % 4}">{who}{strip}{state}</div>')
    if not subjects:
        reasons = sorted({words.reason_for(g["reason"], g["modality"]) for g in summary["gaps"]})
        why = f" ({words.joined(reasons)})" if reasons else ""
        subjects.append(f'<p class="none">Nobody is seen or heard{escape(why)}</p>')
    kinds = list(dict.fromkeys(words.STREAM_NAMES.get(s["kind"], s["kind"]) for s in summary["streams"]))
    length = "one picture" if summary["still"] else words.length_text(summary["duration_s"], clock=summary["clock"])
    facts = " · ".join([length, "" if summary["still"] else ", ".join(kinds)]).strip(" ·")
    silent = f"{summary['recording']}: nothing could be told"
    unique = [w for w in dict.fromkeys(summary["warnings"]) if not w.startswith(silent)]
    warning = f'<p class="warning">{escape(" ".join(unique))}</p>' if unique else ""
    link = f'<a href="./{escape(quote(row.folder, errors="surrogateescape"))}/index.html">{escape(row.name)}</a>'
    return (
        f'<li><div class="title">{link} <span class="sub">{escape(facts)}</span></div>'
        f"<div>{''.join(subjects)}</div>{warning}</li>"
    )


def _lead(done: int, failed: int, told: int) -> str:
    text = f"{words.plural(done, 'recording')} analysed"
    silent = done - told
    if silent and told:
        text += f", in {silent:,} of them nothing could be told"
    elif silent:
        text += ", and nothing could be told"
    return text + (f"; {failed:,} could not be read." if failed else ".")


_KEY = (
    '<p class="key"><span><i class="set1"></i>one label</span><span><i class="set2"></i>two</span>'
    '<span><i class="set3"></i>three</span><span><i class="set4"></i>unclear</span>'
    '<span><i class="hatched"></i>we cannot tell</span></p>'
)
_HATCH = (
    '<svg class="symbols" aria-hidden="true"><defs><pattern id="hatch" width="2" height="8" '
    'patternUnits="userSpaceOnUse"><rect width="2" height="8"/><path d="M0 8 2 0" stroke-width=".35"/>'
    "</pattern></defs></svg>"
)


def render(rows: Sequence[Row], title: str) -> str:
    """The index as text: no script, no picture, nothing from elsewhere."""
    done = [r for r in rows if r.summary is not None]
    failed = [r for r in rows if r.summary is None]
    style = _style()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    told = sum(any(_state(s) != words.set_text(()) for s in r.summary["subjects"]) for r in done if r.summary)
    length = sum(r.summary["duration_s"] for r in done if r.summary and r.summary["clock"] == "time")
    loose = any(not r.summary["calibrated"] for r in done if r.summary)
    errors = "".join(f"<li>{escape(r.error or r.name)}</li>" for r in failed)
    facts = " · ".join([words.plural(len(rows), "recording"), words.length_text(length)] if length else [])
    about = words.ABOUT + (" Label sets are not calibrated on people." if loose else "")
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
{_GENERATOR}
<title>{escape(title)}: displayed emotion</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
{symbols()}
{_HATCH}
<header class="mast"><h1>{escape(title)}</h1><p class="facts">{escape(facts)}</p></header>
<main>
<p class="lead">{escape(_lead(len(done), len(failed), told))}</p>
{_KEY if done else ""}
<ol class="recordings">
{chr(10).join(_recording(r) for r in done)}
</ol>
{f'<section class="failed"><h2>Not analysed</h2><ul>{errors}</ul></section>' if failed else ""}
</main>
<footer class="foot"><p>{escape(about)}</p>
<p>Strips run from the beginning to the end of each recording. The same as a table:
<a href="./summary.csv">summary.csv</a></p></footer>
</body>
</html>
"""


def _cells(subject: Mapping[str, Any], summary: Mapping[str, Any]) -> dict[str, Any]:
    overall = subject["overall"]
    row: dict[str, Any] = {"subject": subject["id"], "name": subject.get("name", "")}
    row["seen_s"] = float(sum(b - a for a, b in subject["seen"]))
    row["label_set"] = "|".join(overall["label_set"])
    for dimension in ("valence", "arousal"):
        for suffix, key in (("", "value"), ("_low", "low"), ("_high", "high")):
            value = overall[dimension][key]
            row[dimension + suffix] = np.nan if value is None else value
    told = [s for s in subject["segments"] if s["label_set"] or s["valence"]["value"] is not None]
    row["told_s"] = float(sum(s["end_s"] - s["start_s"] for s in told))
    row["segments"] = len(subject["segments"])
    for modality in sorted({g["modality"] for g in subject["gaps"]}):
        lost = sum(g["end_s"] - g["start_s"] for g in subject["gaps"] if g["modality"] == modality)
        row[f"missing_{modality}_s"] = float(lost)
    return row


def summary_table(rows: Sequence[Row]) -> str:
    """``summary.csv``: a row a recording and subject; one row with no subject where nobody was told or it failed."""
    texts = ("recording", "mood", "status", "scheme", "calibrated", "subject", "name", "label_set", "warnings", "error")
    table: list[dict[str, Any]] = []
    for row in rows:
        head: dict[str, Any] = {"recording": row.name, "mood": "", "status": "failed", "error": row.error}
        if row.summary is None:
            table.append(head)
            continue
        s = row.summary
        head |= {"mood": row.folder, "status": "done", "duration_s": s["duration_s"], "scheme": s["scheme"]}
        head |= {"calibrated": "yes" if s["calibrated"] else "no", "warnings": " | ".join(s["warnings"])}
        table += [{**head, **_cells(subject, s)} for subject in s["subjects"]] or [head]
    dimensions = [d + s for d in ("valence", "arousal") for s in ("", "_low", "_high")]
    fixed = ["recording", "mood", "status", "duration_s", "scheme", "calibrated", "subject", "name", "seen_s"]
    fixed += ["label_set", *dimensions, "told_s", "segments"]
    lost = sorted({name for row in table for name in row if name.startswith("missing_")})
    columns: dict[str, Any] = {}
    for name in [*fixed, *lost, "warnings", "error"]:
        values = [row.get(name, "" if name in texts else np.nan) for row in table]
        columns[name] = np.array(values, object if name in texts else float)
    return csv_text(columns)


def write(rows: Sequence[Row], folder: Path, title: str) -> list[str]:
    """Write ``summary.csv`` and ``index.html`` into ``folder``, each whole or not at all.

    Returns a line for a file of that name that is somebody else's, which is left alone.
    """
    notes = []
    for name, text in (("summary.csv", summary_table(rows)), ("index.html", render(rows, title))):
        if _ours(folder / name):
            write_text(folder / name, text)
        else:
            notes.append(f"{folder / name}: was not written by moodal and is left alone. Choose another --out.")
    return notes


def refresh(mood: Path) -> bool:
    """Write table and index beside a Mood's folder again, where its table names it; whether that was done.

    Rows and their order are the table's own, what they say comes from the Moods. One that is gone by now says so.
    """
    home, table = mood.parent, mood.parent / "summary.csv"
    if not table.is_file() or not _ours(table):
        return False
    with table.open(encoding="utf-8", newline="") as file:
        cells = [tuple(unguarded(r[name]) for name in ("recording", "mood", "error")) for r in csv.DictReader(file)]
    rows = list(dict.fromkeys((name, folder, "" if folder else error) for name, folder, error in cells))
    if mood.name not in [folder for _, folder, _ in rows]:
        return False
    write([_row(home, *row) for row in rows], home, title=home.resolve().name)
    return True


def _row(home: Path, name: str, folder: str, error: str) -> Row:
    if not folder:
        return Row(name, "", None, error)
    try:
        return Row(name, folder, json.loads((home / folder / "summary.json").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return Row(name, "", None, error or f"{folder}: is not there any more, or damaged. Analyse {name} again.")


def _ours(path: Path) -> bool:
    """Whether a file may be replaced: it is not there, or begins as ours do."""
    try:
        head = path.read_bytes()[:2000]
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return _GENERATOR.encode() in head or head.startswith(b"recording,mood,status,")


#: Stands in the head of our index.
_GENERATOR = '<meta name="generator" content="moodal: many recordings">'
