"""A pipeline as TOML: the short form of one chain, the full form of any graph, one canonical text.

Short form: one key a stage, each a name, a table with ``use``, or a list of either::

    name = "wesad-stress"
    acquire = { use = "wesad", device = "chest" }
    window = { seconds = 60, hop = 30 }
    extract = ["ecg.hrv", "eda.basic"]
    label = { phases = { baseline = 0, stress = 1 } }
    select = ["impute", "scale"]
    estimate = ["random-forest", "lda"]
    split = "leave-subject-out"

Full form: ``[[node]]`` tables with ``id``, ``use``, ``from`` and the node's settings (``stage`` where ``use`` is a
function of yours).
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from moodal.core.errors import InputError, UsageError

from .graph import DEFAULT_USE, Node, Pipeline, added, use_text
from .uses import STAGES, nearest, use_named

__all__ = ["from_toml", "load", "to_toml"]

_TOP = ("name", *STAGES, "split", "node")
_RESERVED = ("id", "use", "from", "stage")
#: Stages that follow each other in the chain's order, by which inputs are found.
_WIDTH = 110


def load(path: Path | str) -> Pipeline:
    """A pipeline from a TOML file, or by the name of one that ships with moodal.

    Raises
    ------
    InputError : no such file. UsageError : as `from_toml`.
    """
    path = Path(path)
    shipped = Path(__file__).parent.parent / "recipes" / "pipelines" / f"{path.name.removesuffix('.toml')}.toml"
    if not path.exists() and len(path.parts) == 1 and shipped.exists():
        path = shipped
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        names = ", ".join(sorted(p.stem for p in shipped.parent.glob("*.toml")))
        what = "no such file" if isinstance(error, FileNotFoundError) else "is no readable TOML file"
        raise InputError(what, where=str(path), fix=f"Shipped: {names}.") from error
    return from_toml(text, str(path))


def from_toml(text: str, where: str = "pipeline") -> Pipeline:
    """The pipeline that the text says; structure and types of settings are checked by `Pipeline.check`.

    Raises
    ------
    UsageError : not TOML, or a key that is not known, with the nearest that is.
    """
    try:
        told = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"is not TOML ({error})", where=where, fix="Correct that line.") from error
    for key in told:
        if key not in _TOP:
            raise UsageError(f"unknown key {key!r}", where=where, fix=f"{nearest(key, _TOP)}Known: {', '.join(_TOP)}.")
    name = told.get("name", "")
    if not isinstance(name, str) or not name:
        raise UsageError("lacks name, which must be text", where=where, fix='Write name = "my-pipeline".')
    parts = {}
    if "split" in told:
        split = told["split"]
        if isinstance(split, str):
            split = {"use": split}
        if not isinstance(split, dict) or not isinstance(split.get("use"), str):
            raise UsageError("split must be a name, or a table with use", where=where)
        parts["split"] = split
    if "node" in told:
        if mixed := [s for s in STAGES if s in told]:
            raise UsageError(f"holds both [[node]] and the short form's {mixed[0]}", where=where, fix="Choose one.")
        return Pipeline(name, _full(told["node"], where), parts)
    pipeline = Pipeline(name, (), parts)
    for stage in STAGES:
        if stage in told:
            pipeline = _stage(pipeline, stage, told[stage], where)
    return pipeline


def _stage(pipeline: Pipeline, stage: str, told: Any, where: str) -> Pipeline:
    for item in told if isinstance(told, list) else [told]:
        table = {"use": item} if isinstance(item, str) else item
        if stage == "window" and isinstance(item, (int, float)) and not isinstance(item, bool):
            table = {"seconds": item}
        if not isinstance(table, dict):
            raise UsageError(f"{stage} must be a name, a table or a list of them, not {item!r}", where=where)
        if bad := [k for k in ("from", "stage") if k in table]:
            raise UsageError(f"{stage} has the key {bad[0]!r}", where=where, fix="Write the full form: [[node]].")
        use, id = _text(table, "use", stage, where), _text(table, "id", stage, where)
        pipeline = pipeline.add(stage, use, id=id, **{k: v for k, v in table.items() if k not in _RESERVED})
    return pipeline


def _full(told: Any, where: str) -> tuple[Node, ...]:
    if not isinstance(told, list) or not all(isinstance(t, dict) for t in told):
        raise UsageError("node must be written [[node]], once a node", where=where)
    nodes: tuple[Node, ...] = ()
    for i, table in enumerate(told):
        place = f"{where}, node {table.get('id', i + 1)}"
        use, id = _text(table, "use", "node", place), _text(table, "id", "node", place)
        if not id:
            raise UsageError("lacks id", where=place)
        stage = _text(table, "stage", "node", place)
        if stage and stage not in STAGES:
            raise UsageError(
                f"stage is {stage!r}", where=place, fix=f"{nearest(stage, STAGES)}Stages: {', '.join(STAGES)}."
            )
        if not use and not stage:
            raise UsageError("lacks use", where=place)
        stage = stage or use_named(use, "", place).stage
        if not stage:
            raise UsageError(f"does not say the stage of {use}", where=place, fix='Add stage = "extract", say.')
        inputs = table.get("from", [])
        inputs = [inputs] if isinstance(inputs, str) else inputs
        if not isinstance(inputs, list) or not all(isinstance(i, str) for i in inputs):
            raise UsageError("from must be a list of ids", where=place)
        settings = {k: v for k, v in table.items() if k not in _RESERVED}
        nodes = added(nodes, Node(id, stage, use or DEFAULT_USE.get(stage, ""), tuple(inputs), settings))
    return nodes


def _text(table: Mapping[str, Any], key: str, place: str, where: str) -> str:
    value = table.get(key, "")
    if not isinstance(value, str):
        raise UsageError(f"{place}: {key} must be text, not {value!r}", where=where)
    return value


def to_toml(pipeline: Pipeline) -> str:
    """One text for one pipeline.

    Raises
    ------
    UsageError : a function without a name, or a value that TOML cannot hold.
    """
    named = tuple(Node(n.id, n.stage, use_text(n), n.inputs, n.settings) for n in pipeline.nodes)
    head = [f"name = {_value(pipeline.name, 'name')}"]
    split: list[str] = []
    if told := pipeline.parts.get("split"):
        split = [f"split = {_value(told['use'] if len(told) == 1 else told, 'split')}"]
    short = _short(Pipeline(pipeline.name, named, pipeline.parts))
    if short is not None:
        return "\n".join([*head, *short, *split]) + "\n"
    lines = [*head, *split]
    for node in named:
        lines += ["", "[[node]]", f"id = {_value(node.id, node.id)}"]
        try:
            guessed = use_named(str(node.use), "", node.id).stage
        except UsageError:
            guessed = ""
        if guessed != node.stage:
            lines.append(f"stage = {_value(node.stage, node.id)}")
        if node.use:
            lines.append(f"use = {_value(node.use, node.id)}")
        if node.inputs:
            lines.append(f"from = {_value(list(node.inputs), node.id)}")
        lines += [f"{_key(k)} = {_value(v, node.id)}" for k, v in node.settings.items()]
    return "\n".join(lines) + "\n"


def _short(pipeline: Pipeline) -> list[str] | None:
    """The lines of the short form; None where it would not say the same graph."""
    lines = []
    chain = Pipeline(pipeline.name, (), pipeline.parts)
    for stage in STAGES:
        items: list[Any] = []
        before = chain
        for node in pipeline.of(stage):
            if any(n.id == node.id for n in chain.nodes):
                continue  # made along with the one before it, for another label
            plain = chain
            try:
                for id in ("", node.id):
                    chain = plain.add(stage, str(node.use), id=id, **node.settings)
                    if any(n == node for n in chain.nodes):
                        break
            except (UsageError, TypeError):
                return None
            table = {"use": node.use} if node.use != DEFAULT_USE.get(stage) else {}
            table |= ({"id": id} if id else {}) | dict(node.settings)
            items.append(node.use if set(table) == {"use"} else table)
        if stage == "window" and items == ["whole"] and (pipeline.of("extract") or pipeline.of("label")):
            items, chain = [], before
        if items:
            lines.append(f"{stage} = {_wide(items[0] if len(items) == 1 else items, stage)}")
    if chain.nodes != pipeline.nodes:
        return None
    return lines


def _wide(value: Any, stage: str) -> str:
    """A list that is too long for a line has one a line."""
    text = _value(value, stage)
    if isinstance(value, list) and len(text) + len(stage) + 3 > _WIDTH:
        return "[\n" + "".join(f"  {_value(v, stage)},\n" for v in value) + "]"
    return text


def _value(value: Any, where: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_value(v, where) for v in value)}]"
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_key(str(k))} = {_value(v, where)}" for k, v in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    shown = "a function" if callable(value) else repr(value)
    raise UsageError(f"{shown} cannot be written to TOML", where=where, fix="Use text, numbers, lists and tables.")


def _key(key: str) -> str:
    plain = key and key.isascii() and all(c.isalnum() or c in "_-" for c in key)
    return key if plain else _string(key)


def _string(text: str) -> str:
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r", "\b": "\\b", "\f": "\\f"}
    out = []
    for c in text:
        if c in escapes:
            out.append(escapes[c])
        elif ord(c) < 32 or 0x7F <= ord(c) < 0xA0:
            out.append(f"\\u{ord(c):04x}")
        elif 0xD800 <= ord(c) < 0xE000:
            raise UsageError("text that is no Unicode cannot be written to TOML")
        else:
            out.append(c)
    return f'"{"".join(out)}"'
