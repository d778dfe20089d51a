"""From recordings to a `Dataset`: everything before the split, recording by recording, through the cache."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache as once
from pathlib import Path
from typing import Any

import numpy as np

from moodal import __version__
from moodal.core.errors import InputError, UsageError
from moodal.lab.data.cache import Cache, key_of
from moodal.lab.data.dataset import Dataset, Feature
from moodal.lab.data.hand import GROUPS, Withheld
from moodal.lab.data.index import TEXT_COLUMNS, TIME_COLUMNS, Index
from moodal.lab.data.labels import Labels
from moodal.lab.data.raw import Raw

from .acquire import acquire
from .functions import function_named
from .graph import Node, Pipeline
from .preprocess import preprocess
from .targets import target
from .windows import Window, Windows, plan

__all__ = ["Prepared", "extract", "extracted", "prepare"]

Rows = tuple[list[dict[str, float]], list[str]]


@dataclass
class Prepared:
    """What a pipeline makes of its data before the split: one `Dataset` a window node, and what the card tells."""

    data: dict[str, Dataset]
    labels: dict[str, Labels]
    reasons: dict[str, dict[str, int]]
    missing: dict[str, dict[str, int]]
    sources: list[dict[str, Any]]
    warnings: list[str]
    seconds: dict[str, float] = field(default_factory=dict)


@once
def code_version() -> str:
    """Hash of the code that measures: this room, the hand features and the functions they call."""
    here = Path(__file__).parent
    digest = hashlib.sha256(__version__.encode())
    for path in sorted([*here.glob("*.py"), *here.parent.glob("data/hand/*.py"), *here.parents[1].glob("dsp/*.py")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def prepare(
    pipeline: Pipeline,
    root: Path | str | None,
    *,
    cache: Cache | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> Prepared:
    """Acquire, preprocess, window, extract and label.

    Raises
    ------
    UsageError, InputError : as the nodes raise them.
    """
    seconds: dict[str, float] = {}
    rows: dict[str, list[Window]] = {n.id: [] for n in pipeline.of("window")}
    told: dict[str, Rows] = {n.id: ([], []) for n in pipeline.of("extract")}
    least: dict[str, float] = {}
    sources, warnings = [], []
    refusals: dict[str, InputError] = {}
    for source in pipeline.of("acquire"):
        began = time.perf_counter()
        step = (lambda share, name=source.id: progress(f"reading {name}", share)) if progress else None
        for raw in acquire(source, _root_of(root, source), step):
            if not raw.signals:
                warnings.append(f"{raw.recording}: has no stream")
            digest = raw.sha256
            sources.append({
                "corpus": raw.corpus, "recording": raw.recording, "subject": raw.subject, "sha256": digest,
                "streams": {n: s.rate_hz for n, s in raw.signals.items()},
                "duration_s": round(raw.end_s - raw.start_s, 3),
            })  # fmt: skip
            warnings += list(raw.warnings)
            seconds[source.id] = seconds.get(source.id, 0.0) + time.perf_counter() - began
            _one(pipeline, source, raw, rows, told, least, cache, seconds, refusals)
            began = time.perf_counter()
    data, labels = {}, {}
    for node in pipeline.of("window"):
        if not rows[node.id]:
            raise refusals.get(node.id) or InputError("gives no windows", where=node.told)
        features = {
            e.id: _feature(e, *told[e.id], pipeline)
            for e in pipeline.of("extract")
            if node.id in {n.id for n in pipeline.upstream(e.id)}
        }
        data[node.id] = Dataset(_index(pipeline.name, rows[node.id]), features)
    base = None if isinstance(root, Mapping) else root
    for node in pipeline.of("label"):
        window = next(i for i in node.inputs if i in rows)
        labels[node.id] = target(node, Windows(tuple(rows[window])), base)
    reasons = {
        e: {r: why.count(r) for r in dict.fromkeys(why) if r} for e, (_, why) in told.items() if any(why)
    }  # fmt: skip
    missing = {
        e: counts for e, (values, _) in told.items() if (counts := _holes(values))
    }  # fmt: skip
    return Prepared(data, labels, reasons, missing, sources, list(dict.fromkeys(warnings)), seconds)


def _root_of(root: Any, source: Node) -> Path | str | None:
    if isinstance(root, Mapping):
        if source.id not in root:
            raise UsageError(f"no folder was named for {source.id}", fix=f"Folders were named for: {', '.join(root)}.")
        return root[source.id]
    return None if root is None else Path(root)


def _one(
    pipeline: Pipeline, source: Node, raw: Raw, rows: dict[str, list[Window]], told: dict[str, Rows],
    least: dict[str, float], cache: Cache | None, seconds: dict[str, float], refusals: dict[str, InputError],
) -> None:  # fmt: skip
    """One recording through everything before the split; its samples are forgotten afterwards."""
    from .check import ordered

    held: dict[str, Raw] = {source.id: raw}
    cut: dict[str, Windows] = {}
    for node in ordered(pipeline):
        began = time.perf_counter()
        if node.stage == "preprocess" and (given := [held[i] for i in node.inputs if i in held]):
            held[node.id] = preprocess(node, given[0])
        elif node.stage == "window" and (given := [held[i] for i in node.inputs if i in held]):
            try:
                cut[node.id] = plan(node, given)
            except InputError as error:
                refusals[node.id] = error
                continue
            bare = replace(given[0], signals={})
            rows[node.id] += [replace(w, raw=bare) for w in cut[node.id].rows]
        elif node.stage == "extract" and node.inputs[0] in cut:
            values, why = extracted(pipeline, node, raw, cut[node.inputs[0]], cache)
            told[node.id][0].extend(values)
            told[node.id][1].extend(why)
        else:
            continue
        seconds[node.id] = seconds.get(node.id, 0.0) + time.perf_counter() - began


def extracted(pipeline: Pipeline, node: Node, raw: Raw, windows: Windows, cache: Cache | None) -> Rows:
    """`extract` through the cache: the key is the nodes it rests on, the code, and what the recording holds."""
    if cache is None or not isinstance(node.use, str) or node.use not in GROUPS:
        return extract(node, windows)
    before = [[n.id, n.told, list(n.inputs), dict(n.settings)] for n in pipeline.upstream(node.id)[1:]]
    spans = [(w.start_s, w.end_s) for w in windows.rows]
    key = key_of("pipeline", code_version(), json.dumps(before, sort_keys=True), raw.sha256, spans)

    def make() -> dict[str, Any]:
        values, why = extract(node, windows)
        names = list(dict.fromkeys(n for v in values for n in v))
        block = np.array([[v.get(n, np.nan) for n in names] for v in values], float).reshape(len(values), len(names))
        text = np.frombuffer(json.dumps([names, why]).encode(), np.uint8)
        return {"values": block, "told": text}

    stored = cache.arrays(key, make)
    names, why = json.loads(stored["told"].tobytes())
    return [dict(zip(names, row, strict=True)) if names else {} for row in stored["values"].tolist()], why


def extract(node: Node, windows: Windows) -> Rows:
    """Each window's features by name, and why it has none (a reason code, or ``""``); never an exception."""
    values: list[dict[str, float]] = []
    why: list[str] = []
    group = GROUPS.get(str(node.use))
    function = group.function() if group else function_named(node.use) if isinstance(node.use, str) else node.use
    for window in windows.rows:
        try:
            if group is None:
                made = function(window, **node.settings)
            else:
                made = _of_group(function, group, node, window, windows.least)
            values.append({str(k): float(v) for k, v in made.items()})
            why.append("")
        except Withheld as reason:
            values.append({})
            why.append(str(reason))
        except (ValueError, ArithmeticError, IndexError, KeyError, np.linalg.LinAlgError) as error:
            values.append({})
            why.append(f"failed_{type(error).__name__}")
    return values, why


def _of_group(function: Any, group: Any, node: Node, window: Window, least: float) -> dict[str, float]:
    signal = window.signal(group.kind, node.settings.get("stream", ""))
    if signal is None and not group.kind and not node.settings.get("stream") and window.raw.signals:
        signal = window.signal("", next(iter(window.raw.signals)))
    if signal is None or not len(signal.values):
        raise Withheld("no_stream")
    cover = signal.coverage(window.seconds)
    if cover < max(least, 1e-9):
        raise Withheld("no_stream" if not np.isfinite(signal.values).any() else "too_short")
    if window.seconds < group.least_s - 1e-6:
        raise Withheld("too_short")
    if group.least_hz and (signal.rate_hz is None or signal.rate_hz < group.least_hz or signal.times is not None):
        raise Withheld("unreadable")
    with np.errstate(invalid="ignore", divide="ignore"):
        return function(signal, **{k: v for k, v in node.settings.items() if k != "stream"})


def _holes(values: Sequence[Mapping[str, float]]) -> dict[str, int]:
    """How many told windows lack each feature."""
    counts: dict[str, int] = {}
    for row in values:
        for name, v in row.items():
            if not np.isfinite(v):
                counts[name] = counts.get(name, 0) + 1
    return counts


def _feature(node: Node, values: Sequence[Mapping[str, float]], why: Sequence[str], pipeline: Pipeline) -> Feature:
    """A table, one row a window; windows that tell nothing have none."""
    group = GROUPS.get(str(node.use))
    fixed = list(group.fields) if group and not any("CHANNEL" in f for f in group.fields) else []
    names = fixed or list(dict.fromkeys(n for v in values for n in v))
    block = np.array([[v.get(n, np.nan) for n in names] for v in values], float).reshape(len(values), len(names))
    block[~np.isfinite(block)] = np.nan
    return Feature.table(node.id, block, fields=tuple(names), source=f"{node.told} {code_version()}")


def _index(name: str, rows: Sequence[Window]) -> Index:
    """The windows as a data set's index: recording, trial (a phase of a recording), subject, span, phase."""
    taken: dict[str, int] = {}
    columns: dict[str, list[Any]] = {c: [] for c in ("clip", "recording", "subject", "session", "trial", "start_s",
                                                     "end_s", "phase", "corpus", "row")}  # fmt: skip
    extra: dict[str, list[Any]] = {}
    several = len({w.raw.corpus for w in rows}) > 1
    alone: dict[tuple[str, str], int] = {}
    for w in rows:
        alone[w.raw.recording, w.raw.corpus] = alone.get((w.raw.recording, w.raw.corpus), 0) + 1
    for k, w in enumerate(rows):
        told = w.raw.columns
        mark = f"{w.raw.corpus}/" if several else ""
        recording = f"{mark}{w.raw.recording}"
        trial = str(told.get("trial") or "") or (f"{w.raw.recording}#{w.place}" if "clip" not in told else "")
        base = f"{mark}{told.get('clip') or trial or recording}"
        taken[base] = taken.get(base, 0) + 1
        columns["clip"].append(f"{base}-w{taken[base]:04d}")
        columns["recording"].append(recording)
        columns["subject"].append(f"{mark}{w.raw.subject}" if w.raw.subject else "")
        columns["session"].append(f"{mark}{w.raw.session}" if w.raw.session else "")
        columns["trial"].append(f"{mark}{trial}" if trial else "")
        columns["start_s"].append(w.start_s)
        columns["end_s"].append(w.end_s)
        columns["phase"].append(w.phase)
        columns["corpus"].append(w.raw.corpus)
        columns["row"].append(str(k))
    standard = {*TEXT_COLUMNS, *TIME_COLUMNS, *columns}
    for w in rows:
        for c in w.raw.columns:
            if c in ("dialogue", "stimulus", "split", "text", "turn") or c not in standard:
                extra.setdefault(c, [])
    for c, cells in extra.items():
        cells += [w.raw.columns.get(c, np.nan if c in TIME_COLUMNS else "") for w in rows]
    return Index.build(name, {**columns, **extra}, {})


def roots(pipeline: Pipeline, paths: Sequence[str]) -> Any:
    """Folders named on a command line, one a source: one alone serves all.

    Raises
    ------
    UsageError : another number of folders than sources.
    """
    sources = [n.id for n in pipeline.of("acquire")]
    if not paths:
        return None
    if len(paths) == 1:
        return paths[0]
    if len(paths) != len(sources):
        raise UsageError(
            f"{len(paths)} folders are named for {len(sources)} sources", fix=f"Sources: {', '.join(sources)}."
        )
    return dict(zip(sources, paths, strict=True))


def files_hash(sources: Iterable[Mapping[str, Any]]) -> str:
    """One hash of every recording's."""
    return key_of(*sorted(str(s["sha256"]) for s in sources))
