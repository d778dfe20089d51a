"""From a Mood's grid to the summary object and to tables. Nothing here adds knowledge."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt

from .clock import FloatArray, Timeline
from .mood import COVERAGE, SCHEMA, Mood, SubjectMood, label_sets, least_of
from .scheme import scheme

__all__ = ["MAX_SEGMENTS", "against_baseline", "grid_columns", "segment_bounds", "summarise"]

MAX_SEGMENTS = 200
#: A state shorter than this joins its neighbour, so that a segment is something a person could see.
MIN_SEGMENT_S = 0.4


def _number(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None


def _dimension(mood: Mood, name: str, rows: FloatArray, weights: FloatArray) -> dict[str, Any]:
    """One of valence and arousal over some cells: mean value and mean interval of the told ones."""
    told = np.isfinite(rows[:, 0]) & (weights > 0)
    if not told.any():
        return {"value": None, "low": None, "high": None, "level": None, "basis": "none"}
    mean = np.average(rows[told], axis=0, weights=weights[told])
    basis = mood.basis.get(name, "mapped")
    level = COVERAGE if basis == "measured" and mood.calibrated else None
    return {
        "value": _number(mean[0]),
        "low": _number(mean[1]),
        "high": _number(mean[2]),
        "level": level,
        "basis": basis,
    }


def _classes(
    mood: Mood, name: str, rows: FloatArray, weights: FloatArray, rest_on: Collection[str] = ()
) -> tuple[dict[str, float], list[str]]:
    """Mean scores of the told cells and their label set; ``rest_on`` are the modalities that support any of them."""
    labels = scheme(name).classes
    told = np.isfinite(rows).all(axis=1) & (weights > 0)
    if not labels or not told.any():
        return {}, []
    mean = np.average(rows[told], axis=0, weights=weights[told])
    mean = mean / mean.sum()
    rule = mood.label_rules.get(name)
    chosen = label_sets(mean[None, :], rule, None if rule is None else np.array([least_of(rule, rest_on)]))[0]
    by_score = sorted(np.flatnonzero(chosen), key=lambda i: (-mean[i], i))
    return _summing_to_one(labels, mean), [labels[i] for i in by_score]


def _summing_to_one(labels: tuple[str, ...], mean: FloatArray) -> dict[str, float]:
    """Six digits each that sum to 1: what rounding leaves over goes to those it took most from."""
    millionths = np.floor(mean * 1e6).astype(int)
    left = 1_000_000 - int(millionths.sum())
    millionths[np.argsort(millionths - mean * 1e6, kind="stable")[:left]] += 1
    return {c: int(m) / 1e6 for c, m in zip(labels, millionths, strict=True)}


def _state(mood: Mood, subject: SubjectMood, cells: slice, weights: FloatArray) -> dict[str, Any]:
    main, *others = mood.schemes
    weight = weights[cells]
    rest_on = [m for m, share in subject.support.items() if (share[cells] > 0).any()]
    classes, label_set = _classes(mood, main, subject.classes[main][cells], weight, rest_on)
    state: dict[str, Any] = {
        "valence": _dimension(mood, "valence", subject.valence[cells], weight),
        "arousal": _dimension(mood, "arousal", subject.arousal[cells], weight),
        "classes": classes,
        "label_set": label_set,
    }
    if others:
        pairs = {name: _classes(mood, name, subject.classes[name][cells], weight, rest_on) for name in others}
        state["schemes"] = {name: {"classes": c, "label_set": s} for name, (c, s) in pairs.items()}
    return state


def _shares(shares: dict[str, FloatArray], cells: slice, weights: FloatArray) -> dict[str, float]:
    sums = {m: float(np.dot(rows[cells], weights[cells])) for m, rows in shares.items()}
    total = sum(sums.values())
    return {m: round(v / total, 4) for m, v in sums.items() if v > 0} if total > 0 else {}


def segment_bounds(codes: npt.NDArray[np.int64], weights: FloatArray) -> list[tuple[int, int]]:
    """Cells ``[first, last)`` of stretches of like state, at most `MAX_SEGMENTS`.

    ``codes (n,)`` name the state of each cell (0 = nothing told). From left to right, a state shorter
    than `MIN_SEGMENT_S` joins its longer neighbour; told never joins untold unless there would be
    too many segments.
    """
    if not len(codes):
        return []
    cuts = np.flatnonzero(np.diff(codes)) + 1
    starts = [0, *cuts.tolist()]
    lengths = np.add.reduceat(weights, starts).tolist()
    states = codes[starts].tolist()

    def join(low: int, state: int) -> None:
        lengths[low] += lengths[low + 1]
        states[low] = state
        del starts[low + 1], lengths[low + 1], states[low + 1]

    def merge(least: float, *, across: bool) -> None:
        i = 0
        while i < len(starts):
            sides = [
                j for j in (i - 1, i + 1) if 0 <= j < len(starts) and (across or bool(states[j]) == bool(states[i]))
            ]
            if lengths[i] >= least or not sides:
                i += 1
                continue
            into = max(sides, key=lambda j: (lengths[j], -j))
            low = min(i, into)
            join(low, states[into])
            for neighbour in (low, low - 1):
                if 0 <= neighbour < len(starts) - 1 and states[neighbour] == states[neighbour + 1]:
                    join(neighbour, states[neighbour])
                    low = neighbour
            i = max(0, low - 1)

    least = MIN_SEGMENT_S
    merge(least, across=False)
    while len(starts) > MAX_SEGMENTS:
        least *= 1.5
        merge(least, across=True)
    return list(zip(starts, [*starts[1:], len(codes)], strict=True))


def against_baseline(segment: dict[str, Any]) -> str:
    """Of a segment in which arousal alone is told (body signals): above, below or about the baseline; else empty."""
    arousal = segment["arousal"]
    if segment["label_set"] or segment["valence"]["value"] is not None or arousal["value"] is None:
        return ""
    return "above" if arousal["low"] > 0 else "below" if arousal["high"] < 0 else "about"


def _codes(mood: Mood, subject: SubjectMood) -> npt.NDArray[np.int64]:
    chosen = subject.label_set[mood.scheme]
    bits = chosen.astype(np.int64) @ (1 << np.arange(chosen.shape[1], dtype=np.int64)) if chosen.shape[1] else 0
    told = subject.told.astype(np.int64)
    # Where arousal alone is told, its side of the baseline is the state; no label set has these codes.
    alone = subject.told & ~chosen.any(axis=1) & ~np.isfinite(subject.valence[:, 0])
    side = np.where(subject.arousal[:, 1] > 0, 2, np.where(subject.arousal[:, 2] < 0, 1, 0))
    return np.asarray(np.where(alone, -1 - side, bits * 2 + told), dtype=np.int64)


def _subject(mood: Mood, subject: SubjectMood, weights: FloatArray) -> dict[str, Any]:
    edges = mood.edges
    segments = []
    for first, last in segment_bounds(_codes(mood, subject), weights):
        cells = slice(first, last)
        segments.append(
            {
                "start_s": round(float(edges[first]), 4),
                "end_s": round(float(edges[last]), 4),
                **_state(mood, subject, cells, weights),
                "support": _shares(dict(subject.support), cells, weights),
                "attribution": _shares(dict(subject.attribution), cells, weights),
            }
        )
    name = mood.names.get(subject.id)
    return {
        "id": subject.id,
        **({"name": name} if name else {}),
        "seen": [[round(s.start, 4), round(s.end, 4)] for s in subject.seen],
        "overall": _state(mood, subject, slice(None), weights),
        "segments": segments,
        "gaps": [
            {"modality": g.modality, "start_s": round(g.start, 4), "end_s": round(g.end, 4), "reason": g.reason}
            for g in mood.gaps_of(subject.id)
        ],
    }


def summarise(mood: Mood) -> dict[str, Any]:
    """The summary object of the contract; ``timing`` only where this run measured it."""
    weights = np.diff(mood.edges)
    told_by_nobody = [g for g in mood.gaps if g.subject not in mood.subjects]
    summary: dict[str, Any] = {
        "moodal": mood.provenance.get("moodal", ""),
        "schema": SCHEMA,
        "recording": mood.recording,
        "duration_s": round(mood.duration_s, 6),
        "still": mood.still,
        "clock": mood.clock,
        "streams": [s.summary() for s in mood.streams],
        "scheme": mood.scheme,
        "coverage_aimed_at": mood.label_rules.get(mood.scheme, {}).get("level", COVERAGE),
        "calibrated": mood.calibrated,
        "subjects": [_subject(mood, s, weights) for s in mood.subjects.values()],
        "gaps": [
            {"modality": g.modality, "start_s": round(g.start, 4), "end_s": round(g.end, 4), "reason": g.reason}
            for g in told_by_nobody
        ],
        "words": [
            {"start_s": round(w.start, 3), "end_s": round(w.end, 3), "text": w.text, "subject": w.subject}
            for w in mood.words
        ],
        "models": [dict(m) for m in mood.models],
        "warnings": list(mood.warnings),
    }
    if "joins" in mood.provenance:
        summary["joins"] = [dict(j) for j in mood.provenance["joins"]]
    if "baseline" in mood.provenance:
        summary["baseline"] = dict(mood.provenance["baseline"])
    if mood.timing is not None:
        summary["timing"] = {k: round(v, 3) for k, v in mood.timing.items()}
    return summary


def _joined(labels: tuple[str, ...], chosen: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    """Each row's labels as one text, ``happiness|neutral``."""
    codes = (
        chosen.astype(np.int64) @ (1 << np.arange(len(labels), dtype=np.int64))
        if labels
        else np.zeros(len(chosen), int)
    )
    texts = {int(c): "|".join(x for i, x in enumerate(labels) if int(c) >> i & 1) for c in np.unique(codes)}
    return np.array([texts[int(c)] for c in codes], dtype=object)


def _no_subject(mood: Mood) -> SubjectMood:
    """No rows, so that the table of a Mood about nobody has its columns all the same."""
    none = {name: np.zeros((0, len(scheme(name).classes))) for name in mood.schemes}
    shares = {m: np.zeros(0) for m in mood.modalities}
    sets = {name: rows.astype(bool) for name, rows in none.items()}
    empty = np.zeros((0, 3))
    return SubjectMood("", Timeline(), empty, empty, none, sets, shares, shares, shares)


def grid_columns(mood: Mood) -> dict[str, npt.NDArray[Any]]:
    """``time_s, subject, valence…, arousal…, p_CLASS…, label_set, support_M…`` (further schemes
    prefixed with their name), one row a cell and subject."""
    parts: dict[str, list[npt.NDArray[Any]]] = {}

    def add(name: str, values: npt.NDArray[Any]) -> None:
        parts.setdefault(name, []).append(values)

    for subject in list(mood.subjects.values()) or [_no_subject(mood)]:
        n = len(subject.valence)
        add("time_s", mood.times[:n])
        add("subject", np.full(n, subject.id, dtype=object))
        for name, rows in (("valence", subject.valence), ("arousal", subject.arousal)):
            for i, suffix in enumerate(("", "_low", "_high")):
                add(name + suffix, rows[:, i])
        for i, name in enumerate(mood.schemes):
            prefix = "" if i == 0 else f"{name}_"
            labels = scheme(name).classes
            for j, label in enumerate(labels):
                add(f"{prefix}p_{label}", subject.classes[name][:, j])
            chosen = subject.label_set[name]
            add(f"{prefix}label_set", _joined(labels, chosen))
        for kind, shares in (
            ("support", subject.support),
            ("attribution", subject.attribution),
            ("quality", subject.quality),
        ):
            for modality in mood.modalities:
                add(f"{kind}_{modality}", shares[modality])
    return {name: rows[0] if len(rows) == 1 else np.concatenate(rows) for name, rows in parts.items()}
