"""An expert's bundle on a user's rows: by the same runner that `analyze` asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from moodal.core.bundle import Bundle
from moodal.core.errors import MissingExtra, ModelError, MoodalError
from moodal.core.mood import label_sets
from moodal.core.runner import Evidence, Example, Runner, open_runner
from moodal.core.scheme import mapping
from moodal.lab.data.learner import Prediction

from .scorers import Progress, collected, said
from .table import Row

__all__ = ["ExpertScorer"]


class ExpertScorer:
    """Each row for itself; with ``baseline="subject"`` in the light of all rows of the same subject, whose labels
    nobody looks at."""

    def __init__(self, bundle: Bundle, baseline: str | None = None, runner: Runner | None = None) -> None:
        self.bundle = bundle
        self.runner = runner if runner is not None else open_runner(bundle)
        self.schemes: Mapping[str, tuple[str, ...]] = self.runner.schemes
        self.multilabel = self.runner.multilabel
        self.uses_baseline = self.runner.uses_baseline
        self.failed: list[str] = []
        self._reads_words = "words.transcript" in bundle.manifest["inputs"]
        self._by_subject = baseline == "subject" and self.runner.uses_baseline

    def predict(self, rows: Sequence[Row], scheme: str, progress: Progress | None = None) -> Prediction:
        """One reading a row; what holds nothing, or is not what the expert is for, is withheld."""
        self.failed = []
        evidence = [self._read(row, i, len(rows), progress) for i, row in enumerate(rows)]
        people: dict[str, list[Evidence]] = {}
        if self._by_subject:
            for row, found in zip(rows, evidence, strict=True):
                if row.subject and found is not None:
                    people.setdefault(row.subject, []).append(found)
        native = next(iter(self.schemes))
        scores = np.full((len(rows), len(self.schemes[scheme])), np.nan)
        own = np.full((len(rows), len(self.schemes[native])), np.nan)
        for i, (row, found) in enumerate(zip(rows, evidence, strict=True)):
            if found is None:
                continue
            told = self.runner.tell(found, people.get(row.subject, ()))
            if not told.withheld:
                own[i] = told.scores
                scores[i] = self._in(scheme, native, told.scores)
        return collected(scores, **self._extra(scheme, native, own, scores))

    def _read(self, row: Row, i: int, n: int, progress: Progress | None) -> Evidence | None:
        found: Evidence | str = ""
        try:
            text = row.text
            if self._reads_words and row.file is not None:
                text = said(row)
            found = self.runner.read(Example(None if text is not None else row.file, text, row.start_s, row.end_s))
        except (MissingExtra, ModelError):
            raise
        except MoodalError as error:
            self.failed.append(f"{row.name}: {error}")
        if progress is not None:
            progress((i + 1) / n)
        return None if isinstance(found, str) else found

    def _in(self, scheme: str, native: str, scores: Any) -> Any:
        if scheme == native:
            # Each label for itself; as shares where one of them is to be chosen.
            return scores / scores.sum() if scheme in self.multilabel else scores
        return self.runner.in_scheme(scheme, scores) if hasattr(self.runner, "in_scheme") else (
            mapping(native, scheme).apply(scores)
        )  # fmt: skip

    def _extra(self, scheme: str, native: str, own: Any, scores: Any) -> dict[str, Any]:
        calibration = self.bundle.manifest["calibration"] or {}
        if scheme in self.multilabel:
            told = calibration.get("thresholds") or self.bundle.manifest.get("thresholds") or {}
            least = np.array([float(told.get(c, 0.5)) for c in self.schemes[scheme]])
            return {"decided": np.nan_to_num(own) >= least, "labels": np.nan_to_num(own)}
        if scheme == "va":
            return {}
        rule = calibration.get("label_sets") if scheme == native else calibration.get("schemes", {}).get(scheme)
        if rule is None and native in self.multilabel:
            return {}  # its label sets are fitted in other schemes, and no table leads from several labels to this one
        if scheme != native and rule is None and calibration.get("label_sets"):
            # A set of the expert's own classes, in the words of the other scheme.
            sets = label_sets(own, calibration["label_sets"])
            return {"sets": (sets[:, :, None] & (mapping(native, scheme).table > 0)).any(axis=1)}
        return {"sets": label_sets(scores, rule)}
