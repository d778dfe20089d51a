"""A recipe run from its name to its report, and the scores that are remembered of it."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Any

import moodal
from moodal.core import registry
from moodal.core.errors import InputError, MoodalError, UsageError
from moodal.formats.files import json_text, write_text
from moodal.lab import recipes
from moodal.lab.data.cache import Cache
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.features import by_person, features
from moodal.lab.data.spec import find
from moodal.weights.cache import home

from .learners import learner
from .protocols import protocol
from .report import Report
from .run import Entry, run

__all__ = ["bench", "listing", "read", "record", "remember"]

#: The repository's own figures, written by ``moodal bench NAME --record`` and shipped.
SHIPPED = Path(recipes.__file__).parent / "scores.json"


def bench(
    recipe: str | recipes.Recipe,
    root: Path | str | None = None,
    *,
    jobs: int = 1,
    fresh: bool = False,
    cache: Cache | None = None,
    progress: Callable[[float], None] | None = None,
    changes: Mapping[str, Any] | None = None,
) -> Report:
    """Run a recipe (a name, the path of a TOML file, or a `Recipe`) on its data set; ``root`` is the user's copy.

    ``changes`` replaces single values of a recipe by name or path for this run, ``{"protocol.settings.k": 3}``; the
    report names them.

    Raises
    ------
    UsageError : no such recipe, learner or setting.
    InputError : the data set is not there, with how to get it.
    LeakageError : the protocol found a leak.
    """
    if changes and not isinstance(recipe, str):
        raise UsageError("changes are for a recipe by name or path", fix="Change the recipe itself.")
    told = recipes.load(recipe, changes) if isinstance(recipe, str) else recipe
    split = protocol(told.protocol.use, **told.protocol.settings)
    entries = [
        Entry(part.name, learner(part.use, part.settings, name=part.name, choose=told.metric), part.modalities)
        for part in told.learner
    ]
    data = read(told, root)
    report = run(
        data,
        split,
        entries,
        label=told.label,
        metric=told.metric,
        seeds=told.seeds,
        jobs=jobs,
        cache=cache,
        missing=told.report.missing,
        subsets=told.report.subsets,
        compare=told.report.compare,
        groups=told.report.groups,
        name=told.name,
        title=told.title,
        fresh=fresh,
        progress=progress,
    )
    altered = dict(changes or {})
    return replace(
        report,
        recipe=told.name,
        published=tuple(asdict(p) for p in told.published),
        goal=asdict(told.goal) if told.goal else None,
        command=" ".join([f"moodal bench {told.name}", *(f"--set {k}={json.dumps(v)}" for k, v in altered.items())]),
        notices=(*report.notices, *(f"changed for this run: {k} = {json.dumps(v)}" for k, v in altered.items())),
    )


def read(recipe: recipes.Recipe, root: Path | str | None = None) -> Dataset:
    """The data set of a recipe with the features that it names; people are read one after another where the reader can
    and features are made of their signals, so that no more than one person's are in memory with what is kept.

    Raises
    ------
    UsageError : a setting that the reader does not take.
    InputError : the set is not there.
    """
    settings = recipe.data.settings
    if recipe.data.set == "synthetic":
        from moodal.lab.data.synthetic import people

        _takes(people, settings, recipe)
        return features(people(**settings), recipe.features)
    module = registry.load("sets", recipe.data.set)
    _takes(module.read, settings, recipe)
    if hasattr(module, "people") and any(part.use != "set" for part in recipe.features.values()):
        return by_person(module.people(root, **settings), recipe.features)
    return features(module.read(root, **settings), recipe.features)


def _takes(reader: Callable[..., Any], settings: dict[str, Any], recipe: recipes.Recipe) -> None:
    known = [p for p in inspect.signature(reader).parameters if p != "root"]
    for key in settings:
        if key not in known:
            raise UsageError(
                f"[data] the reader of {recipe.data.set} takes no setting {key!r}",
                where=recipe.name,
                fix=f"It takes: {', '.join(known) or 'none'}.",
            )


def listing() -> list[dict[str, Any]]:
    """Every recipe: whether its data are here, our figure, the published one; nothing heavy is imported."""
    shipped = _stored(SHIPPED)
    rows = []
    for name in recipes.names():
        told = recipes.load(name)
        ours = shipped.get(name)
        mine = _stored(_own(name)).get(name)
        quoted = next((p for p in told.published if p.metric == told.metric), next(iter(told.published), None))
        alike = ours is not None and quoted is not None and quoted.metric == ours["metric"]
        rows.append(
            {
                "name": name,
                "title": told.title,
                "data_present": _present(told),
                "metric": told.metric,
                "ours": ours["value"] if ours else None,
                "interval": [ours["low"], ours["high"]] if ours else None,
                "learner": ours["learner"] if ours else None,
                "yours": mine["value"] if mine else None,
                "published": quoted.value if quoted else None,
                "published_metric": quoted.metric if quoted else None,
                "published_protocol": quoted.protocol if quoted else None,
                "source": quoted.source if quoted else None,
                "gap": round(ours["value"] - quoted.value, 6) if alike and ours and quoted else None,
                "goal": told.goal.reach if told.goal else None,
            }
        )
    return rows


def _present(recipe: recipes.Recipe) -> bool:
    if recipe.data.set == "synthetic":
        return True
    try:
        find(registry.load("sets", recipe.data.set).SPEC, None)
    except (MoodalError, ImportError):
        return False
    return True


def remember(report: Report) -> dict[str, Any]:
    """Keep the headline figure of a run in the user's cache; it is what `listing` calls ``yours``."""
    told = _headline(report)
    write_text(_own(report.recipe), json_text({report.recipe: told}))
    return told


def record(report: Report) -> list[Path]:
    """Write a run's figures into the repository: the shipped scores and this recipe's section of RESULTS.md.

    Raises
    ------
    UsageError : moodal does not run from its repository.
    """
    from .tables import markdown

    results = Path(moodal.__file__).parents[2] / "benchmarks" / "RESULTS.md"
    if not results.exists():
        raise UsageError("--record writes into the repository, and moodal runs from elsewhere", fix="Leave it out.")
    scores = _stored(SHIPPED) | {report.recipe: _headline(report)}
    write_text(SHIPPED, json_text(dict(sorted(scores.items()))))
    start, end = (
        f"<!-- {report.recipe}: written by moodal bench {report.recipe} --record -->",
        f"<!-- end of {report.recipe} -->",
    )
    text = results.read_text(encoding="utf-8")
    if start not in text:
        text = f"{text.rstrip()}\n\n{start}\n{end}\n"
    before, rest = text.split(start, 1)
    if end not in rest:
        raise InputError(f"lacks the line {end}", where=str(results), fix="Put it back below its section.")
    write_text(results, f"{before}{start}\n\n{markdown(report, level=2)}\n{end}{rest.split(end, 1)[1]}")
    return [SHIPPED, results]


def _headline(report: Report) -> dict[str, Any]:
    row = report.headline
    told = report.to_dict()
    mine = next(r for r in told["rows"] if r["name"] == row.name)
    return {
        "learner": row.name,
        "metric": report.metric,
        "value": mine["score"],
        "low": mine["low"],
        "high": mine["high"],
        "protocol": report.protocol["name"],
        "n": report.n,
        "units": f"{report.n_units} {report.unit}s",
        "date": date.today().isoformat(),
        "command": report.command,
        "moodal": report.versions["moodal"],
    }


def _own(name: str) -> Path:
    return home() / "lab" / "scores" / f"{name}.json"


def _stored(path: Path) -> dict[str, Any]:
    """Scores of a file; none where it is not there, or is no such file."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}
