"""``--write audformat``: a database that audformat opens: ``db.yaml`` and a segmented table for each subject."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from moodal.core.mood import Mood
from moodal.core.scheme import scheme

from .files import disk_errors, write_text
from .tables import write_table
from .writer import WriterSpec, one_line, person, stem

__all__ = ["SPEC"]

_NUMBERS = tuple(f"{d}{s}" for d in ("valence", "arousal") for s in ("", ".low", ".high"))


def write(mood: Mood, folder: Path) -> list[str]:
    """``STEM-audformat/``: ``db.yaml``, ``db.emotion.SUBJECT.csv`` and, where words were said, ``db.words.csv``."""
    home = folder / f"{stem(mood)}-audformat"
    with disk_errors(home):
        home.mkdir(parents=True, exist_ok=True)
    tables: dict[str, tuple[str, ...]] = {}
    for subject in mood.summary()["subjects"]:
        name = f"emotion.{re.sub(r'[^A-Za-z0-9_-]', '_', subject['id'])}"
        columns = _segments(mood, subject)
        tables[name] = tuple(columns)[3:]
        write_table(home / f"db.{name}.csv", columns)
    if mood.words:
        columns = _words(mood)
        tables["words"] = tuple(columns)[3:]
        write_table(home / "db.words.csv", columns)
    write_text(home / "db.yaml", _yaml(_header(mood, tables)))
    return []


def _file(mood: Mood) -> str:
    """The recording's name as a path inside the database: relative, with slashes, leading nowhere else."""
    return one_line(mood.recording).replace("\\", "_").replace("/", "_").lstrip(".") or "recording"


def _delta(seconds: float) -> str:
    """A time as pandas spells it in audformat's tables: ``0 days 00:00:01.250000``."""
    micro = round(seconds * 1e6)
    days, rest = divmod(micro, 86_400_000_000)
    whole, part = divmod(rest, 1_000_000)
    return f"{days} days {whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}.{part:06d}"


def _index(mood: Mood, spans: list[tuple[float, float]]) -> dict[str, Any]:
    return {
        "file": np.full(len(spans), _file(mood), object),
        "start": np.array([_delta(a) for a, _ in spans], object),
        "end": np.array([_delta(b) for _, b in spans], object),
    }


def _segments(mood: Mood, subject: dict[str, Any]) -> dict[str, Any]:
    segments = subject["segments"]
    columns = _index(mood, [(s["start_s"], s["end_s"]) for s in segments])
    # One label is told only where the set holds one; a set of several stands in its own column.
    columns["emotion"] = np.array([s["label_set"][0] if len(s["label_set"]) == 1 else None for s in segments], object)
    columns["emotion.set"] = np.array(["|".join(s["label_set"]) or None for s in segments], object)
    for name in ("valence", "arousal"):
        for suffix, key in (("", "value"), (".low", "low"), (".high", "high")):
            values = [np.nan if s[name][key] is None else s[name][key] for s in segments]
            columns[f"{name}{suffix}"] = np.array(values, float)
    columns["speaker"] = np.full(len(segments), subject["id"], object)
    return columns


def _words(mood: Mood) -> dict[str, Any]:
    """Words of every subject; two with the very same times are one row, for audformat's index holds each once."""
    rows: dict[tuple[str, str], tuple[float, float, list[str], str]] = {}
    for word in mood.words:
        end = max(word.end, word.start + 1e-6)
        key = (_delta(word.start), _delta(end))
        rows.setdefault(key, (word.start, end, [], word.subject))[2].append(one_line(word.text))
    columns = _index(mood, [(a, b) for a, b, _, _ in rows.values()])
    columns["transcription"] = np.array([" ".join(texts) for _, _, texts, _ in rows.values()], object)
    columns["speaker"] = np.array([who for _, _, _, who in rows.values()], object)
    return columns


def _header(mood: Mood, tables: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    kinds = {s.kind for s in mood.streams}
    kind = "video" if "picture" in kinds else "audio" if "sound" in kinds else "other"
    media: dict[str, Any] = {"type": kind}
    suffix = Path(_file(mood)).suffix.lower().lstrip(".")
    if suffix:
        media["format"] = suffix
    labels = list(scheme(mood.scheme).classes)
    about = "Displayed emotion, not what anybody feels."
    about += "" if mood.calibrated else " Label sets and intervals are not calibrated on people."
    speakers = {s: {"name": person(mood, s)} for s in dict.fromkeys([*mood.subjects, *(w.subject for w in mood.words)])}
    schemes: dict[str, Any] = {
        "emotion": {"description": f"{mood.scheme}: {scheme(mood.scheme).source}", "dtype": "str", "labels": labels},
        "emotion.set": {"description": "smallest label set that reaches the coverage, joined by |", "dtype": "str"},
        **{name: {"dtype": "float", "minimum": -1, "maximum": 1} for name in _NUMBERS},
        "speaker": {"dtype": "str", "labels": speakers},
        "transcription": {"description": "a word", "dtype": "str"},
    }
    if not labels:
        del schemes["emotion"]["labels"]
    if not speakers:
        del schemes["speaker"]["labels"]
    return {
        "name": "moodal",
        "description": about,
        "source": f"moodal {mood.provenance.get('moodal', '')}".strip(),
        "usage": "other",
        "languages": [],
        "media": {"recording": media},
        "raters": {"moodal": {"type": "machine"}},
        "schemes": schemes,
        "tables": {
            name: {
                "type": "segmented",
                "media_id": "recording",
                "columns": {c: {"scheme_id": c, "rater_id": "moodal"} for c in columns},
            }
            for name, columns in tables.items()
        },
    }


def _yaml(header: dict[str, Any]) -> str:
    """The header in YAML: block style by lines, JSON (which YAML 1.2 contains) for what stands in them."""
    lines: list[str] = []

    def put(key: str, value: Any, depth: int) -> None:
        if isinstance(value, dict) and value:
            lines.append(f"{'  ' * depth}{_scalar(key)}:")
            for name, item in value.items():
                put(name, item, depth + 1)
        else:
            lines.append(f"{'  ' * depth}{_scalar(key)}: {_scalar(value)}")

    for key, value in header.items():
        put(key, value, 0)
    return "\n".join(lines) + "\n"


def _scalar(value: Any) -> str:
    if isinstance(value, str) and re.fullmatch(r"[a-z][a-z0-9_.-]*", value) and value not in _YAML_WORDS:
        return value
    # No character that is a line break to YAML and not to JSON.
    return json.dumps(value, ensure_ascii=False).replace("\u2028", r"\u2028").replace("\u2029", r"\u2029")


#: Plain words that YAML reads as something else.
_YAML_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})

SPEC = WriterSpec("audformat", "a database of segments and words (audformat)", ("{stem}-audformat/db.yaml",), write)
