"""The page's HTML: plain text and tables that stand without script, and around them what draws."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from functools import cache
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

from moodal.core.mood import Mood
from moodal.core.summary import against_baseline
from moodal.formats.files import write_text

from . import pack, rests, scalp, story, words

__all__ = ["mark", "render", "symbols", "write"]

#: The page's own scripts, in the order in which they are joined.
SCRIPTS = (
    "util", "data", "state", "paint", "lanes", "signals", "ruler", "overview", "tracks", "values", "now", "stage",
    "lists", "scalp", "dialogs", "picture", "print", "input", "main",
)  # fmt: skip
#: Rows of the plain tables; the rest is in the folder's Parquet files and, with script, in the lists.
MAX_ROWS = 400


@cache
def _file(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


@cache
def script() -> str:
    """All scripts as one, in one scope of their own."""
    return '"use strict";\n(() => {\n' + "\n".join(_file(f"js/{name}.js") for name in SCRIPTS) + "\n})();\n"


@cache
def style() -> str:
    """The stylesheets as one."""
    return _file("page.css") + _file("scalp.css")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def policy() -> str:
    """Content policy: the page's own script and style by their hashes, the recording beside it, nothing else."""
    return (
        f"default-src 'none'; script-src {_hash(script())}; style-src {_hash(style())}; "
        "img-src 'self' file: blob: data:; media-src 'self' file: blob:; base-uri 'none'; form-action 'none'"
    )


def mark(index: int) -> str:
    """A person's shape: four, then the same hollow, then hollow with the number inside."""
    shape = f'<use href="#mark{index % 4}"/>'
    number = f'<text x="8" y="11.2">{index + 1}</text>' if index >= 8 else ""
    kind = "hollow" if index >= 4 else "full"
    return f'<svg class="mark {kind} s{index % 4}" viewBox="0 0 16 16" aria-hidden="true">{shape}{number}</svg>'


def _name(mood: Mood, subject: str) -> str:
    index = list(mood.subjects).index(subject)
    return f'<span class="name" data-s="{index}">{escape(words.person_name(subject, mood.names))}</span>'


def _moment(mood: Mood, start: float, end: float) -> str:
    if mood.still:
        return "this picture"
    return words.moment_span(start, end, clock=mood.clock, duration=mood.duration_s)


def _sentences(mood: Mood, told: story.Story) -> str:
    rows = []
    order = list(mood.subjects)
    for subject, parts in told.sentences:
        text = "".join(
            f'<a href="#t={part.t:g}&amp;p={escape(part.subject)}">{escape(part.text)}</a>'
            if isinstance(part, story.Link)
            else escape(part)
            for part in parts
        )
        rows.append(f'<p class="sentence">{mark(order.index(subject))}{_name(mood, subject)}{text}</p>')
    if told.more:
        rows.append(
            f'<p class="sentence more"><a href="#{"stage" if mood.still else "tracks"}">{escape(told.more)}</a></p>'
        )
    if not mood.subjects:
        rows.append(f'<p class="sentence">{escape("".join(map(str, told.cannot)))}</p>')
    rows += [f'<p class="state">{escape(note)}</p>' for note in told.notes]
    return "\n".join(rows)


def _cannot(mood: Mood, told: story.Story) -> str:
    if not any(s.told.any() for s in mood.subjects.values()):
        return "The reasons are in the list of gaps."
    order = list(mood.subjects)
    return "".join(
        f'<span class="name" data-s="{order.index(part.subject)}">{escape(part.text)}</span>'
        if isinstance(part, story.Who)
        else escape(part)
        for part in told.cannot
    )


def _facts(mood: Mood) -> str:
    kinds = list(dict.fromkeys(words.STREAM_NAMES.get(s.kind, s.kind) for s in mood.streams))
    seen = sum(len(s.seen) > 0 for s in mood.subjects.values())
    length = "one picture" if mood.still else words.length_text(mood.duration_s, clock=mood.clock)
    who = [words.plural(seen, "person")] if seen else []
    who += [_unseen(mood, s.id) for s in mood.subjects.values() if not s.seen]
    return " · ".join(x for x in [length, "" if mood.still else ", ".join(kinds), ", ".join(who) or "nobody"] if x)


def _unseen(mood: Mood, subject: str) -> str:
    return mood.names.get(subject) or words.person_name(subject).lower()


def _table(caption: str, head: Iterable[str], rows: list[list[str]], note: str) -> str:
    """A plain table; cells are HTML already."""
    cells = "".join(f"<th scope=col>{escape(h)}</th>" for h in head)
    body = "".join("<tr>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>\n" for row in rows[:MAX_ROWS])
    more = (
        f"<p>{len(rows) - MAX_ROWS:,} more rows are in {escape(note)} beside this page.</p>"
        if len(rows) > MAX_ROWS
        else ""
    )
    return (
        f'<details open class="plain"><summary>{escape(caption)}</summary><div class="wide" tabindex="0" role="region" '
        f'aria-label="{escape(caption)}"><table><thead><tr>{cells}</tr></thead><tbody>\n{body}</tbody></table></div>{more}</details>'
    )


def _interval(value: dict[str, Any]) -> str:
    if value["value"] is None:
        return "not told"
    return f"{words.signed(value['value'])}, {words.signed(value['low'])} to {words.signed(value['high'])}"


def _weights(mood: Mood, support: dict[str, float]) -> str:
    if mood.calibrated:
        return ", ".join(f"{m} {round(v * 100)}{words.NBSP}%" for m, v in support.items())
    return ", ".join(f"{m} {v:.2f}" for m, v in support.items())


def _segments(mood: Mood, summary: dict[str, Any]) -> str:
    rows = []
    for index, subject in enumerate(summary["subjects"]):
        name = f"{mark(index)} {_name(mood, subject['id'])}"
        for s in subject["segments"]:
            nothing = not s["label_set"] and s["valence"]["value"] is None and s["arousal"]["value"] is None
            label = words.set_text(s["label_set"]) if s["label_set"] or nothing else "not told"
            names = f" ({', '.join(s['label_set'])})" if label == "unclear" else ""
            if against := against_baseline(s):
                label = f"arousal {against} baseline"
            rows.append(
                [
                    escape(_moment(mood, s["start_s"], s["end_s"])),
                    name,
                    escape(label + names),
                    escape(_interval(s["valence"])),
                    escape(_interval(s["arousal"])),
                    escape(_weights(mood, s["support"])) or "nothing",
                ]
            )
    head = ("When", "Who", "Label set", "Valence, interval", "Arousal, interval", "Rests on")
    return _table("Every stretch of like state", head, rows, "summary.json")


def _gap_rows(mood: Mood) -> list[list[str]]:
    """Every gap as cells of HTML; those that say the same at the same time about one subject are one row."""
    order = {name: i for i, name in enumerate(mood.subjects)}
    merged: dict[tuple[int, int, int, str, str], list[str]] = {}
    for s in mood.subjects.values():
        for f in story.fused_gaps(mood, s):
            key = (
                pack.millis(f.start),
                order[s.id],
                pack.millis(f.end),
                s.id,
                f"we cannot tell ({pack.fused_words(f)})",
            )
            merged[key] = ["all"]
    rank = {m: i for i, m in enumerate(mood.modalities)}
    for g in sorted(mood.gaps, key=lambda g: (g.start, rank.get(g.modality, -1))):
        reason = words.reason_here(g.reason, g.modality, whole=pack.lasts(g, mood))
        key = (pack.millis(g.start), order.get(g.subject, -1), pack.millis(g.end), g.subject, reason)
        merged.setdefault(key, []).append(g.modality)
    rows = []
    for (start, index, end, subject, reason), named in sorted(merged.items(), key=lambda item: (item[0][:2], item[1])):
        who = f"{mark(index)} {_name(mood, subject)}" if index >= 0 else escape(words.person_name(""))
        length = words.length_text((end - start) / 1000, clock=mood.clock)
        when = _moment(mood, start / 1000, end / 1000)
        rows.append([escape(when), who, *(escape(x) for x in (words.joined(named), reason, length))])
    return rows


def symbols() -> str:
    """The shapes of persons, for `mark`."""
    shapes = (
        '<circle cx="8" cy="8" r="6"/>',
        '<path d="M8 1.8 14.6 13.6H1.4z"/>',
        '<path d="M2.6 2.6h10.8v10.8H2.6z"/>',
        '<path d="M8 1 15 8 8 15 1 8z"/>',
    )
    body = "".join(f'<symbol id="mark{i}" viewBox="0 0 16 16">{s}</symbol>' for i, s in enumerate(shapes))
    return f'<svg class="symbols" aria-hidden="true">{body}</svg>'


def render(mood: Mood, *, media: str | None = None) -> str:
    """The page as text.

    Parameters
    ----------
    mood : what was told; tracks ``face.quality`` (boxes) and ``voice.activity`` (level) are drawn if it has them.
    media : path of the recording relative to the page's folder, as a URL; ``None`` where there is none.
    """
    summary = pack.summary_object(mood)
    grid, where, signals = pack.page_grid(mood)
    told = story.tell(mood, summary)
    data = pack.page_data(mood, media, signals, where)
    slim = {**summary, "words": [], "gaps": [], "subjects": [{**s, "gaps": []} for s in summary["subjects"]]}
    gap_rows = _gap_rows(mood)
    count = len(gap_rows)
    all_gaps = (
        f'<a href="#gaps">{escape("All " + words.plural(count, "gap") if count != 1 else "The gap")}</a>'
        if count
        else ""
    )
    # Where nothing is told the sentence says so, and why, in words; the warning would say it in codes.
    silent = "" if any(s.told.any() for s in mood.subjects.values()) else f"{mood.recording}: nothing could be told"
    unique = [w for w in dict.fromkeys(mood.warnings) if not silent or not w.startswith(silent)]
    parts = {
        "policy": escape(policy(), quote=True),
        "title": escape(f"{mood.recording}: displayed emotion"),
        "style": style(),
        "symbols": symbols(),
        "recording": escape(mood.recording),
        "facts": escape(_facts(mood)),
        "warnings": f'<p class="warning">{escape(" ".join(unique))}</p>' if unique else "",
        "sentences": _sentences(mood, told),
        "cannot": f"<p>{_cannot(mood, told)} {all_gaps}</p>",
        "scalp": scalp.scalp(mood),
        "rests": rests.rests_on(mood),
        "footer": rests.footer(mood, data["step"]),
        "segments": _segments(mood, summary) if summary["subjects"] else "",
        "gaps": _table("Every gap, and why", ("When", "Who", "Modality", "Reason", "Length"), gap_rows, "gaps.parquet"),
        "data": pack.inline_json(data),
        "summary": pack.inline_json(slim),
        "provenance": pack.inline_json(rests.plain(mood.provenance)),
        "grid": grid,
        "script": script(),
    }
    # One pass, so that braces in a name or a word are text like any other.
    return re.sub(r"\{\{(\w+)\}\}", lambda m: parts[m[1]], _file("template.html"))


def write(mood: Mood, folder: Path, *, media: Path | None) -> None:
    """Write ``index.html`` into ``folder``, whole or not at all; ``media`` is the recording's path from there.

    Raises
    ------
    OutputError : the folder cannot be written to, or the disk is full.
    """
    url = None if media is None else _url(media)
    write_text(folder / "index.html", render(mood, media=url))


def _url(path: Path) -> str:
    """A relative path as a URL that is read as a path whatever it holds (``a:b``, ``?``, ``#``)."""
    if path.is_absolute():
        return path.as_uri()
    text = quote(path.as_posix(), safe="/")
    return text if text.startswith(".") else f"./{text}"
