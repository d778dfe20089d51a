"""Recipes: one TOML file an experiment. Unknown keys are refused, with the nearest known one.

::

    name = "ravdess-av"
    title = "RAVDESS: voice and face of the same trial"
    label = "emotion"                       # which label of the set
    metric = "uar"                          # the figure that is quoted
    seeds = [0]

    [data]
    set = "ravdess"                         # a reader of moodal.lab.data.sets, or "synthetic"
    settings = { part = "av" }              # what this reader takes beside its root

    [features.voice]                        # one table a modality, in order
    use = "set"                             # "set": the reader brings it; else a maker of moodal.lab.data.features
    settings = {}

    [protocol]
    use = "group-kfold"
    settings = { k = 5 }

    [[learner]]                             # each is a row of the table
    name = "fused"
    use = "logistic"                        # a scikit-learn learner by short name, or a model of moodal.lab.models
    modalities = ["face", "voice"]          # all, if not said
    settings = {}

    [report]                                # optional
    missing = ["random(0.3, seed=0)"]       # the any-subset card adds these to every subset
    subsets = "fused"                       # the learner that the card is made of
    compare = [["fused", "voice"]]          # paired tests, Holm-corrected
    groups = ["sex"]                        # fairness rows

    [[published]]                           # what others report, with the protocol they report it under
    value = 0.8008
    metric = "accuracy"
    protocol = "5-fold by actor"
    source = "Sensors 2021, 21, 7665"

    [goal]
    learner = "fused"
    reach = 0.79
    aim = 0.82

    [variant.speech]                        # optional: a recipe "ravdess-av-speech" that differs in what stands here
    title = "RAVDESS: voice and face of spoken trials"
    data.settings = { part = "av+speech" }  # settings of the data are laid over, all else is replaced
"""

from __future__ import annotations

import difflib
import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

from moodal.core.errors import InputError, UsageError

from .variants import changed, names_in, varied

__all__ = ["DataPart", "FeaturePart", "Goal", "LearnerPart", "ProtocolPart", "Published", "Recipe", "ReportPart",
           "load", "names", "parse"]  # fmt: skip

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class DataPart:
    """Which data set, and what its reader is told."""

    set: str
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FeaturePart:
    """What makes one modality: ``set`` (the reader brings it), or a maker's name."""

    use: str = "set"
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProtocolPart:
    """How the index is split."""

    use: str
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LearnerPart:
    """One row of the table."""

    name: str
    use: str
    modalities: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReportPart:
    """What the report holds beside the table."""

    missing: tuple[str, ...] = ()
    subsets: str = ""
    compare: tuple[tuple[str, str], ...] = ()
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Published:
    """A figure from elsewhere, with the protocol it was made under."""

    value: float
    metric: str
    protocol: str
    source: str


@dataclass(frozen=True, slots=True)
class Goal:
    """What a learner of this recipe should reach."""

    learner: str
    reach: float
    aim: float | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """One experiment, as its file says it."""

    name: str
    title: str
    label: str
    metric: str
    data: DataPart
    features: dict[str, FeaturePart]
    protocol: ProtocolPart
    learner: tuple[LearnerPart, ...]
    seeds: tuple[int, ...] = (0,)
    report: ReportPart = field(default_factory=ReportPart)
    published: tuple[Published, ...] = ()
    goal: Goal | None = None

    def fingerprint(self) -> str:
        """SHA-256 of everything that can change a score."""
        told = asdict(self)
        for quoted in ("title", "published", "goal", "report"):
            told.pop(quoted)
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def learner_named(self, name: str) -> LearnerPart:
        """The learner of that name.

        Raises
        ------
        UsageError : the recipe has none.
        """
        for part in self.learner:
            if part.name == name:
                return part
        known = ", ".join(p.name for p in self.learner)
        raise UsageError(f"has no learner {name!r}", where=self.name, fix=f"It has: {known}.")


@cache
def _shipped() -> dict[str, Path]:
    """Recipe → the file that holds it."""
    found: dict[str, Path] = {}
    for path in sorted(_FOLDER.glob("*.toml")):
        for name in names_in(_table(path.read_text(encoding="utf-8"), path.name), path.stem):
            found.setdefault(name, path)
    return found


def names() -> tuple[str, ...]:
    """Recipes that ship with moodal, by name; variants of one file among them."""
    return tuple(sorted(_shipped()))


def load(name: str, changes: Mapping[str, Any] | None = None) -> Recipe:
    """A recipe by its name, or by the path of a TOML file (``FILE.toml:VARIANT`` for one of its variants).

    ``changes`` replaces single values, by their path in the file: ``{"protocol.settings.k": 3}``.

    Raises
    ------
    UsageError : no such recipe, or a key that recipes do not have.
    """
    file, _, variant = name.partition(".toml:") if ".toml:" in name else (name.removesuffix(".toml"), "", "")
    if name.endswith(".toml") or variant:
        path = Path(f"{file}.toml")
        if not path.exists():
            raise InputError("no such recipe", where=str(path), fix="See: moodal bench list")
        return parse(path.read_text(encoding="utf-8"), str(path), variant, changes)
    if name in _shipped():
        path = _shipped()[name]
        variant = name.removeprefix(path.stem).removeprefix("-")
        return parse(path.read_text(encoding="utf-8"), path.name, variant, changes)
    near = difflib.get_close_matches(name, names(), 1)
    hint = f"Did you mean {near[0]}? " if near else ""
    raise UsageError(f"unknown recipe {name!r}", fix=f"{hint}See: moodal bench list")


def _table(text: str, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"is not TOML ({error})", where=where, fix="Correct that line.") from error


def parse(text: str, where: str, variant: str = "", changes: Mapping[str, Any] | None = None) -> Recipe:
    """A recipe from TOML text, or one of its variants; ``where`` names it in errors.

    Raises
    ------
    UsageError : not TOML, a key that is not known, one that is missing, or a value of another type.
    """
    told = changed(varied(_table(text, where), variant, where), changes or {}, where)
    checked = _checked(Recipe, told, where, "")
    tables = {m: _made(FeaturePart, t, where, f"features.{m}") for m, t in _dict(checked, "features", where).items()}
    seeds = checked.get("seeds", [0])
    if not isinstance(seeds, list) or not seeds or not all(isinstance(s, int) for s in seeds):
        raise UsageError("seeds must be a list of whole numbers", where=where)
    learners = tuple(_made(LearnerPart, t, where, "learner") for t in _list(checked, "learner", where))
    if len({part.name for part in learners}) != len(learners):
        raise UsageError("two learners have the same name", where=where, fix="Name each row of the table.")
    recipe = Recipe(
        **{k: _text(checked, k, where) for k in ("name", "title", "label", "metric")},
        data=_made(DataPart, checked["data"], where, "data"),
        features=tables,
        protocol=_made(ProtocolPart, checked["protocol"], where, "protocol"),
        learner=learners,
        seeds=tuple(seeds),
        report=_made(ReportPart, checked.get("report", {}), where, "report"),
        published=tuple(_made(Published, t, where, "published") for t in checked.get("published", [])),
        goal=_made(Goal, checked["goal"], where, "goal") if "goal" in checked else None,
    )
    for part in learners:
        for modality in part.modalities:
            if tables and modality not in tables:
                raise UsageError(
                    f"learner {part.name} wants {modality!r}", where=where, fix=f"Features: {', '.join(tables)}."
                )
    for wanted in (recipe.report.subsets, recipe.goal.learner if recipe.goal else "", *sum(recipe.report.compare, ())):
        if wanted:
            recipe.learner_named(wanted)
    return recipe


def _checked(kind: type, told: Any, where: str, table: str) -> dict[str, Any]:
    """The table, if it holds only keys of the dataclass and all that it needs."""
    if not isinstance(told, Mapping):
        raise UsageError(f"{table} must be a table", where=where)
    known = {f.name: f for f in fields(kind)}
    place = f"[{table}] " if table else ""
    for key in told:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"Did you mean {near[0]}? " if near else ""
            raise UsageError(f"{place}unknown key {key!r}", where=where, fix=f"{hint}Known: {', '.join(known)}.")
    from dataclasses import MISSING

    for name, f in known.items():
        if name not in told and f.default is MISSING and f.default_factory is MISSING:
            raise UsageError(f"{place}lacks {name}", where=where)
    return dict(told)


def _made(kind: type, told: Any, where: str, table: str) -> Any:
    values = _checked(kind, told, where, table)
    for f in fields(kind):
        if f.name in values:
            values[f.name] = _typed(str(f.type), values[f.name], where, f"[{table}] {f.name}")
    return kind(**values)


def _typed(kind: str, value: Any, where: str, place: str) -> Any:
    if kind.startswith("tuple"):
        if not isinstance(value, list):
            raise UsageError(f"{place} must be a list", where=where)
        return tuple(tuple(v) if isinstance(v, list) else v for v in value)
    wanted: tuple[type, ...] = {"str": (str,), "dict[str, Any]": (dict,)}.get(kind, (int, float))
    if not isinstance(value, wanted) or isinstance(value, bool):
        raise UsageError(f"{place} must be {'text' if kind == 'str' else 'a table' if kind[0] == 'd' else 'a number'}",
                         where=where)  # fmt: skip
    return value


def _text(told: dict[str, Any], key: str, where: str) -> str:
    if not isinstance(told[key], str):
        raise UsageError(f"{key} must be text", where=where)
    return str(told[key])


def _dict(told: dict[str, Any], key: str, where: str) -> dict[str, Any]:
    if not isinstance(told[key], dict) or not told[key]:
        raise UsageError(f"{key} must hold one table a modality", where=where, fix=f"Write [{key}.audio], say.")
    return dict(told[key])


def _list(told: dict[str, Any], key: str, where: str) -> list[Any]:
    if not isinstance(told[key], list) or not told[key]:
        raise UsageError(f"{key} must be written [[{key}]], once a row", where=where)
    return list(told[key])
