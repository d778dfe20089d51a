"""A fitted pipeline: saved as a folder of JSON and arrays, it predicts files, folders and live streams by one code."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from moodal.core import registry
from moodal.core.errors import ModelError, UsageError
from moodal.formats.files import json_text, new_folder
from moodal.lab.data.cache import Cache
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.learner import Prediction
from moodal.lab.data.raw import Raw

from . import keep
from .acquire import opened
from .check import check, ordered
from .graph import Pipeline
from .learn import Chain, FittedChain
from .prepare import _feature, _index, extract, prepare
from .preprocess import preprocess
from .run import _data_of
from .steps import Step, Yours, step
from .toml import from_toml
from .windows import Window, Windows, plan

__all__ = ["SavedPipeline", "Told", "fit"]

_TOML, _TOLD, _ARRAYS = "pipeline.toml", "fitted.json", "fitted.npz"


@dataclass(frozen=True, slots=True)
class Told:
    """What one estimate says of one recording's windows: ``start_s``, ``end_s`` ``(n,)``, probabilities ``(n, C)``
    (or values), ``withheld (n,)``; ``absent`` names extracts that had no stream at all."""

    estimate: str
    classes: tuple[str, ...]
    start_s: Any
    end_s: Any
    scores: Any
    withheld: Any
    absent: tuple[str, ...]

    def rows(self) -> list[dict[str, Any]]:
        """One table row a window."""
        return [
            {
                "start_s": float(a), "end_s": float(b), "withheld": bool(w),
                **{c: (None if w or not np.isfinite(v) else float(v)) for c, v in zip(self.classes, row, strict=True)},
            }
            for a, b, row, w in zip(self.start_s, self.end_s, self.scores, self.withheld, strict=True)
        ]  # fmt: skip


@dataclass(frozen=True)
class SavedPipeline:
    """A pipeline after `fit`: its fitted chains by estimate, and the columns each extract had."""

    pipeline: Pipeline
    chains: dict[str, FittedChain]
    fields: dict[str, tuple[str, ...]]

    # ---- predicting

    def predict(self, recording: Raw | Path | str, *, estimate: str = "") -> Told:
        """One recording, by windows over the whole of it (its phases, if any, are not used).

        Raises
        ------
        UsageError : several estimates and none was named.
        InputError : it cannot be read, or is shorter than a window.
        """
        raw = recording if isinstance(recording, Raw) else opened(recording)
        values, spans = self._values(raw)
        return self.told(estimate, spans, values)

    def features(self, recording: Raw | Path | str) -> dict[str, Any]:
        """Each extract's table ``(n, d)`` of one recording."""
        values, _ = self._values(recording if isinstance(recording, Raw) else opened(recording))
        return {e: self._table(e, rows) for e, rows in values.items()}

    def _values(self, raw: Raw) -> tuple[dict[str, list[dict[str, float]]], list[Window]]:
        held: dict[str, Raw] = {}
        cut: dict[str, Windows] = {}
        values: dict[str, list[dict[str, float]]] = {}
        for node in ordered(self.pipeline):
            if node.stage == "acquire":
                held[node.id] = raw
            elif node.stage == "preprocess":
                held[node.id] = preprocess(node, held[node.inputs[0]])
            elif node.stage == "window":
                cut[node.id] = plan(node, [held[node.inputs[0]]], within="recording")
            elif node.stage == "extract":
                values[node.id] = extract(node, cut[node.inputs[0]])[0]
        return values, list(next(iter(cut.values())).rows)

    def _table(self, extract: str, rows: Sequence[dict[str, float]]) -> Any:
        return np.array([[r.get(f, np.nan) for f in self.fields[extract]] for r in rows], float).reshape(len(rows), -1)

    def told(self, estimate: str, spans: Sequence[Window], values: dict[str, list[dict[str, float]]]) -> Told:
        """What an estimate says of windows whose features are there."""
        name = self._named(estimate)
        node = self.pipeline.node(name)
        members = [name] if node.use != "vote" else list(node.inputs)
        index = _index(self.pipeline.name, spans)
        made: list[Prediction] = []
        absent: list[str] = []
        for m in members:
            chain = self.chains[m]
            features = {}
            for e in chain.chain.extracts:
                block = self._table(e, values[e])
                filled = [dict(zip(self.fields[e], r, strict=True)) for r in block]
                features[e] = _feature(self.pipeline.node(e), filled, [], self.pipeline)
                features[e] = _wide(features[e], self.fields[e])
                if not np.isfinite(block).any() and e not in absent:
                    absent.append(e)
            made.append(chain.predict(Dataset(index, features)))
        scores = np.mean([p.scores for p in made], axis=0)
        withheld = np.all([p.withheld for p in made], axis=0)
        classes = self.chains[members[0]].classes
        return Told(name, classes, index["start_s"], index["end_s"], scores, withheld, tuple(absent))

    def _named(self, estimate: str) -> str:
        names = [n.id for n in self.pipeline.of("estimate")]
        if not estimate and len(names) == 1:
            return names[0]
        if estimate not in names:
            what = f"no estimate {estimate!r}" if estimate else "several estimates"
            raise UsageError(f"has {what}", where=self.pipeline.name, fix=f"Name one of: {', '.join(names)}.")
        return estimate

    def live(self, *, streams: Sequence[str] = (), estimate: str = "") -> Any:
        """The same for a stream that comes in pieces. See `moodal.lab.pipeline.live.Live`."""
        from .live import Live

        return Live(self, tuple(streams), self._named(estimate))

    # ---- keeping

    def save(self, folder: Path | str) -> None:
        """A folder of ``pipeline.toml``, ``fitted.json`` and ``fitted.npz``; it appears whole or not at all.

        Raises
        ------
        UsageError : a step of yours cannot be saved.
        """
        arrays: keep.Arrays = {}
        chains = {}
        for name, c in self.chains.items():
            steps = {}
            for id, made in c.steps.items():
                if isinstance(made, Yours):
                    steps[id] = {"yours": keep.write(made.made, arrays)}
                else:
                    steps[id] = {"state": keep.write(dict(made.state), arrays)}
            chains[name] = {
                "kind": c.kind, "classes": list(c.classes), "names": c.names, "steps": steps,
                "estimator": keep.write(c.estimator, arrays),
            }  # fmt: skip
        text = self.pipeline.to_toml()
        with new_folder(Path(folder)) as work:
            (work / _TOML).write_text(text, encoding="utf-8")
            told = {"saved": 1, "fields": {e: list(f) for e, f in self.fields.items()}, "chains": chains}
            (work / _TOLD).write_text(json_text(told), encoding="utf-8")
            buffer = io.BytesIO()
            np.savez(buffer, allow_pickle=False, **arrays)
            (work / _ARRAYS).write_bytes(buffer.getvalue())

    @classmethod
    def load(cls, folder: Path | str) -> SavedPipeline:
        """What `save` wrote.

        Raises
        ------
        ModelError : not a saved pipeline, or damaged.
        """
        folder = Path(folder)
        try:
            pipeline = from_toml((folder / _TOML).read_text(encoding="utf-8"), str(folder / _TOML))
            told = json.loads((folder / _TOLD).read_text(encoding="utf-8"))
            with np.load(folder / _ARRAYS, allow_pickle=False) as stored:
                arrays = {k: stored[k] for k in stored.files}
            chains = {}
            for name, c in told["chains"].items():
                steps: dict[str, Step] = {}
                for id, kept in c["steps"].items():
                    made = step(pipeline.node(id))
                    if isinstance(made, Yours):
                        made.made = keep.read(kept["yours"], arrays)
                    else:
                        made.state = keep.read(kept["state"], arrays)
                    steps[id] = made
                estimator = keep.read(c["estimator"], arrays)
                chain = Chain.of(pipeline, name)
                chains[name] = FittedChain(chain, steps, estimator, c["kind"], tuple(c["classes"]), c["names"])
            return cls(pipeline, chains, {e: tuple(f) for e, f in told["fields"].items()})
        except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
            raise ModelError("is no saved pipeline", where=str(folder), fix="Fit and save it again.") from error


def _wide(feature: Any, fields: tuple[str, ...]) -> Any:
    """The table with its training columns, in their order."""
    from dataclasses import replace

    if feature.fields == fields:
        return feature
    at = [feature.fields.index(f) for f in fields]
    return replace(feature, values=feature.values[:, at], fields=fields)


def fit(
    pipeline: Pipeline,
    root: Path | str | None = None,
    *,
    cache: Cache | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> SavedPipeline:
    """Learn from every labelled window, with each estimate's first seed.

    Raises
    ------
    UsageError, InputError : as `moodal.lab.pipeline.run.evaluate`.
    """
    check(pipeline)
    if len({i for n in pipeline.of("extract") for i in n.inputs}) > 1:
        raise UsageError("has several windows", where=pipeline.name, fix="A saved pipeline has one window node.")
    prepared = prepare(pipeline, root, cache=cache, progress=progress)
    chains = {}
    for node in pipeline.of("estimate"):
        if node.use == "vote":
            continue
        if node.use in registry.names("models"):
            raise UsageError(
                f"node {node.told} is no chain of steps", where=pipeline.name, fix="Train it: moodal train"
            )
        data, labels, name = _data_of(pipeline, node, prepared)
        data = Dataset(data.index.with_labels(**{name: labels}), data.features)
        seed = int(node.settings.get("seeds", [0])[0])
        chains[node.id] = Chain.of(pipeline, node.id).fit(data, data.take(np.zeros(0, int)), label=name, seed=seed)
    fields = {e: f.fields for d in prepared.data.values() for e, f in d.features.items()}
    return SavedPipeline(pipeline, chains, fields)
