"""What can be told of a pipeline before any data: structure, types, settings, units, and what is fitted where."""

from __future__ import annotations

from typing import Any

from moodal.core import registry
from moodal.core.errors import UsageError
from moodal.core.stream import SIGNAL_KINDS
from moodal.lab.data.hand import GROUPS
from moodal.media.units import unit_of

from .functions import REGISTERED
from .graph import Node, Pipeline
from .splits import check_split
from .uses import PORTS, STAGES, Setting, Use, nearest, use_named

__all__ = ["check", "ordered"]


def check(pipeline: Pipeline) -> None:
    """Raise the first thing that is wrong.

    Raises
    ------
    UsageError : naming the node, or both nodes, and the fix.
    """
    where = pipeline.name
    if not pipeline.nodes:
        raise UsageError("has no nodes", where=where, fix="Begin with acquire. See: moodal pipe new")
    ids = {n.id: n for n in pipeline.nodes}
    for node in pipeline.nodes:
        for i in node.inputs:
            if i not in ids:
                raise UsageError(
                    f"node {node.told} takes from {i!r}, which is not there", where=where,
                    fix=f"{nearest(i, ids)}Nodes: {', '.join(ids)}.",
                )  # fmt: skip
    ordered(pipeline)
    uses = {n.id: _use(n, where) for n in pipeline.nodes}
    for node in pipeline.nodes:
        _ports(node, uses[node.id], ids, where)
    for node in pipeline.nodes:
        check_settings(uses[node.id], node.settings, f"{where}, {node.told}")
        _sense(node, f"{where}, {node.told}")
    _units(pipeline, where)
    _one_window(pipeline, where)
    check_split(pipeline.parts.get("split"), where)


def ordered(pipeline: Pipeline) -> tuple[Node, ...]:
    """The nodes, each after what it takes from.

    Raises
    ------
    UsageError : a cycle, naming its nodes.
    """
    done: dict[str, Node] = {}
    waiting = list(pipeline.nodes)
    while waiting:
        ready = [n for n in waiting if all(i in done for i in n.inputs)]
        if not ready:
            path, at = [], waiting[0]
            left = {n.id: n for n in waiting}
            while at.id not in path:
                path.append(at.id)
                at = left[next(i for i in at.inputs if i in left)]
            loop = [*path[path.index(at.id) :], at.id]
            raise UsageError(
                f"nodes take from each other in a circle: {' → '.join(reversed(loop))}", where=pipeline.name,
                fix=f"Take {loop[1]} out of the inputs of {loop[0]}.",
            )  # fmt: skip
        done |= {n.id: n for n in ready}
        waiting = [n for n in waiting if n.id not in done]
    return tuple(done.values())


def _use(node: Node, where: str) -> Use:
    if not isinstance(node.use, str):
        known = next((s for s, f in REGISTERED.values() if f is node.use), node.stage)
        return Use(getattr(node.use, "__name__", "function"), known, "a function of yours", open=True)
    if not node.use:
        raise UsageError(f"node {node.told} does not say what it uses", where=where, fix="Name it: use = …")
    return use_named(node.use, node.stage, f"{where}, {node.told}")


def _ports(node: Node, use: Use, ids: dict[str, Node], where: str) -> None:
    if use.stage != node.stage:
        if use.fitted and STAGES.index(node.stage) < STAGES.index("select"):
            nxt = next((n for n in ids.values() if n.stage in ("select", "estimate")), None)
            raise UsageError(
                f"node {node.told} is fitted on all recordings at once, before the split, which stands in front of "
                f"{nxt.told if nxt else 'select'}", where=where, fix=f"Move {use.name} to select, inside the folds.",
            )  # fmt: skip
        raise UsageError(
            f"node {node.told} stands in {node.stage}, but {use.name} is for {use.stage}", where=where,
            fix=f"Move it to {use.stage}.",
        )  # fmt: skip
    takes, _ = PORTS[node.stage]
    if use.name == "vote":
        takes = ("Predictions",)
    given = [ids[i].gives for i in node.inputs]
    for i, kind in zip(node.inputs, given, strict=True):
        if kind in takes:
            continue
        other = ids[i]
        if other.stage in ("select", "estimate") and STAGES.index(node.stage) < STAGES.index("select"):
            raise UsageError(
                f"node {node.told} takes from {other.told}, which is fitted inside a fold: it would stand before the "
                "split", where=where, fix=f"Let {node.id} take from what {other.id} takes from.",
            )  # fmt: skip
        raise UsageError(
            f"node {node.told} takes {' and '.join(takes) or 'nothing'}, but {other.told} gives {kind}", where=where,
            fix=f"Take {other.id} out of its inputs, or put a node between that gives {takes[0] if takes else ''}.",
        )  # fmt: skip
    for kind in takes:
        if kind not in given:
            by = next(s for s, (_, gives) in PORTS.items() if gives == kind)
            raise UsageError(
                f"node {node.told} needs {kind}, and takes it from nowhere", where=where, fix=f"Add a {by} before it."
            )
    if node.use in registry.names("models"):
        for i in node.inputs:
            if ids[i].stage == "select":
                raise UsageError(
                    f"node {node.told} takes each extract as a modality of its own, but {ids[i].told} joins them",
                    where=where, fix=f"Let {node.id} take from the extracts.",
                )  # fmt: skip
    for kind, most in (("Target", 1), ("Windows", 1)):
        if given.count(kind) > most:
            both = [i for i, k in zip(node.inputs, given, strict=True) if k == kind]
            raise UsageError(
                f"node {node.told} takes {kind} from both {both[0]} and {both[1]}", where=where,
                fix="Make one node for each.",
            )  # fmt: skip


def check_settings(use: Use, settings: Any, where: str) -> None:
    """Refuse keys and types that the use does not have.

    Raises
    ------
    UsageError : naming the key, with the nearest valid one.
    """
    for key, value in settings.items():
        if key not in use.settings:
            if use.open:
                continue
            known = ", ".join(use.settings) or "none"
            raise UsageError(
                f"unknown key {key!r}", where=where, fix=f"{nearest(key, use.settings)}{use.name} knows: {known}."
            )
        setting = use.settings[key]
        if not _fits(setting, value):
            raise UsageError(f"{key} must be {_KINDS[setting.kind]}, not {value!r}", where=where)
        if setting.choices and value not in setting.choices:
            raise UsageError(
                f"{key} is {value!r}", where=where,
                fix=f"{nearest(str(value), setting.choices)}It can be: {', '.join(c for c in setting.choices if c)}.",
            )  # fmt: skip
    for key, setting in use.settings.items():
        if setting.needed and key not in settings:
            raise UsageError(f"lacks {key}", where=where, fix=f"{use.name} needs it: {_KINDS[setting.kind]}.")


_KINDS = {
    "number": "a number", "whole": "a whole number", "text": "text", "flag": "true or false",
    "texts": "a list of names", "numbers": "a list of whole numbers", "table": "a table", "any": "a value",
}  # fmt: skip


def _fits(setting: Setting, value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    whole = isinstance(value, int) and not isinstance(value, bool)
    return {
        "number": number,
        "whole": whole,
        "text": isinstance(value, str),
        "flag": isinstance(value, bool),
        "texts": isinstance(value, (list, tuple)) and all(isinstance(v, str) for v in value),
        "numbers": isinstance(value, (list, tuple)) and bool(value)
        and all(isinstance(v, int) and not isinstance(v, bool) for v in value),
        "table": isinstance(value, dict),
        "any": True,
    }[setting.kind]  # fmt: skip


def _sense(node: Node, where: str) -> None:
    """Settings that have the right type and still cannot be meant."""
    s = node.settings
    if node.use == "sliding":
        if "hop" in s and "overlap" in s:
            raise UsageError("says both hop and overlap", where=where, fix="Keep one: hop in seconds, overlap a share.")
        if not s["seconds"] > 0 or not s.get("hop", 1) > 0:
            raise UsageError("seconds and hop must be above 0", where=where)
        if not 0 <= s.get("overlap", 0) < 1:
            raise UsageError(
                f"overlap is a share of the window, from 0 to below 1, not {s['overlap']:g}", where=where,
                fix=f"Percent: overlap = {s['overlap'] / 100:g}. Seconds: hop = "
                    f"{s['seconds'] - s['overlap']:g}.",
            )  # fmt: skip
        if not 0 <= s.get("min_coverage", 0.9) <= 1:
            raise UsageError("min_coverage is a share from 0 to 1", where=where)
    if node.use == "threshold":
        if s.get("per") == "all":
            raise UsageError(
                "a threshold taken over all subjects is fitted before the split", where=where,
                fix='Say at = NUMBER, or per = "subject" (each subject against itself).',
            )  # fmt: skip
        if ("at" in s) == (s.get("per") == "subject"):
            raise UsageError('needs either at = NUMBER or per = "subject"', where=where)
    if node.use == "scale" and (s.get("scope") == "baseline-phase") != bool(s.get("phase")):
        raise UsageError('scope = "baseline-phase" and phase go together', where=where, fix='Say phase = "baseline".')
    if node.use == "phases" and not s["phases"]:
        raise UsageError("phases is empty", where=where, fix="Name phases and their classes.")


def _one_window(pipeline: Pipeline, where: str) -> None:
    """Branches join by window, so an estimate rests on one plan of windows."""
    for node in pipeline.of("estimate"):
        plans = [n for n in pipeline.upstream(node.id) if n.stage == "window"]
        if len(plans) > 1:
            raise UsageError(
                f"node {node.told} joins the windows of {plans[0].told} and of {plans[1].told}", where=where,
                fix="Let both branches take from one window node.",
            )  # fmt: skip


def _units(pipeline: Pipeline, where: str) -> None:
    """Each extract's streams in the unit it counts in."""
    for node in pipeline.of("extract"):
        group = GROUPS.get(str(node.use))
        if group is None or not group.kind or not SIGNAL_KINDS.get(group.kind):
            continue
        unit = SIGNAL_KINDS[group.kind]
        for other in pipeline.upstream(node.id):
            declared = {k.split("_")[0].lower(): v for k, v in (other.settings.get("units") or {}).items()}
            said = declared.get(group.kind) if other.stage == "acquire" else None
            if said is not None and (not isinstance(said, str) or unit_of(group.kind, said) is None):
                raise UsageError(
                    f"node {other.told} declares {group.kind} in {said!r}, but {node.told} counts in {unit}",
                    where=where, fix=f"Declare a unit of {group.kind}: {unit}, say.",
                )  # fmt: skip
            of = other.settings.get("of")
            if other.use == "standardise" and (not of or group.kind in of) and group.absolute:
                raise UsageError(
                    f"node {other.told} leaves {group.kind} without a unit, but {node.told} counts in {unit}",
                    where=where, fix="Use scale in select instead, inside the folds.",
                )  # fmt: skip
