"""``--write fex``: faces as py-feat's Fex table (the names of its version 1), a row a face and frame.

What moodal does not measure stands there empty: 68 landmarks, place of the head, action units that its net does
not tell. Nothing of the identity's 512 numbers is written.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.mood import Mood
from moodal.core.track import Track

from .tables import write_table
from .writer import WriterSpec, person, stem

__all__ = ["COLUMNS", "SPEC"]

_BOX = ("FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight", "FaceScore")
_LANDMARKS = tuple(f"{axis}_{i}" for axis in "xy" for i in range(68))
_POSE = ("Pitch", "Roll", "Yaw", "X", "Y", "Z")
_GAZE = ("gaze_pitch", "gaze_yaw", "gaze_angle")
_UNITS = tuple(f"AU{i:02d}" for i in (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 17, 20, 23, 24, 25, 26, 28, 43))
_EMOTIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
#: Every column in order. ``time_s`` is ours: the true time of the frame.
COLUMNS = ("frame", "time_s", *_BOX, *_LANDMARKS, *_POSE, *_GAZE, *_UNITS, *_EMOTIONS, "Identity", "input")

Columns = dict[str, npt.NDArray[Any]]


def write(mood: Mood, folder: Path) -> list[str]:
    """``STEM.fex.csv``. A frame without any face is one row with an empty box."""
    faces = mood.tracks.get("face.quality")
    picture = next((s for s in mood.streams if s.kind == "picture"), None)
    notes: list[str] = []
    parts: list[Columns] = []
    if faces is None or picture is None:
        notes.append(f"{mood.recording}: --write fex: no faces were looked for, the table has no rows")
    else:
        rate = picture.rate_hz or 25.0
        size = [picture.info.get("width"), picture.info.get("height")]
        if not all(isinstance(v, (int, float)) for v in size):
            notes.append(f"{mood.recording}: --write fex: the picture's size is not known, boxes stay empty")
            size = [np.nan, np.nan]
        for subject in faces.subjects:
            track = faces[subject]
            inside = np.isfinite(_field(track, "x")) & (track.times < mood.duration_s)
            parts.append(_face(mood, subject, track, np.flatnonzero(inside), size))
        seen = np.sort(np.concatenate([p["time_s"] for p in parts])) if parts else np.empty(0)
        parts.append({"time_s": _empty_frames(mood, seen, rate)})
        for part in parts:
            part["frame"] = np.floor((part["time_s"] - picture.start_s) * rate + 0.5).astype(int)
    columns = _joined(parts)
    order = np.lexsort((columns["Identity"].astype(str), columns["time_s"]))
    columns = {name: values[order] for name, values in columns.items()}
    columns["input"] = np.full(len(order), mood.recording, object)
    write_table(folder / f"{stem(mood)}.fex.csv", columns)
    return notes


def _field(track: Track, name: str) -> npt.NDArray[Any]:
    return track[name] if name in track.fields else np.full(len(track), np.nan)


def _face(mood: Mood, subject: str, quality: Track, rows: npt.NDArray[Any], size: list[Any]) -> Columns:
    times = quality.times[rows]
    found: Columns = {"time_s": times, "Identity": np.full(len(rows), person(mood, subject), object)}
    scales = (size[0], size[1], size[0], size[1])
    for name, field, scale in zip(_BOX, ("x", "y", "width", "height"), scales, strict=False):
        found[name] = _field(quality, field)[rows].astype(float) * scale
    # The landmark net tells a logit that this is a face.
    found["FaceScore"] = 1 / (1 + np.exp(-_field(quality, "presence")[rows].astype(float)))
    for names, track, unit in (
        (("Pitch", "Roll", "Yaw"), "face.pose", 1.0),
        (("gaze_pitch", "gaze_yaw"), "face.gaze", np.pi / 180),
        (_UNITS, "face.action_units", 1.0),
        (_EMOTIONS, "face.expression", 1.0),
    ):
        told = _at(mood, track, subject, times)
        for name in names:
            field = name if track in ("face.action_units", "face.expression") else name.split("_")[-1].lower()
            if field in told:
                found[name] = told[field] * unit
    if "gaze_pitch" in found and "gaze_yaw" in found:
        found["gaze_angle"] = np.arccos(np.cos(found["gaze_pitch"]) * np.cos(found["gaze_yaw"]))
    return found


def _at(mood: Mood, name: str, subject: str, times: npt.NDArray[Any]) -> Columns:
    """A face track's fields at these frames; NaN at a frame that it does not tell."""
    tracks = mood.tracks.get(name)
    if tracks is None or subject not in tracks.by_subject or not len(tracks[subject]):
        return {}
    track = tracks[subject]
    at = np.clip(np.searchsorted(track.times, times - 1e-6), 0, len(track) - 1)
    same = np.abs(track.times[at] - times) < 1e-5
    return {field: np.where(same, track[field][at].astype(float), np.nan) for field in track.fields}


def _empty_frames(mood: Mood, seen: npt.NDArray[Any], rate: float) -> npt.NDArray[Any]:
    """Times of the frames that were looked at and hold no face: where none was for longer than two frames."""
    settings = mood.provenance.get("settings")
    settings = settings if isinstance(settings, dict) else {}
    step = max(1 / rate, 1 / float(settings.get("fps") or rate))
    start = float(settings.get("start_s") or 0.0)
    end = min(float(settings.get("end_s") or mood.duration_s), mood.duration_s)
    edges = np.concatenate([[start - step], seen, [end]])
    found = []
    for i in np.flatnonzero(np.diff(edges) > 1.5 * step):
        count = int(np.ceil((edges[i + 1] - edges[i]) / step - 1.5 + 1e-9)) if i + 2 < len(edges) else None
        if count is None:
            count = int(np.floor((edges[i + 1] - edges[i]) / step - 1e-6))
        found.append(edges[i] + step * np.arange(1, count + 1))
    return np.concatenate(found) if found else np.empty(0)


def _joined(parts: list[Columns]) -> Columns:
    """All rows under every column; what a part does not have is empty."""
    columns: Columns = {}
    counts = [len(p["time_s"]) for p in parts]
    for name in COLUMNS[:-1]:
        blank: Any = None if name == "Identity" else np.nan
        kind: Any = object if name == "Identity" else float
        rows = [p.get(name, np.full(n, blank, kind)) for p, n in zip(parts, counts, strict=True)]
        columns[name] = np.concatenate(rows) if rows else np.empty(0, kind)
    return columns


SPEC = WriterSpec("fex", "faces frame by frame with py-feat's column names", ("{stem}.fex.csv",), write)
