"""From a Mood to the few bytes that the page draws.

Numbers are kept to two decimals, one byte each, column after column, as differences, deflated and in
base64: two hours of one person take well under 3 MB. Where a recording is longer than `MAX_CELLS`, several
cells become one that shows the least sure of them and the widest interval.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.mood import Mood, MoodGap, SubjectMood
from moodal.core.scheme import scheme
from moodal.core.track import Track
from moodal.fuse.states import STATES

from . import story, words
from .signals import packed_signals

__all__ = ["DISPLAY_ORDER", "MAX_CELLS", "inline_json", "lasts", "millis", "page_data", "page_grid", "summary_object"]

#: Cells of all subjects together that the page holds at most.
MAX_CELLS = 120_000
#: Boxes a second, and boxes at most.
BOX_STEP_S, MAX_BOXES = 0.2, 40_000
#: A box older than this is not drawn, s.
BOX_AGE_S = 0.5

#: Order of class rows from pleasant to unpleasant, so that neighbours are alike; others as in their scheme.
DISPLAY_ORDER: dict[str, tuple[str, ...]] = {
    "ekman8": ("happiness", "surprise", "neutral", "contempt", "disgust", "fear", "anger", "sadness"),
    "sentiment3": ("positive", "neutral", "negative"),
}

Bytes = npt.NDArray[np.uint8]


def inline_json(value: Any) -> str:
    """JSON that may stand inside ``<script>``: nothing in it can end the element or start a comment."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def classes_shown(mood: Mood) -> tuple[str, ...]:
    """Labels of the main scheme in the order of the rows."""
    labels = scheme(mood.scheme).classes
    order = DISPLAY_ORDER.get(mood.scheme, labels)
    return order if set(order) == set(labels) else labels


def _coarse(mood: Mood) -> int:
    cells = len(mood.times) * max(len(mood.subjects), 1)
    return max(1, math.ceil(cells / MAX_CELLS))


def _blocks(rows: npt.NDArray[Any], factor: int, fill: float) -> npt.NDArray[Any]:
    """``(n, …)`` as ``(m, factor, …)``, the last block filled up."""
    short = -len(rows) % factor
    pad = np.full((short, *rows.shape[1:]), fill, dtype=rows.dtype)
    return np.concatenate([rows, pad]).reshape(-1, factor, *rows.shape[1:])


def _least_sure(subject: SubjectMood, chosen: npt.NDArray[np.bool_], factor: int) -> npt.NDArray[np.int64]:
    """For each block of cells the index of the least sure one: untold before a larger label set."""
    size = np.where(subject.told, chosen.sum(1), chosen.shape[1] + 1)
    blocks = _blocks(size, factor, -1)
    return np.asarray(np.arange(len(blocks)) * factor + blocks.argmax(1))


def _signed(values: npt.NDArray[Any]) -> Bytes:
    """[-1, 1] as 28 … 228 around 128, missing as 0."""
    whole = np.round(np.clip(np.nan_to_num(values), -1, 1) * 100) + 128
    return np.where(np.isfinite(values), whole, 0).astype(np.uint8)


def _share(values: npt.NDArray[Any]) -> Bytes:
    """[0, 1] as 0 … 100, missing as 255."""
    whole = np.round(np.clip(np.nan_to_num(values), 0, 1) * 100)
    return np.where(np.isfinite(values), whole, 255).astype(np.uint8)


def _dimension(rows: npt.NDArray[Any], pick: npt.NDArray[np.int64], factor: int) -> list[Bytes]:
    value = rows[pick]
    if factor > 1:
        whole = np.isfinite(value[:, 0])
        low = np.fmin.reduce(_blocks(rows[:, 1], factor, np.nan), axis=1)
        high = np.fmax.reduce(_blocks(rows[:, 2], factor, np.nan), axis=1)
        value = np.stack([value[:, 0], np.where(whole, low, np.nan), np.where(whole, high, np.nan)], 1)
    return [_signed(value[:, i]) for i in range(3)]


def _mask(chosen: npt.NDArray[np.bool_]) -> list[Bytes]:
    """The label set as bits, eight labels a byte, in the order of the rows."""
    packed = np.packbits(chosen, axis=1, bitorder="little")
    return [packed[:, i] for i in range(packed.shape[1])]


def _columns(mood: Mood, subject: SubjectMood, factor: int) -> list[Bytes]:
    labels = scheme(mood.scheme).classes
    order = [labels.index(name) for name in classes_shown(mood)]
    scores = subject.classes[mood.scheme][:, order]
    chosen = subject.label_set[mood.scheme][:, order]
    pick = _least_sure(subject, chosen, factor)
    told = subject.told[pick]
    columns = [told.astype(np.uint8)]
    for rows in (subject.valence, subject.arousal):
        columns += _dimension(rows, pick, factor)
    columns += [_share(scores[pick, i]) for i in range(len(order))]
    columns += _mask(chosen[pick])
    for shares in (subject.support, subject.quality):
        columns += [_share(shares[m][pick]) for m in mood.modalities]
    return columns


def _boxes(track: Track, duration: float) -> list[Bytes]:
    """x, y, width, height on an even grid as 0 … 250 of the picture's size; 255 where there is none."""
    step = max(BOX_STEP_S, duration / MAX_BOXES)
    at = np.arange(max(1, math.ceil(duration / step))) * step
    if not len(track.times):
        return []
    nearest = np.clip(np.searchsorted(track.times, at), 0, len(track.times) - 1)
    before = np.maximum(nearest - 1, 0)
    nearest = np.where(np.abs(track.times[before] - at) <= np.abs(track.times[nearest] - at), before, nearest)
    fresh = (np.abs(track.times[nearest] - at) <= max(BOX_AGE_S, step)) & ~track.missing().mask(at)
    rows = np.stack([track[name][nearest] for name in ("x", "y", "width", "height")], 1).astype(float)
    fresh &= np.isfinite(rows).all(1)
    return [np.where(fresh, np.round(np.clip(np.nan_to_num(c), 0, 1) * 250), 255).astype(np.uint8) for c in rows.T]


def _track(mood: Mood, name: str) -> Any:
    return mood.tracks.get(name)


def page_grid(mood: Mood) -> tuple[str, list[dict[str, Any]], list[dict[str, Any]]]:
    """The packed numbers, with what lies where: one entry a subject, one a signal."""
    factor = _coarse(mood)
    parts: list[Bytes] = []
    at = 0

    def add(columns: Sequence[Bytes]) -> int:
        nonlocal at
        start = at
        for column in columns:
            parts.append(np.diff(column, prepend=np.uint8(0)))
            at += len(column)
        return start

    subjects = []
    faces = _track(mood, "face.quality")
    for subject in mood.subjects.values():
        columns = _columns(mood, subject, factor)
        entry: dict[str, Any] = {"n": len(columns[0]), "at": add(columns), "boxes": None}
        if faces is not None and subject.id in faces.by_subject and mood.clock != "order":
            boxes = _boxes(faces[subject.id], mood.duration_s)
            if boxes:
                entry["boxes"] = {"n": len(boxes[0]), "at": add(boxes)}
        subjects.append(entry)
    signals = packed_signals(mood, add)
    raw = np.concatenate(parts).astype(np.uint8).tobytes() if parts else b""
    return base64.b64encode(zlib.compress(raw, 9)).decode("ascii"), subjects, signals


def _codec(mood: Mood, kind: str) -> str:
    return next((str(s.info.get("codec", "")) for s in mood.streams if s.kind == kind), "")


def millis(seconds: float) -> int:
    """Whole milliseconds, the page's unit of time."""
    return round(seconds * 1000)


def page_data(
    mood: Mood, media: str | None, signals: list[dict[str, Any]], where: list[dict[str, Any]]
) -> dict[str, Any]:
    """Everything else that the page's script needs to know."""
    factor = _coarse(mood)
    kinds = [s.kind for s in mood.streams]
    rate = next((s.rate_hz for s in mood.streams if s.kind == "picture" and s.rate_hz), None)
    kind = "image" if mood.still else "video" if "picture" in kinds else "audio" if "sound" in kinds else ""
    if not kind and any(s["track"].startswith("body.") for s in signals):
        kind = "signal"
    ids = list(mood.subjects)
    order = {name: i for i, name in enumerate(ids)}
    gaps = sorted(mood.gaps, key=lambda g: (g.start, order.get(g.subject, -1), g.modality, g.end))
    subjects = []
    for entry, subject in zip(where, mood.subjects.values(), strict=True):
        total = story.sums(mood, subject)
        subjects.append(
            {
                "id": subject.id,
                "name": words.person_name(subject.id, mood.names),
                "short": words.person_short(subject.id, mood.names),
                "given": subject.id in mood.names,
                "seen": len(subject.seen) > 0,
                "told_s": round(total.told, 4),
                "sums": story.sum_texts(mood, total),
                "cannot_s": round(total.cannot, 4),
                "fused": [
                    [millis(g.start), millis(g.end), fused_words(g)] for g in story.fused_gaps(mood, subject)
                ],
                **entry,
            }
        )  # fmt: skip
    return {
        "recording": mood.recording,
        "duration": mood.duration_s,
        "step": mood.step_s * factor,
        "clock": mood.clock,
        "still": mood.still,
        "fromTranscript": "words" in kinds,
        "calibrated": mood.calibrated,
        "basis": {k: str(v) for k, v in mood.basis.items()},
        "media": {
            "url": media,
            "kind": kind,
            "codec": _codec(mood, "picture" if kind in ("video", "image") else "sound"),
            "fps": rate,
        },
        "modalities": list(mood.modalities),
        "scheme": mood.scheme,
        "state": STATES[mood.scheme].modality if mood.scheme in STATES else "",
        "classes": list(classes_shown(mood)),
        "subjects": subjects,
        "signals": signals,
        "gaps": {
            "s": [order.get(g.subject, -1) for g in gaps],
            "m": [mood.modalities.index(g.modality) if g.modality in mood.modalities else -1 for g in gaps],
            "a": [millis(g.start) for g in gaps],
            "b": [millis(g.end) for g in gaps],
            "r": [g.reason for g in gaps],
        },
        "reasons": {
            f"{g.modality} {g.reason}": words.reason_text(g.reason, g.modality) for g in gaps
        },
        "words": {
            "t": [millis(w.start) for w in mood.words],
            "e": [millis(w.end) for w in mood.words],
            "x": [w.text for w in mood.words],
            "s": [order.get(w.subject, -1) for w in mood.words],
            "u": story.utterances(mood),
        },
    }  # fmt: skip


def lasts(gap: MoodGap, mood: Mood) -> bool:
    """Whether a gap is as long as the recording."""
    return millis(gap.start) <= 0 and millis(gap.end) >= millis(mood.duration_s)


def fused_words(gap: story.FusedGap) -> str:
    """The modalities' reasons of a stretch that nothing is told about."""
    if not gap.reasons:
        return "nothing measured"
    return words.joined(list(dict.fromkeys(words.reason_for(reason, modality) for modality, reason in gap.reasons)))


def summary_object(mood: Mood) -> dict[str, Any]:
    """The summary as the page stores it: without this run's timing, and without the words and gaps
    that the page holds already (its Save puts them back)."""
    summary = mood.summary()
    summary.pop("timing", None)
    return summary
