"""What each stage can use: names, settings with their types, and whether something is fitted.

Stages are typed: what one takes and gives is `PORTS`. The table is static, so that a pipeline is checked before
anything is read.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from moodal.core import registry
from moodal.core.errors import UsageError
from moodal.lab.data.hand import GROUPS

from .functions import REGISTERED, is_reference

__all__ = ["PORTS", "STAGES", "USES", "Setting", "Use", "nearest", "use_named"]

#: Stage → (types it takes, in any number unless it says ``1``; the type it gives).
PORTS: dict[str, tuple[tuple[str, ...], str]] = {
    "acquire": ((), "Recording"),
    "preprocess": (("Recording",), "Recording"),
    "window": (("Recording",), "Windows"),
    "extract": (("Windows",), "Features"),
    "label": (("Windows",), "Target"),
    "select": (("Features",), "Features"),
    "estimate": (("Features", "Target"), "Predictions"),
}
STAGES: tuple[str, ...] = tuple(PORTS)


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: ``kind`` is number, whole, text, flag, texts, numbers, table or any."""

    kind: str
    default: Any = None
    choices: tuple[str, ...] = ()
    needed: bool = False


@dataclass(frozen=True, slots=True)
class Use:
    """Something a node can do. ``fitted``: it learns from several examples, so it belongs inside a fold; ``live``: it
    needs no future sample, ``open``: further settings are handed on."""

    name: str
    stage: str
    about: str
    settings: Mapping[str, Setting] = field(default_factory=dict)
    fitted: bool = False
    live: bool = True
    open: bool = False


_STREAMS = {"of": Setting("texts")}
_SCOPE = {
    "scope": Setting("text", "train", ("train", "baseline-phase", "subject-unlabelled")),
    "phase": Setting("text", ""),
}
_ESTIMATE = {"seeds": Setting("numbers", (0,))}

_ALL = (
    Use("folder", "acquire", "a folder of signal files, named by a pattern", {
        "files": Setting("text", "{subject}/{subject}_{phase}_{signal}"),
        "units": Setting("table", {}), "rate_hz": Setting("table", {}), "streams": Setting("texts"),
        "phases": Setting("text", ""), "corpus": Setting("text", ""), "root": Setting("text", ""),
    }),
    Use("band-pass", "preprocess", "zero-phase FIR over the recording; causal = true: Butterworth, one way", {
        **_STREAMS, "low_hz": Setting("number", 0.0), "high_hz": Setting("number", needed=True),
        "causal": Setting("flag", False),
    }, live=False),
    Use("clip", "preprocess", "values outside [low, high] become missing", {
        **_STREAMS, "low": Setting("number"), "high": Setting("number"),
    }),
    Use("decimate", "preprocess", "means over whole blocks of samples", {
        **_STREAMS, "by": Setting("whole", needed=True),
    }),
    Use("artefacts", "preprocess", "skin conductance that changes faster than skin does becomes missing", _STREAMS,
        live=False),
    Use("standardise", "preprocess", "each recording to mean 0 and standard deviation 1", _STREAMS, live=False),
    Use("sliding", "window", "equal windows on the time axis", {
        "seconds": Setting("number", needed=True), "hop": Setting("number"), "overlap": Setting("number"),
        "min_coverage": Setting("number", 0.9), "within": Setting("text", "phase", ("phase", "recording")),
    }),
    Use("whole", "window", "each phase (or recording, or example of a set) is one window", {
        "min_coverage": Setting("number", 0.0), "within": Setting("text", "phase", ("phase", "recording")),
    }),
    Use("phases", "label", "phase → class", {"phases": Setting("table", needed=True), "names": Setting("texts"),
                                             "name": Setting("text", "")}),
    Use("set", "label", "the label that the data set brings", {"name": Setting("text", ""), "drop": Setting("texts"),
                                                              "map": Setting("table", {})}),
    Use("threshold", "label", "a number of the recording above a fixed value, or above its subject's own mean", {
        "column": Setting("text", needed=True), "at": Setting("number"),
        "per": Setting("text", "", ("", "subject", "all")), "name": Setting("text", ""),
    }),
    Use("table", "label", "a CSV with columns subject, phase (or either) and label", {
        "file": Setting("text", needed=True), "column": Setting("text", "label"), "name": Setting("text", ""),
    }),
    Use("impute", "select", "missing values become the training median", fitted=True),
    Use("scale", "select", "mean 0 and standard deviation 1, within a declared scope", _SCOPE, fitted=True),
    Use("variance", "select", "columns without spread are dropped", {"least": Setting("number", 1e-12)}, fitted=True),
    Use("k-best", "select", "the k columns with the largest ANOVA F", {"k": Setting("whole", 10)}, fitted=True),
    Use("pca", "select", "principal components", {"k": Setting("whole", 10)}, fitted=True),
    *(Use(n, "estimate", about, _ESTIMATE, fitted=True, open=True) for n, about in (
        ("logistic", "logistic regression"), ("svm", "support vectors, radial kernel"),
        ("linear-svm", "support vectors, linear"), ("lda", "linear discriminant analysis"),
        ("knn", "nearest neighbours"), ("decision-tree", "one tree"), ("random-forest", "a forest of trees"),
        ("extra-trees", "a forest of random trees"), ("adaboost", "boosted stumps"),
        ("gradient-boosting", "boosted trees"), ("hist-gradient-boosting", "boosted trees over histograms"),
        ("mlp", "a small network"), ("ridge", "ridge regression"), ("forest-regression", "a forest that tells numbers"),
    )),
    Use("vote", "estimate", "the mean of other estimates' probabilities", _ESTIMATE),
)  # fmt: skip

#: Name → what it does. Feature groups and data sets stand beside the table above.
USES: dict[str, Use] = {u.name: u for u in _ALL} | {
    g.name: Use(g.name, "extract", g.about, dict.fromkeys(g.settings, Setting("any"))) for g in GROUPS.values()
}


def nearest(word: str, known: Iterable[str]) -> str:
    """``Did you mean hop? `` or nothing."""
    near = difflib.get_close_matches(word, list(known), 1, 0.5)
    return f"Did you mean {near[0]}? " if near else ""


def use_named(use: str, stage: str, where: str) -> Use:
    """What a node of that stage uses; the default of a stage for ``""``.

    Raises
    ------
    UsageError : nothing of that name, with the nearest.
    """
    if use in USES:
        return USES[use]
    if use in REGISTERED or is_reference(use):
        return Use(use, REGISTERED[use][0] if use in REGISTERED else stage, "a function of yours", open=True)
    if stage in ("acquire", "") and use in registry.names("sets"):
        return Use(use, "acquire", "a data set", _set_settings(use))
    if stage in ("estimate", "") and use in registry.names("models"):
        return Use(use, "estimate", "a fusion model of moodal.lab.models", _ESTIMATE, fitted=True, open=True)
    known = [n for n, u in USES.items() if not stage or u.stage == stage]
    known += list(registry.names("models")) if stage in ("estimate", "") else []
    known += list(registry.names("sets")) if stage in ("acquire", "") else []
    close = nearest(use, known)
    shown = "See: moodal pipe features" if stage == "extract" else f"Known: {', '.join(known)}."
    raise UsageError(f"nothing for {stage or 'a node'} is called {use!r}", where=where, fix=f"{close}{shown}")


def _set_settings(use: str) -> dict[str, Setting]:
    """What a reader of a data set can be told, beside its root."""
    read = inspect.signature(registry.load("sets", use).read)
    told = [p for p in read.parameters if p != "root"]
    return {**{p: Setting("any") for p in told}, "streams": Setting("texts"), "device": Setting("text", ""),
            "corpus": Setting("text", ""), "root": Setting("text", "")}  # fmt: skip
