"""A pipeline as data: named nodes with explicit inputs, a small acyclic graph."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moodal.core.errors import UsageError

from .functions import REGISTERED, name_of
from .uses import PORTS, STAGES

if TYPE_CHECKING:
    from moodal.lab.bench.report import Report

    from .card import Card
    from .saved import SavedPipeline

__all__ = ["DEFAULT_USE", "Node", "Pipeline", "added"]

#: What a stage uses where nothing is named.
DEFAULT_USE = {"window": "sliding", "label": "phases"}


@dataclass(frozen=True)
class Node:
    """One step: ``stage`` and what it uses (a name, or a function of yours), nodes it takes from, its settings."""

    id: str
    stage: str
    use: str | Callable[..., Any]
    inputs: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def gives(self) -> str:
        """The type of what it gives."""
        return PORTS[self.stage][1]

    @property
    def told(self) -> str:
        """How messages name it: ``window`` or ``heart (ecg.hrv)``."""
        use = self.use if isinstance(self.use, str) else getattr(self.use, "__name__", "function")
        return self.id if self.id == use or self.id.startswith(f"{use}@") else f"{self.id} ({use})"


@dataclass(frozen=True)
class Pipeline:
    """Recordings to predictions. Each method gives a new pipeline; `check` runs before any data is read.

    ::

        p = (Pipeline("wesad-stress")
             .acquire("wesad", device="chest")
             .window(60, hop=30)
             .extract("ecg.hrv", "eda.basic")
             .label(phases={"baseline": 0, "stress": 1})
             .select("impute", "scale")
             .estimate("random-forest", seeds=[0, 1, 2])
             .split("leave-subject-out"))
        card = p.evaluate("data/WESAD")
    """

    name: str
    nodes: tuple[Node, ...] = ()
    parts: Mapping[str, Any] = field(default_factory=dict)

    # ---- building

    def add(
        self,
        stage: str,
        use: str | Callable[..., Any] = "",
        *,
        id: str = "",
        inputs: Iterable[str] | None = None,
        **settings: Any,
    ) -> Pipeline:
        """One node; its inputs, unless named, are what the chain so far gives.

        Raises
        ------
        UsageError : no such stage, or two nodes of one name.
        """
        if stage not in STAGES:
            raise UsageError(f"no stage is called {stage!r}", where=self.name, fix=f"Stages: {', '.join(STAGES)}.")
        nodes = self.nodes
        if stage in ("extract", "label") and inputs is None and not self.of("window"):
            # Nothing was said of windows: each phase, or each example of a data set, is one.
            nodes = added(nodes, Node("", "window", "whole", _heads(nodes, "window", "whole")[0]))
        before = len(nodes)
        for taken in [tuple(inputs)] if inputs is not None else _heads(nodes, stage, use):
            made = id if id and len(nodes) == before else ""
            nodes = added(nodes, Node(made, stage, use or DEFAULT_USE.get(stage, ""), taken, _plain(settings)))
        return replace(self, nodes=nodes)

    def _each(self, stage: str, uses: tuple[Any, ...], settings: dict[str, Any]) -> Pipeline:
        made = self
        for use in uses or ("",):
            made = made.add(stage, use, **settings)
        return made

    def acquire(self, use: str | Callable[..., Any] = "folder", **settings: Any) -> Pipeline:
        """Where recordings come from: ``folder``, a data set's name, or a function of a folder."""
        return self.add("acquire", use, **settings)

    def preprocess(self, *uses: str | Callable[..., Any], **settings: Any) -> Pipeline:
        """Recording to recording; nothing is fitted on several of them."""
        return self._each("preprocess", uses, settings)

    def window(self, seconds: float | str | Callable[..., Any], **settings: Any) -> Pipeline:
        """Windows of so many seconds; ``hop`` in seconds or ``overlap`` as a share (neither: side by side)."""
        if isinstance(seconds, (int, float)):
            return self.add("window", "sliding", seconds=seconds, **settings)
        return self.add("window", seconds, **settings)

    def extract(self, *uses: str | Callable[..., Any], **settings: Any) -> Pipeline:
        """One row a window: groups of ``moodal pipe features``, or functions of a window.

        Where nothing was said of windows, each phase (or each example of a data set) is one.
        """
        return self._each("extract", uses, settings)

    def label(self, use: str | Callable[..., Any] = "phases", **settings: Any) -> Pipeline:
        """What is learnt: ``phases={"baseline": 0, "stress": 1}``, or the label of a data set (``"set"``)."""
        return self.add("label", use, **settings)

    def select(self, *uses: str | Callable[..., Any], **settings: Any) -> Pipeline:
        """Fitted steps, inside each fold."""
        return self._each("select", uses, settings)

    def estimate(self, *uses: str | Callable[..., Any], **settings: Any) -> Pipeline:
        """Models side by side, one a use and label."""
        return self._each("estimate", uses, settings)

    def split(self, use: str, **settings: Any) -> Pipeline:
        """How folds are made; not said: leave-subject-out up to 20 subjects, else five folds of subjects."""
        return replace(self, parts={**self.parts, "split": {"use": use, **_plain(settings)}})

    # ---- asking

    def node(self, id: str) -> Node:
        """The node of that name.

        Raises
        ------
        UsageError : there is none.
        """
        for node in self.nodes:
            if node.id == id:
                return node
        raise UsageError(f"has no node {id!r}", where=self.name, fix=f"It has: {', '.join(n.id for n in self.nodes)}.")

    def of(self, stage: str) -> tuple[Node, ...]:
        """The nodes of a stage, in order."""
        return tuple(n for n in self.nodes if n.stage == stage)

    def upstream(self, id: str) -> tuple[Node, ...]:
        """Every node that this one rests on, itself last, each after what it takes from."""
        from .check import ordered

        wanted, found = [id], {id}
        while wanted:
            for i in self.node(wanted.pop()).inputs:
                if i not in found:
                    found.add(i)
                    wanted.append(i)
        return tuple(n for n in ordered(self) if n.id in found)

    def check(self) -> Pipeline:
        """Itself, if it can run.

        Raises
        ------
        UsageError : naming the node, or both nodes, and the fix.
        """
        from .check import check

        check(self)
        return self

    def to_toml(self) -> str:
        """Canonical TOML: short form where the graph is one chain.

        Raises
        ------
        UsageError : a function that has no name.
        """
        from .toml import to_toml

        return to_toml(self)

    def fingerprint(self) -> str:
        """SHA-256 of its canonical TOML."""
        return hashlib.sha256(self.to_toml().encode()).hexdigest()

    # ---- running

    def evaluate(self, root: Path | str | None = None, **options: Any) -> Card:
        """Score it on a folder or data set: folds, fitting inside them, intervals. See `moodal.lab.pipeline.run`."""
        from .run import evaluate

        return evaluate(self, root, **options)

    def report(self, root: Path | str | None = None, **options: Any) -> Report:
        """The bench's report of it: any-subset card, paired tests, fairness. See `moodal.lab.pipeline.run.report`."""
        from .run import report

        return report(self, root, **options)

    def fit(self, root: Path | str | None = None, **options: Any) -> SavedPipeline:
        """Learn from everything; the result predicts files and live streams, and saves without a pickle."""
        from .saved import fit

        return fit(self, root, **options)


def added(nodes: tuple[Node, ...], node: Node) -> tuple[Node, ...]:
    """The nodes and one more, which is named after what it does if it has no name.

    Raises
    ------
    UsageError : two nodes of one name.
    """
    taken = {n.id for n in nodes}
    if node.id in taken:
        raise UsageError(f"two nodes are called {node.id!r}", fix="Give each an id of its own.")
    if not node.id:
        base = node.stage
        if node.stage in ("extract", "select", "estimate", "preprocess") and node.use:
            base = _called(node.use)
        if node.stage == "label" and isinstance(node.settings.get("name"), str) and node.settings["name"]:
            base = node.settings["name"]
        if node.stage == "estimate" and len({n.id for n in nodes if n.stage == "label"}) > 1:
            target = next((i for i in node.inputs if any(n.id == i and n.stage == "label" for n in nodes)), "")
            base = f"{base}@{target}" if target else base
        made, k = base, 2
        while made in taken:
            made, k = f"{base}-{k}", k + 1
        node = replace(node, id=made)
    return (*nodes, node)


def _called(use: str | Callable[..., Any]) -> str:
    """What a node is called after: a use's name, a registered name, or a function's own."""
    if not isinstance(use, str):
        known = [name for name, (_, function) in REGISTERED.items() if function is use]
        return known[0] if known else getattr(use, "__name__", "function").strip("<>")
    return use.rpartition(":")[2]


def _heads(nodes: tuple[Node, ...], stage: str, use: Any) -> list[tuple[str, ...]]:
    """What a new node of the chain takes from: one tuple a node to be made (estimates: one a label)."""
    used = {i for n in nodes if n.stage != "estimate" for i in n.inputs}

    def last(kind: str) -> list[str]:
        return [n.id for n in nodes if n.gives == kind and n.id not in used]

    if stage == "acquire":
        return [()]
    if stage in ("preprocess", "window"):
        return [tuple(last("Recording"))]
    if stage in ("extract", "label"):
        return [tuple([n.id for n in nodes if n.gives == "Windows"][-1:])]
    if stage == "select":
        return [tuple(last("Features"))]
    targets = [n.id for n in nodes if n.gives == "Target"]
    if use == "vote":
        by = [[n.id for n in nodes if n.stage == "estimate" and t in n.inputs] for t in targets]
        return [tuple(some) for some in by] or [()]
    return [(*last("Features"), t) for t in targets] or [tuple(last("Features"))]


def _plain(value: Any) -> Any:
    """Settings as TOML holds them: tuples become lists, so that what is read back is equal."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value


def use_text(node: Node) -> str:
    """What a node uses, as TOML spells it."""
    return node.use if isinstance(node.use, str) else name_of(node.use, node.stage)
