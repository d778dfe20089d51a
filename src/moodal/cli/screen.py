"""What a person sees in a terminal of 80 columns: progress, and a Mood in a few lines."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from moodal.core.summary import against_baseline

__all__ = ["console", "errors", "mood_lines", "plain", "progress", "stamp", "steps", "warning"]

#: Marks of persons in order, as on the page; shape before colour.
_MARKS = ("●", "▲", "■", "◆", "○", "△", "□", "◇")
_HUES = ("blue", "yellow", "magenta", "cyan")
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}


def console(*, error: bool = False) -> Console:
    """Standard output (or error), never wider than 100 columns so that lines stay readable."""
    plain = Console(stderr=error, highlight=False)
    return Console(stderr=error, highlight=False, width=min(plain.width, 100)) if plain.width > 100 else plain


def plain(text: str) -> str:
    """Text from outside in one line; what would steer a terminal (a name may hold anything) is spelt out."""
    return " ".join(text.split()).translate(_CONTROLS)


def errors(line: str) -> None:
    """One line on standard error."""
    print(f"moodal: {plain(line)}", file=sys.stderr)


def warning(line: str) -> None:
    """One line on standard error, in the colour of a warning where that is a terminal."""
    console(error=True).print(Text(f"moodal: {plain(line)}", style="yellow"), soft_wrap=True)


def stamp(seconds: float) -> str:
    """``4.2 s``, ``13:16`` or ``1:02:05``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def _moment(seconds: float, duration: float) -> str:
    """A position in a recording: in one spelling throughout it, ``0:00`` beside ``13:16``."""
    return stamp(seconds) if duration < 60 or seconds >= 60 else f"0:{min(round(seconds), 59):02d}"


@contextmanager
def steps(what: str) -> Iterator[Callable[[str, float], None]]:
    """As `progress`, with a word on what was done last beside the share."""
    screen = console(error=True)
    if not screen.is_terminal or os.environ.get("TERM") == "dumb":
        errors(f"{what} …")
        yield lambda *_: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(None),
        TaskProgressColumn(),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=screen, transient=True) as bars:
        task = bars.add_task(escape(plain(what)), total=1.0)
        yield lambda told, share: bars.update(task, completed=share, description=escape(plain(told)))


@contextmanager
def progress(what: str) -> Iterator[Callable[[float], None]]:
    """A bar with the share done and the time left, on standard error, gone when finished.

    Where standard error is no terminal it says a line when it starts and nothing else.
    """
    screen = console(error=True)
    if not screen.is_terminal or os.environ.get("TERM") == "dumb":
        errors(f"{what} …")
        yield lambda _: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(None),
        TaskProgressColumn(),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=screen, transient=True) as bars:
        what = plain(what)
        task = bars.add_task(escape(what if len(what) <= 40 else f"{what[:39]}…"), total=1.0)
        yield lambda share: bars.update(task, completed=share)


@contextmanager
def many_progress(count: int, jobs: int) -> Iterator[tuple[Callable[[float], None], Callable[[Any], None]]]:
    """One bar for all recordings with how many are done and the time left, and a way to print above it.

    Where standard error is no terminal it says a line when it starts and nothing else.
    """
    screen, paper = console(error=True), console()
    if not screen.is_terminal or os.environ.get("TERM") == "dumb":
        errors(f"{count} recordings, {jobs} at a time …" if jobs > 1 else f"{count} recordings …")
        yield (lambda _: None), paper.print
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(None),
        TextColumn("{task.fields[done]} of {task.total:.0f}"),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=screen, transient=True, speed_estimate_period=120) as bars:
        task = bars.add_task("recordings", total=float(count), done=0)
        # Both streams are the terminal: what is printed must pass the bar. Piped, it goes straight.
        printer = bars.console.print if paper.is_terminal else paper.print
        yield (lambda share: bars.update(task, completed=share, done=int(share + 1e-6))), printer


def recording_line(summary: dict[str, Any], *, skipped: bool) -> Text:
    """One recording in one line: what it is, who, and what is displayed over the whole of it."""
    line = Text(plain(summary["recording"]), style="bold").append(f"  {stamp(summary['duration_s'])}  ", style="dim")
    for index, subject in enumerate(summary["subjects"][:4]):
        hue = _HUES[index % len(_HUES)]
        line.append(f"{_MARKS[index % len(_MARKS)]} ", style=hue).append(_state(subject["overall"], hue))
        line.append("  ")
    if len(summary["subjects"]) > 4:
        line.append(f"and {len(summary['subjects']) - 4} more  ", style="dim")
    if not summary["subjects"]:
        line.append("nobody is seen or heard  ", style="dim")
    return line.append("finished before", style="dim") if skipped else line


def _dimension(name: str, value: dict[str, Any], low: str, high: str) -> Text:
    line = Text(f"{name:<8}")
    if value["value"] is None:
        return line.append("not told", style="dim")
    cells = 21
    at = [round((value[k] + 1) / 2 * (cells - 1)) for k in ("low", "value", "high")]
    bar = ["·"] * cells
    bar[cells // 2] = "│"
    bar[at[0] : at[2] + 1] = ["━"] * (at[2] + 1 - at[0])
    bar[at[1]] = "●"
    line.append(f"{low:>10} ").append("".join(bar)).append(f" {high:<9}")
    return line.append(f" {value['value']:+.2f}".replace("-", "−"), style="bold").append(
        f" ({value['low']:+.2f} to {value['high']:+.2f})".replace("-", "−"), style="dim"
    )


def _labels(labels: list[str], styled: str) -> Text:
    if not labels:
        return Text("we cannot tell", style="dim italic")
    if len(labels) >= 4:
        return Text(f"unclear ({len(labels)} labels possible)", style="dim")
    return Text(" or ".join(labels), style=f"bold {styled}" if len(labels) == 1 else styled)


def _state(segment: dict[str, Any], styled: str) -> Text:
    against = against_baseline(segment)
    if against:
        return Text(f"arousal {against} baseline", style=f"bold {styled}" if against != "about" else styled)
    return _labels(segment["label_set"], styled)


def _subject(subject: dict[str, Any], index: int, duration: float) -> list[Any]:
    hue = _HUES[index % len(_HUES)]
    names = {"voice": "a voice, nobody seen", "text": "the text", "body": "the wearer, nobody seen"}
    seen = sum(b - a for a, b in subject["seen"])
    head = Text(
        f"{_MARKS[index % len(_MARKS)]} {plain(subject.get('name') or '') or names.get(subject['id'], subject['id'])}",
        style=f"bold {hue}",
    )
    if subject["seen"]:
        head.append(f"  in view {stamp(seen)} of {stamp(duration)}", style="dim")
    lines: list[Any] = [head]
    overall = subject["overall"]
    lines.append(Text("  ").append(_dimension("valence", overall["valence"], "unpleasant", "pleasant")))
    lines.append(Text("  ").append(_dimension("arousal", overall["arousal"], "calm", "activated")))
    table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
    for column in range(3):
        table.add_column(justify="right" if column == 0 else "left", no_wrap=column == 0)
    shown = sorted(subject["segments"], key=lambda s: s["start_s"] - s["end_s"])[:8]
    for segment in sorted(shown, key=lambda s: float(s["start_s"])):
        rests = ", ".join(f"{m} {round(100 * v)} %" for m, v in sorted(segment["support"].items(), key=lambda i: -i[1]))
        when = f"{_moment(segment['start_s'], duration)} to {_moment(segment['end_s'], duration)}"
        table.add_row(f"  {when}", _state(segment, hue), Text(rests and f"from {rests}", style="dim"))
    lines.append(table)
    if len(subject["segments"]) > len(shown):
        lines.append(Text(f"  and {len(subject['segments']) - len(shown)} shorter stretches", style="dim"))
    missing: dict[str, dict[str, float]] = {}
    for gap in subject["gaps"]:
        row = missing.setdefault(gap["modality"], {})
        row[gap["reason"]] = row.get(gap["reason"], 0.0) + gap["end_s"] - gap["start_s"]
    # What several modalities miss alike is one line; a gap that reads 0.0 s is none.
    alike: dict[str, list[str]] = {}
    for modality, rows in missing.items():
        told = [f"{reason} {stamp(s)}" for reason, s in sorted(rows.items(), key=lambda i: -i[1]) if s >= 0.05]
        if told:
            alike.setdefault(", ".join(told), []).append(modality)
    lines += [Text(f"  {', '.join(named)} missing: {why}", style="dim") for why, named in alike.items()]
    return lines


def mood_lines(summary: dict[str, Any], *, path: str = "", warnings: bool = True) -> Group:
    """A summary object as a person reads it: who, when, what, how sure, what is missing and why.

    Without ``warnings`` where they are said on standard error instead.
    """
    streams = ", ".join(s["name"] for s in summary["streams"])
    head = Text(plain(summary["recording"]), style="bold").append(
        f"  {stamp(summary['duration_s'])}, {streams}", style="dim"
    )
    lines: list[Any] = [head]
    for index, subject in enumerate(summary["subjects"]):
        lines += _subject(subject, index, summary["duration_s"])
    if not summary["subjects"]:
        why = ", ".join(sorted({g["reason"] for g in summary["gaps"]}))
        lines.append(Text(f"nobody is seen or heard ({why})"))
    if base := summary.get("baseline"):
        when = f"{stamp(base['start_s'])} to {stamp(base['end_s'])} ({base['how']})"
        lines.append(Text(f"Arousal of the body is relative to {when}; whether it was pleasant, a body does not tell."))
    lines += [Text(f"! {plain(w)}", style="yellow") for w in summary["warnings"] if warnings]
    if not summary["calibrated"]:
        lines.append(Text("Scores, not calibrated on people. Displayed emotion, not what anybody feels.", style="dim"))
    if timing := summary.get("timing"):
        speed = f"{timing['real_time']:.1f} × real time, models loaded in {timing['load_s']:.1f} s"
        lines.append(Text(f"analysed in {timing['analysis_s']:.1f} s ({speed})", style="dim"))
    if path:
        lines.append(Text("page  ").append(path.translate(_CONTROLS), style="underline"))
    return Group(*lines)
