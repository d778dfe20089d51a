"""The answer: displayed emotion per subject on a time grid, with what it rests on and what is missing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import registry
from .clock import FloatArray, Timeline
from .errors import MissingExtra, UsageError
from .stream import Stream
from .track import TrackSet

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "COVERAGE", "SCHEMA", "Mood", "MoodGap", "SubjectMood", "Word", "label_sets", "least_of", "smallest_set",
]  # fmt: skip

#: Version of the files in NAME.mood/ and of the summary object.
SCHEMA = 1

#: Rows looked at at once, so that a day of cells needs little room.
_BLOCK = 65_536

#: Coverage that a label set aims at (and keeps only where ``calibrated`` says so).
COVERAGE = 0.9


@dataclass(frozen=True, slots=True)
class Word:
    """A word said in ``[start, end)`` s, by whom, with the recogniser's own score."""

    start: float
    end: float
    text: str
    subject: str
    score: float | None = None


@dataclass(frozen=True, slots=True)
class MoodGap:
    """A stretch in which a modality tells nothing about a subject, and why (`GAP_REASONS`)."""

    subject: str
    modality: str
    start: float
    end: float
    reason: str


@dataclass(frozen=True)
class SubjectMood:
    """One subject's answer on the Mood's grid of n cells.

    ``valence`` and ``arousal`` are ``(n, 3)``: value, low, high in [-1, 1], NaN where withheld.
    ``classes[scheme]`` is ``(n, k)`` and sums to 1, NaN where withheld; ``label_set[scheme]`` is the
    bool ``(n, k)`` of the smallest set that reaches the aimed coverage. For each modality ``support``
    is its share of the evidence (sums to 1 where told), ``attribution`` its share of what moved the
    answer away from knowing nothing, ``quality`` the signal's quality; all ``(n,)`` in [0, 1].
    """

    id: str
    seen: Timeline
    valence: FloatArray
    arousal: FloatArray
    classes: Mapping[str, FloatArray]
    label_set: Mapping[str, npt.NDArray[np.bool_]]
    support: Mapping[str, FloatArray]
    attribution: Mapping[str, FloatArray]
    quality: Mapping[str, FloatArray]

    @property
    def told(self) -> npt.NDArray[np.bool_]:
        """``(n,)``: where anything at all is told."""
        some = np.isfinite(self.valence[:, 0]) | np.isfinite(self.arousal[:, 0])
        for rows in self.classes.values():
            some |= np.isfinite(rows).all(axis=1) & (rows.shape[1] > 0)
        return np.asarray(some)


@dataclass(frozen=True)
class Mood:
    """Displayed emotion for every subject of one recording; never what somebody feels.

    ``times (n,)`` s are the starts of grid cells ``step_s`` long (the last ends with the recording).
    ``schemes`` names the class vocabularies told, the first being the main one. ``basis`` says for
    valence and arousal where the numbers come from (``measured``, ``mapped``, ``none``). ``gaps``
    and support agree: for each subject and modality, covered + gap = duration. ``tracks`` are the
    measurements, read when asked for. ``timing`` is this run's, and is never stored.
    """

    recording: str
    duration_s: float
    streams: tuple[Stream, ...]
    step_s: float
    times: FloatArray
    schemes: tuple[str, ...]
    subjects: Mapping[str, SubjectMood]
    gaps: tuple[MoodGap, ...]
    words: tuple[Word, ...]
    modalities: tuple[str, ...]
    basis: Mapping[str, str]
    calibrated: bool
    models: tuple[Mapping[str, Any], ...]
    provenance: Mapping[str, Any]
    still: bool = False
    clock: str = "time"
    warnings: tuple[str, ...] = ()
    tracks: Mapping[str, TrackSet] = field(default_factory=dict)
    timing: Mapping[str, float] | None = None
    path: Path | None = None

    @property
    def scheme(self) -> str:
        """The main class vocabulary."""
        return self.schemes[0]

    @property
    def label_rules(self) -> Mapping[str, Mapping[str, Any]]:
        """How label sets are made of each scheme that has a calibrated rule: see `label_sets`."""
        fusion, others = self.provenance.get("fusion"), self.provenance.get("label_rules")
        told = fusion if isinstance(fusion, Mapping) else {}
        rule = told.get("label_sets") or (told.get("calibration") or {}).get("label_sets")
        rules = dict(others) if isinstance(others, Mapping) else {}
        return {"ekman8": rule, **rules} if isinstance(rule, Mapping) else rules

    @property
    def edges(self) -> FloatArray:
        """``(n + 1,)`` s: cell i is ``[edges[i], edges[i + 1])``."""
        return np.concatenate([self.times, [self.duration_s]]) if len(self.times) else np.zeros(1)

    def gaps_of(self, subject: str, modality: str | None = None) -> tuple[MoodGap, ...]:
        """Gaps of one subject (and one modality)."""
        return tuple(g for g in self.gaps if g.subject == subject and modality in (None, g.modality))

    @property
    def names(self) -> Mapping[str, str]:
        """Names that somebody gave to subjects (`moodal people`): id → name."""
        people = self.provenance.get("people")
        names = people.get("names") if isinstance(people, Mapping) else None
        return {str(i): str(n) for i, n in names.items()} if isinstance(names, Mapping) else {}

    def write(self, folder: str | Path, *formats: str) -> list[str]:
        """Write the Mood for other tools: ``mood.write("out", "eaf", "srt")``; `moodal show --write` does the same.

        Returns a line for each thing that a format has room for and this recording does not hold.

        Raises
        ------
        UsageError : no such format.
        OutputError : the folder cannot be written to, or the disk is full.
        """
        modules = [registry.load("writers", name) for name in formats]
        return [line for module in modules for line in module.SPEC.write(self, Path(folder))]

    def summary(self) -> dict[str, Any]:
        """The summary object of the contract, ready for JSON."""
        from .summary import summarise

        return summarise(self)

    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """The grid as one table, subject after subject (the columns of ``mood.parquet``)."""
        from .summary import grid_columns

        return grid_columns(self)

    def to_pandas(self) -> pd.DataFrame:
        """The grid as a pandas frame (needs the extra ``pandas``)."""
        try:
            import pandas as pd
        except ImportError as error:
            raise MissingExtra("pandas", "pandas", "to_pandas()") from error
        return pd.DataFrame(self.columns())

    def __getitem__(self, subject: str) -> SubjectMood:
        if subject not in self.subjects:
            known = ", ".join(self.subjects) or "nobody"
            raise UsageError(f"has no subject {subject!r} (it has: {known})", where=self.recording)
        return self.subjects[subject]

    def __repr__(self) -> str:
        return f"Mood({self.recording!r}, {self.duration_s:.2f} s, subjects: {', '.join(self.subjects) or 'none'})"

    def _repr_html_(self) -> str:
        from .show import mood_html

        return mood_html(self)


def smallest_set(scores: FloatArray, coverage: float = COVERAGE) -> npt.NDArray[np.bool_]:
    """The smallest label set whose scores reach ``coverage``: ``(n, k)`` → bool ``(n, k)``.

    Ties go to the earlier class; rows with NaN give the empty set.
    """
    chosen = np.zeros(scores.shape, dtype=bool)
    for first in range(0, len(scores), _BLOCK):
        part = np.nan_to_num(scores[first : first + _BLOCK])
        order = np.argsort(-part, axis=1, kind="stable")
        ranked = np.take_along_axis(part, order, axis=1)
        before = np.cumsum(ranked, axis=1) - ranked
        np.put_along_axis(chosen[first : first + _BLOCK], order, before < coverage - 1e-9, axis=1)
    chosen[~np.isfinite(scores).all(axis=1)] = False
    return chosen


def label_sets(
    scores: FloatArray, rule: Mapping[str, Any] | None = None, least: FloatArray | None = None
) -> npt.NDArray[np.bool_]:
    """Label sets ``(n, k)`` by a conformal rule: every class whose score is ``rule["least"]`` or more, and always the
    best (Sadinle, Lei and Wasserman 2019); without a rule `smallest_set`. Rows with NaN give the empty set. ``least
    (n,)`` are thresholds of each row's own, where what it rests on has one.
    """
    if rule is None:
        return smallest_set(scores)
    known: npt.NDArray[np.bool_] = np.asarray(np.isfinite(scores).all(axis=1))
    chosen = np.nan_to_num(scores) >= (float(rule["least"]) if least is None else least[:, None])
    chosen[np.arange(len(scores)), np.argmax(np.nan_to_num(scores), axis=1)] = True
    return np.asarray(chosen & known[:, None])


def least_of(rule: Mapping[str, Any], modalities: Collection[str]) -> float:
    """The threshold for a mean over cells that rest on some of these modalities, each cell on others perhaps: the most
    cautious of all their subsets' (``by_subset``), or the rule's only one."""
    level = str(rule.get("level", COVERAGE))
    told = [by[level] for name, by in rule.get("by_subset", {}).items() if set(name.split("+")) <= set(modalities)]
    return float(min(told)) if told else float(rule["least"])
