"""An exported model of the lab, run with numpy and ONNX Runtime alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.bundle import Bundle
from moodal.core.dialogue import past_turns, past_values
from moodal.core.errors import InputError, ModelError

from .sessions import onnx_graph

__all__ = ["PAST", "BundleModel", "BundlePrediction"]

#: What the name of a modality ends in that is made of the past turns of another.
PAST = "_past"


@dataclass(frozen=True)
class BundlePrediction:
    """What a bundle says of ``n`` examples.

    ``scores`` ``(n, C)`` float64 in the order of the bundle's classes; ``withheld`` ``(n,)`` marks examples without any
    modality the bundle knows, whose scores are the training part's shares; ``extra`` holds what the model reports
    beside: ``shares`` ``(n, modality)``, a second opinion ``q``, ``attention_m`` ``(n, C, T)``.
    """

    scores: npt.NDArray[np.float64]
    withheld: npt.NDArray[np.bool_]
    extra: dict[str, npt.NDArray[Any]] = field(default_factory=dict)


class BundleModel:
    """The model inside a bundle that `moodal.lab.export` wrote.

    Raises
    ------
    ModelError : the bundle holds no such model, or it cannot be run.
    """

    def __init__(self, bundle: Bundle | Path | str) -> None:
        self.bundle = bundle if isinstance(bundle, Bundle) else Bundle.open(Path(bundle))
        told = self.bundle.manifest.get("model")
        if not isinstance(told, dict):
            raise ModelError("holds no exported model", where=str(self.bundle.path), fix="See: moodal models list")
        #: Channels of each modality that the graph reads, in order; those of the past last.
        self.widths: dict[str, int] = {m: int(w) for m, w in told["widths"].items()}
        #: Modalities that somebody must bring.
        self.modalities: tuple[str, ...] = tuple(told["modalities"])
        self.classes: tuple[str, ...] = tuple(told["classes"])
        self.kind: str = told["kind"]
        self.context: int = int(told["context"])
        self.thresholds: npt.NDArray[np.float64] | None = (
            None if told["thresholds"] is None else np.asarray(told["thresholds"])
        )
        self._prior = np.asarray(told["prior"], np.float64)
        self._longest = int(told["longest"])
        self._seen = np.asarray(told["seen"], bool)
        self._session = onnx_graph(self.bundle.graph("model"), str(self.bundle.path))
        self._outputs = [o.name for o in self._session.get_outputs()]

    def predict(
        self,
        values: Mapping[str, npt.NDArray[Any]],
        masks: Mapping[str, npt.NDArray[np.bool_]] | None = None,
        present: npt.NDArray[np.bool_] | None = None,
    ) -> BundlePrediction:
        """Scores of a padded batch.

        Parameters
        ----------
        values : ``(n, time, channels)`` of each modality, as its feature maker gives them (standardising is inside);
            one that is left out is absent.
        masks : ``(n, time)`` bool, True where valid; all, if not given.
        present : ``(n, modality)`` bool in the order of ``widths``; by the masks, if not given.

        Raises
        ------
        InputError : no modality the bundle knows, another number of channels or examples, a value that is not finite.
        """
        known = {m: np.asarray(v, np.float32) for m, v in values.items() if m in self.widths}
        if not known:
            raise InputError(
                f"has none of {', '.join(self.widths)}", where=self.bundle.name, fix="See: moodal models card NAME"
            )
        n = len(next(iter(known.values())))
        feed: dict[str, npt.NDArray[Any]] = {}
        for m, width in self.widths.items():
            x = known.get(m, np.zeros((n, 1, width), np.float32))
            if x.ndim != 3 or x.shape[0] != n or x.shape[2] != width:
                raise InputError(f"{m} has the shape {x.shape}, not ({n}, time, {width})", where=self.bundle.name)
            mask = np.full(x.shape[:2], m in known) if masks is None or m not in masks else np.asarray(masks[m], bool)
            if m not in known:
                mask = np.zeros(x.shape[:2], bool)
            if not np.isfinite(x[mask]).all():
                raise InputError(f"{m} holds values that are not finite", where=self.bundle.name, fix="Mask them.")
            if self._longest:
                x, mask = x[:, : self._longest], mask[:, : self._longest]
            if not x.shape[1]:  # no step at all: one that is not valid
                x, mask = np.zeros((n, 1, width), np.float32), np.zeros((n, 1), bool)
            feed[m], feed[f"mask_{m}"] = x, mask
        there = np.stack([feed[f"mask_{m}"].any(axis=1) for m in self.widths], axis=1)
        feed["present"] = there if present is None else there & np.asarray(present, bool)
        if not n:
            return BundlePrediction(np.zeros((0, len(self.classes))), np.zeros(0, bool))
        out = dict(zip(self._outputs, self._session.run(None, feed), strict=True))
        scores = out.pop("scores").astype(np.float64)
        if self.kind in ("class", "distribution"):
            scores /= scores.sum(axis=1, keepdims=True)
        own = [list(self.widths).index(m) for m in self.modalities]
        withheld = ~(feed["present"] & self._seen)[:, own].any(axis=1)
        scores[withheld] = self._prior
        return BundlePrediction(scores, withheld, out)

    def predict_examples(
        self,
        examples: Mapping[str, Sequence[npt.NDArray[Any] | None]],
        *,
        dialogue: Sequence[str] = (),
        turn: Sequence[float] = (),
        speaker: Sequence[str] = (),
        rows: slice = slice(None),
    ) -> BundlePrediction:
        """Scores of examples of unequal length: for each modality one ``(steps, channels)`` an example, None if absent.

        A bundle with context looks for each example's past turns among these examples: by ``dialogue``, ``turn`` and
        ``speaker``, or, where these are not given, as one dialogue in this order by one speaker. Of ``rows`` alone
        scores are given: the others are there to be their past.
        """
        n = len(next(iter(examples.values())))
        values, masks = {}, {}
        for m in self.modalities:
            some = examples.get(m)
            if some is not None:
                values[m], masks[m] = _padded(some, self.widths[m])
        if self.context:
            past = past_turns(dialogue or ["d"] * n, turn or list(range(n)), self.context)
            for m in tuple(values):
                if m + PAST in self.widths:
                    steps = masks[m].sum(axis=1, keepdims=True)
                    total = (values[m] * masks[m][..., None]).sum(axis=1, dtype=np.float64)
                    means = np.where(steps > 0, total / np.maximum(steps, 1), np.nan).astype(np.float32)
                    values[m + PAST], masks[m + PAST] = past_values(means, past, speaker or [""] * n)
        return self.predict({m: v[rows] for m, v in values.items()}, {m: v[rows] for m, v in masks.items()})


def _padded(
    examples: Sequence[npt.NDArray[Any] | None], width: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    rows = [
        np.zeros((0, width), np.float32) if e is None else np.atleast_2d(np.asarray(e, np.float32)) for e in examples
    ]
    values = np.zeros((len(rows), max([1, *(len(r) for r in rows)]), width), np.float32)
    mask = np.zeros(values.shape[:2], bool)
    for i, row in enumerate(rows):
        values[i, : len(row)], mask[i, : len(row)] = row, True
    return values, mask
