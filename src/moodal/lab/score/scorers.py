"""What runs a bundle on a user's rows: one small protocol, and an implementation for each kind of bundle.

::

    rows ──► Scorer.predict(rows, scheme) ──► Prediction: scores (n, C), withheld (n,)
              │ expert          its runner reads each row, and tells (`moodal.lab.score.experts`)
              │ text model      one model call a text (a file is read or recognised first)
              │ fusion          moodal.analyze a file, the overall answer of whom it shows
              └ dialogue model  rows of one dialogue, in order of their turns, at once
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from moodal.core import registry
from moodal.core.bundle import Bundle
from moodal.core.errors import MissingExtra, ModelError, MoodalError, UsageError
from moodal.core.mood import smallest_set
from moodal.core.scheme import SCHEMES, mapping
from moodal.lab.data.learner import Prediction

from .table import Row

__all__ = ["DialogueModel", "DialogueScorer", "FusionScorer", "Scorer", "TextScorer", "open_scorer"]

Progress = Callable[[float], None]
Floats = npt.NDArray[np.float64]


class Scorer(Protocol):
    """A bundle that can be asked about rows.

    ``schemes`` are the names it answers in, its own first: classes by scheme, and under ``va`` its dimensions.
    ``multilabel`` are those of them in which several classes may be told at once. ``failed`` has a line for each row of
    the last `predict` whose file could not be read; such rows are withheld. ``uses_baseline`` says whether
    `open_scorer`'s ``baseline`` changes anything.
    """

    bundle: Bundle
    schemes: Mapping[str, tuple[str, ...]]
    multilabel: frozenset[str]
    failed: list[str]
    uses_baseline: bool

    def predict(self, rows: Sequence[Row], scheme: str, progress: Progress | None = None) -> Prediction:
        """Tell of each row, in the classes (or dimensions, ``va``) of that scheme.

        ``scores`` ``(n, C)`` sum to 1 (several labels: each in (0, 1); ``va``: values in [-1, 1]). ``extra`` may hold
        ``decided`` ``(n, C)`` bool (several labels: over their thresholds) and ``sets`` ``(n, C)`` bool, the label sets
        at coverage 0.9.
        """
        ...


class DialogueModel(Protocol):
    """What runs a dialogue bundle: `moodal.lab.score.dialogue` for models of the lab, or what the module that is
    registered under its name (kind ``fusions``) gives by its function ``dialogue_model(bundle)``.

    It may have a list ``failed`` with a line for each row whose file could not be read.
    """

    schemes: Mapping[str, tuple[str, ...]]

    def predict(self, turns: Sequence[Row], scheme: str) -> Prediction:
        """Tell of the turns of one dialogue, given in order."""
        ...


def open_scorer(bundle: Bundle, baseline: str | None = None) -> Scorer:
    """What runs this bundle, by its manifest's ``kind`` and ``inputs``.

    Raises
    ------
    ModelError : nothing here runs such a bundle.
    """
    inputs = [str(i) for i in bundle.manifest["inputs"]]
    if "dialogue" in inputs:
        return DialogueScorer(bundle)
    if "runner" in bundle.manifest:
        from .experts import ExpertScorer

        return ExpertScorer(bundle, baseline)
    if bundle.manifest["kind"] == "fusion":
        return FusionScorer(bundle)
    if inputs == ["words.transcript"]:
        return TextScorer(bundle)
    raise ModelError(
        f"moodal score does not run {bundle.manifest['kind']} bundles that read {', '.join(inputs)}",
        where=bundle.name,
        fix="Score it through a fusion that uses it.",
    )


def reached(native: str) -> dict[str, tuple[str, ...]]:
    """The scheme itself, then those that a written table leads to from it."""
    found = {native: SCHEMES[native].classes}
    for name, known in SCHEMES.items():
        try:
            if known.classes and mapping(native, name).table.any():
                found.setdefault(name, known.classes)
        except UsageError:
            continue
    return found


def collected(scores: Floats, **extra: npt.NDArray[Any]) -> Prediction:
    """What was told of rows one by one; a row that holds NaN is withheld."""
    withheld: npt.NDArray[np.bool_] = np.asarray(~np.isfinite(scores).all(axis=1))
    filled = np.where(withheld[:, None], 1 / max(1, scores.shape[1]), scores)
    return Prediction(filled, withheld, dict(extra))


def said(row: Row) -> str:
    """What is said in a row's file: its transcript, or what is recognised.

    Raises
    ------
    InputError : the file cannot be read.
    MissingExtra : it has sound alone, and speech to text is not installed.
    """
    from moodal.analyze import extract

    tracks = extract(str(row.file), "words.transcript", start=row.start_s, end=row.end_s)
    return " ".join(t for _, track in tracks.items() for t in (track.texts or ()))


class _Rows:
    """Collects what is told of rows one by one."""

    def __init__(self, n: int, width: int) -> None:
        self.scores = np.full((n, width), np.nan)

    def prediction(self, **extra: npt.NDArray[Any]) -> Prediction:
        return collected(self.scores, **extra)


class TextScorer:
    """A text expert such as ``words-v0``: a text is one sentence to it; a file is read or recognised."""

    uses_baseline = False

    def __init__(self, bundle: Bundle) -> None:
        from moodal.extract.words.model import DIMENSIONS, TextModel

        self.bundle = bundle
        self.model = TextModel(bundle).load()
        # Its classes of ekman8 are more than the table of its labels, and lead on to coarser ones.
        self.schemes: Mapping[str, tuple[str, ...]] = {
            "goemotions28": SCHEMES["goemotions28"].classes,
            **reached("ekman8"),
            "va": tuple(DIMENSIONS),
        }
        self.multilabel = frozenset({"goemotions28"})
        self.failed: list[str] = []

    def predict(self, rows: Sequence[Row], scheme: str, progress: Progress | None = None) -> Prediction:
        """One call of the model a row; withheld where no word is known or the language is another."""
        self.failed = []
        told = _Rows(len(rows), len(self.schemes[scheme]))
        labels = np.zeros((len(rows), 28))
        for i, row in enumerate(rows):
            text = row.text if row.text is not None else self._heard(row)
            if text and self.model.english(text) >= self.model.english_floor:
                scored = self.model.score(text)
                if scored is not None:
                    labels[i] = scored.labels
                    told.scores[i] = self._in(scheme, scored)
            if progress is not None:
                progress((i + 1) / len(rows))
        if scheme in self.multilabel:
            thresholds = self.bundle.manifest.get("thresholds") or {}
            least = np.array([float(thresholds.get(c, 0.5)) for c in self.schemes[scheme]])
            return told.prediction(decided=labels >= least, labels=labels)
        return told.prediction()

    def _heard(self, row: Row) -> str:
        try:
            return said(row)
        except MissingExtra:
            raise
        except MoodalError as error:
            self.failed.append(f"{row.name}: {error}")
            return ""

    def _in(self, scheme: str, scored: Any) -> Floats:
        if scheme == "va":
            return np.asarray(scored.affect, np.float64)
        if scheme == "goemotions28":
            # Each label for itself; as shares where one of them is to be chosen.
            return np.asarray(scored.labels / scored.labels.sum(), np.float64)
        return np.asarray(mapping("ekman8", scheme).apply(scored.classes), np.float64)


class FusionScorer:
    """Any fusion, by the whole analysis of each file: the overall answer of the person it shows most.

    Of a picture the largest face counts; one under 100 pixels, or in which no face is found, is taken for a face that
    was cut out, and is given room around it. A text is analysed as a transcript.
    """

    uses_baseline = False
    multilabel: frozenset[str] = frozenset()

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.schemes: Mapping[str, tuple[str, ...]] = {
            **reached(str(bundle.manifest["scheme"])),
            "va": ("valence", "arousal"),
        }
        self.failed: list[str] = []

    def predict(self, rows: Sequence[Row], scheme: str, progress: Progress | None = None) -> Prediction:
        """One analysis a row; what cannot be read is withheld and told in ``failed``."""
        self.failed = []
        classes = self.schemes[scheme]
        told, sets = _Rows(len(rows), len(classes)), np.zeros((len(rows), len(classes)), bool)
        with tempfile.TemporaryDirectory(prefix="moodal-score-") as work:
            for i, row in enumerate(rows):
                try:
                    overall = self._overall(row, scheme, Path(work))
                except (MissingExtra, ModelError):
                    raise
                except MoodalError as error:
                    self.failed.append(f"{row.name}: {error}")
                    overall = None
                if overall is not None:
                    told.scores[i], sets[i] = _numbers(overall, scheme, classes)
                if progress is not None:
                    progress((i + 1) / len(rows))
        return told.prediction() if scheme == "va" else told.prediction(sets=sets)

    def _overall(self, row: Row, scheme: str, work: Path) -> dict[str, Any] | None:
        from .crops import is_small, with_room

        options: dict[str, Any] = {"start": row.start_s, "end": row.end_s}
        if scheme != "va":
            options["scheme"] = scheme
        if self.bundle.name != "late-v0":
            options["model"] = self.bundle.name
        if row.text is not None:
            path = work / "text.txt"
            # A sentence a line would be several: to the user it is one text.
            path.write_text(" ".join(row.text.split()) + "\n", encoding="utf-8")
            return _told(path, options, scheme)
        assert row.file is not None
        if is_small(row.file):
            return _told(with_room(row.file, work), options, scheme)
        found = _told(row.file, options, scheme)
        if found is None and is_small(row.file, least=None):
            found = _told(with_room(row.file, work), options, scheme)
        return found


def _told(path: Path, options: Mapping[str, Any], scheme: str) -> dict[str, Any] | None:
    """The overall state of whom a file shows most: the largest face of a picture, else who is in view longest."""
    from moodal.front import analyze

    mood = analyze(path, **options)
    best: tuple[float, ...] = ()
    chosen = None
    for order, subject in enumerate(mood.summary()["subjects"]):
        overall: dict[str, Any] = subject["overall"]
        if not (overall["valence"]["value"] is not None if scheme == "va" else overall["classes"]):
            continue
        seen = sum(b - a for a, b in subject["seen"])
        size = 0.0
        if mood.still and "face.quality" in mood.tracks and subject["id"] in mood.tracks["face.quality"]:
            sizes = mood.tracks["face.quality"][subject["id"]]["size"]
            size = float(np.nanmax(sizes)) if np.isfinite(sizes).any() else 0.0
        if not best or (size, seen, -order) > best:
            best, chosen = (size, seen, -order), overall
    return chosen


def _numbers(overall: Mapping[str, Any], scheme: str, classes: Sequence[str]) -> tuple[Floats, npt.NDArray[np.bool_]]:
    if scheme == "va":
        values = [overall[d]["value"] for d in classes]
        return np.array([np.nan if v is None else v for v in values], np.float64), np.zeros(len(classes), bool)
    scores = np.array([overall["classes"][c] for c in classes], np.float64)
    return scores, np.isin(list(classes), overall["label_set"])


class DialogueScorer:
    """A model that reads whole dialogues: rows are grouped by ``dialogue`` and put in order of ``turn``.

    Rows without a dialogue are dialogues of one turn; rows without turns stand in the order of the table.
    """

    uses_baseline = False
    multilabel: frozenset[str] = frozenset()

    def __init__(self, bundle: Bundle, model: DialogueModel | None = None) -> None:
        self.bundle = bundle
        self.model = model if model is not None else _dialogue_model(bundle)
        self.schemes = self.model.schemes
        self.failed: list[str] = []

    def predict(self, rows: Sequence[Row], scheme: str, progress: Progress | None = None) -> Prediction:
        """One call of the model a dialogue."""
        self.failed = []
        told = _Rows(len(rows), len(self.schemes[scheme]))
        extra: dict[str, npt.NDArray[Any]] = {}
        done = 0
        for places in dialogues(rows):
            found = self.model.predict([rows[i] for i in places], scheme)
            self.failed += getattr(self.model, "failed", [])
            told.scores[places] = np.where(found.withheld[:, None], np.nan, found.scores)
            for name in ("sets", "decided"):
                if name in found.extra:
                    extra.setdefault(name, np.zeros(told.scores.shape, bool))[places] = found.extra[name]
            done += len(places)
            if progress is not None:
                progress(done / len(rows))
        return told.prediction(**extra)


def dialogues(rows: Sequence[Row]) -> list[list[int]]:
    """Places of the rows of each dialogue in order of their turns; dialogues in order of their first row."""
    groups: dict[str, list[int]] = {}
    for i, row in enumerate(rows):
        groups.setdefault(f"d{row.dialogue}" if row.dialogue else f"r{row.number}", []).append(i)
    return [sorted(g, key=lambda i: (np.nan_to_num(rows[i].turn, nan=np.inf), i)) for g in groups.values()]


def _dialogue_model(bundle: Bundle) -> DialogueModel:
    """By the module that is registered under its name, else as a model of the lab."""
    if bundle.name not in registry.names("fusions"):
        from .dialogue import dialogue_model

        return dialogue_model(bundle)
    module = registry.load("fusions", bundle.name)
    make = getattr(module, "dialogue_model", None)
    if make is None:
        raise ModelError(f"{module.__name__} has no dialogue_model", where=bundle.name, fix="Install moodal again.")
    model: DialogueModel = make(bundle)
    return model


def sets_of(prediction: Prediction) -> npt.NDArray[np.bool_]:
    """The label sets of a prediction of classes: the bundle's own, else the smallest whose scores reach 0.9."""
    own = prediction.extra.get("sets")
    return np.asarray(own, bool) if own is not None else smallest_set(prediction.scores)
