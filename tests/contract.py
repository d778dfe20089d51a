"""What the contract says a summary object is, checked field by field; and a way to run commands in this process."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moodal.core.scheme import scheme
from moodal.core.track import GAP_REASONS

# fmt: off
REASONS = frozenset((
    "no_face", "face_small", "face_turned", "face_blurred", "dark", "occluded", "silence", "noise", "clipped", "music",
    "overlap", "language", "no_words", "no_contact", "flat", "saturated", "artefact", "too_short", "not_finite",
    "out_of_range", "no_stream", "unreadable", "out_of_domain", "warm_up", "no_model", "not_asked",
))
# fmt: on
BASES = ("measured", "mapped", "none")
#: A frame of the slowest stream here, with the rounding of four digits.
FRAME = 0.11


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Standard output as JSON, one object a line and nothing else."""
        return [json.loads(line, parse_constant=pytest.fail) for line in self.out.splitlines()]

    @property
    def complaints(self) -> list[str]:
        """Lines of standard error that are no progress."""
        return [line for line in self.err.splitlines() if not line.endswith("…")]


def run(*arguments: str | Path, cwd: Path) -> Ran:
    """`moodal ARGUMENTS` in ``cwd``, as the command does it, without the start of another process."""
    from moodal.cli import main

    out, err = io.StringIO(), io.StringIO()
    before = sys.argv
    code: int | str | None = None
    with (
        contextlib.chdir(cwd),
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        patch.setenv("COLUMNS", "80")
        try:
            sys.argv = ["moodal", *map(str, arguments)]
            main()
        except SystemExit as stop:
            code = stop.code
        finally:
            sys.argv = before
    assert isinstance(code, int), (arguments, code)
    result = Ran(code, out.getvalue(), err.getvalue())
    for line in result.complaints if arguments else ():
        assert line.startswith("moodal: ") or arguments[0] == "extract", (arguments, result.err)
    assert "Traceback" not in result.err
    assert "unexpected " not in result.err, result.err
    if "--json" not in arguments:
        assert max(map(len, result.out.splitlines()), default=0) <= 80, result.out
    return result


def check_dimension(value: dict[str, Any]) -> None:
    assert {"value", "low", "high", "level", "basis"} <= set(value)
    assert value["basis"] in BASES
    numbers = [value[k] for k in ("value", "low", "high")]
    if value["basis"] == "none":
        assert numbers == [None] * 3
    else:
        assert -1 <= value["low"] <= value["value"] <= value["high"] <= 1
    if value["basis"] != "measured":
        assert value["level"] is None


def check_classes(state: dict[str, Any], name: str) -> None:
    if not state["classes"]:
        assert state["classes"] == {}
        assert state["label_set"] == []
        return
    assert set(state["classes"]) == set(scheme(name).classes)
    assert sum(state["classes"].values()) == pytest.approx(1, abs=1e-9)
    assert all(0 <= p <= 1 for p in state["classes"].values())
    assert state["label_set"]
    assert set(state["label_set"]) <= set(state["classes"])


def check_state(state: dict[str, Any], main: str, others: tuple[str, ...]) -> None:
    check_dimension(state["valence"])
    check_dimension(state["arousal"])
    check_classes(state, main)
    assert set(state.get("schemes", {})) == set(others)
    for name in others:
        check_classes(state["schemes"][name], name)


def check_gaps(gaps: list[dict[str, Any]], duration: float) -> None:
    for gap in gaps:
        assert set(gap) >= {"modality", "start_s", "end_s", "reason"}
        assert gap["reason"] in REASONS
        assert 0 <= gap["start_s"] < gap["end_s"] <= duration + 1e-3
    for modality in {g["modality"] for g in gaps}:
        spans = sorted((g["start_s"], g["end_s"]) for g in gaps if g["modality"] == modality)
        for (_, end), (start, _) in pairwise(spans):
            assert start >= end - 1e-3, (modality, spans)


def check_subject(subject: dict[str, Any], duration: float, main: str, others: tuple[str, ...]) -> None:
    own = subject["id"]
    assert own in ("voice", "body", "text") or (own[0] == "p" and own[1:].isdigit()), own
    assert bool(subject["seen"]) == (own[0] == "p"), subject["seen"]
    for start, end in subject["seen"]:
        assert 0 <= start < end <= duration + 1e-3
    check_state(subject["overall"], main, others)
    segments = subject["segments"]
    assert 1 <= len(segments) <= 200
    assert segments[0]["start_s"] == 0
    assert segments[-1]["end_s"] == pytest.approx(duration, abs=1e-3)
    for one, following in pairwise(segments):
        assert one["end_s"] == following["start_s"]
    for segment in segments:
        assert segment["start_s"] < segment["end_s"]
        check_state(segment, main, others)
        if segment["support"]:
            assert sum(segment["support"].values()) == pytest.approx(1, abs=2e-3)
            assert all(v >= 0 for v in segment["support"].values())
        told = segment["classes"] or segment["valence"]["value"] is not None or segment["arousal"]["value"] is not None
        assert bool(told) == bool(segment["support"]), segment
    check_gaps(subject["gaps"], duration)


def check_summary(summary: dict[str, Any], *, others: tuple[str, ...] = (), timing: bool = True) -> None:
    """The shape that the contract promises, of a recording analysed from its start to its end."""
    wanted = {"moodal", "schema", "recording", "duration_s", "still", "clock", "streams", "scheme", "calibrated"}
    assert wanted | {"subjects", "words", "models", "warnings"} <= set(summary)
    assert summary["schema"] == 1
    assert summary["clock"] in ("time", "order")
    assert isinstance(summary["still"], bool)
    assert isinstance(summary["calibrated"], bool)
    assert summary["duration_s"] > 0
    assert ("timing" in summary) == timing
    if timing:
        assert {"load_s", "analysis_s", "real_time"} <= set(summary["timing"])
    for stream in summary["streams"]:
        assert {"name", "kind", "rate_hz", "start_s", "end_s"} <= set(stream)
        assert stream["start_s"] <= stream["end_s"] <= summary["duration_s"] + FRAME, stream
    ids = [s["id"] for s in summary["subjects"]]
    assert len(set(ids)) == len(ids)
    persons = [i for i in ids if i[0] == "p"]
    assert persons == [f"p{k + 1}" for k in range(len(persons))]
    first = [s["seen"][0][0] for s in summary["subjects"] if s["seen"]]
    assert first == sorted(first)
    for subject in summary["subjects"]:
        check_subject(subject, summary["duration_s"], summary["scheme"], others)
    ends = [s["end_s"] for s in summary["streams"] if s["kind"] == "picture"]
    seen = [end for s in summary["subjects"] for _, end in s["seen"]]
    assert not seen or max(seen) <= max(ends) + FRAME, "seen where there is no picture"
    for word in summary["words"]:
        assert {"start_s", "end_s", "text", "subject"} <= set(word)
        assert word["subject"] in ids, word
        assert 0 <= word["start_s"] <= word["end_s"] <= summary["duration_s"] + FRAME, word
    for model in summary["models"]:
        assert {"name", "version", "licence", "commercial"} <= set(model)
        assert model["licence"]
    assert all(isinstance(w, str) and "\n" not in w for w in summary["warnings"])
    if not any(s["overall"]["classes"] or s["overall"]["arousal"]["value"] is not None for s in summary["subjects"]):
        assert summary["warnings"], "only gaps, and no warning"


def check_cover(folder: Path) -> None:
    """For each subject and modality of a saved Mood: covered + gap = duration, and table and JSON agree."""
    import moodal

    mood = moodal.load(folder)
    widths = np.diff(mood.edges)
    for told in mood.summary()["subjects"]:
        subject = mood[told["id"]]
        for modality in mood.modalities:
            gap = sum(g["end_s"] - g["start_s"] for g in told["gaps"] if g["modality"] == modality)
            covered = float(widths[np.nan_to_num(subject.support[modality]) > 0].sum())
            assert covered + gap == pytest.approx(mood.duration_s, abs=FRAME), (subject.id, modality)
            stored = [(g.start, g.end, g.reason) for g in mood.gaps_of(subject.id, modality)]
            assert len(stored) == sum(g["modality"] == modality for g in told["gaps"])
    assert set(GAP_REASONS) == REASONS


def check_folder(folder: Path, *, kept: tuple[str, ...] = ()) -> None:
    """What ``NAME.mood/`` holds."""
    wanted = {"summary.json", "index.html", "mood.parquet", "words.parquet", "gaps.parquet", "tracks"}
    assert wanted | {"provenance.json"} <= {p.name for p in folder.iterdir()}
    provenance = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    assert {"models", "settings", "versions", "schema"} <= set(provenance)
    assert len(provenance["recording"]["sha256"]) == 64
    tracks = {p.name for p in (folder / "tracks").iterdir()}
    assert ("face.landmarks.parquet" in tracks) == ("face.landmarks" in kept)
    assert not [p for p in os.listdir(folder.parent) if p.endswith(".partial")]
