"""Select: steps that are fitted, each on the training rows of one fold. What they hold is arrays, so that they save."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.errors import InputError

from .functions import function_named
from .graph import Node

__all__ = ["Rows", "Step", "step"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Rows:
    """Of the rows that a step sees: whose they are, and in which phase."""

    subject: Array
    phase: Array


@dataclass
class Step:
    """``fit`` learns ``state`` from training rows ``x (n, d)`` (NaN: missing), ``transform`` applies it."""

    node: Node
    state: dict[str, Array] = field(default_factory=dict)

    def fit(self, x: Array, y: Array, kind: str, rows: Rows) -> None:
        """Learn from training rows; ``kind`` is that of the label."""

    def transform(self, x: Array, rows: Rows) -> Array:
        """``(n, d)`` to ``(n, e)``."""
        return x

    def names(self, names: Sequence[str]) -> list[str]:
        """What the columns are called afterwards."""
        return list(names)


class Keep(Step):
    """A step that keeps some columns: ``state["kept"]``."""

    def transform(self, x: Array, rows: Rows) -> Array:
        """Those columns."""
        return np.asarray(x[:, self.state["kept"]])

    def names(self, names: Sequence[str]) -> list[str]:
        """Their names."""
        return [names[k] for k in self.state["kept"].tolist()]


class Impute(Keep):
    """Missing values become the median of the training rows; columns of which none has a value are dropped."""

    def fit(self, x: Array, y: Array, kind: str, rows: Rows) -> None:
        """Medians."""
        kept = np.flatnonzero(np.isfinite(x).any(axis=0))
        if not len(kept):
            raise InputError("no feature has a value in the training rows", where=self.node.told, fix="See the card.")
        self.state = {"kept": kept, "median": np.nanmedian(np.where(np.isfinite(x), x, np.nan)[:, kept], axis=0)}

    def transform(self, x: Array, rows: Rows) -> Array:
        """Filled."""
        x = x[:, self.state["kept"]]
        return np.where(np.isfinite(x), x, self.state["median"])


class Scale(Step):
    """Mean 0 and standard deviation 1: of the training rows, of each subject's own rows, or of a baseline phase."""

    def fit(self, x: Array, y: Array, kind: str, rows: Rows) -> None:
        """Mean and spread of the training rows, which serve where a subject has none of his own."""
        self.state = dict(zip(("mean", "sd"), _moments(x), strict=True))

    def transform(self, x: Array, rows: Rows) -> Array:
        """Scaled."""
        scope = self.node.settings.get("scope", "train")
        if scope == "train":
            return np.asarray((x - self.state["mean"]) / self.state["sd"])
        out = np.empty_like(x)
        for subject in dict.fromkeys(rows.subject.tolist()):
            mine = rows.subject == subject
            basis = mine
            if scope == "baseline-phase":
                basis = mine & (rows.phase == self.node.settings["phase"])
                if not basis.any():
                    raise InputError(
                        f"subject {subject} has no window of phase {self.node.settings['phase']!r}",
                        where=self.node.told, fix='Use scope = "train", or another phase.',
                    )  # fmt: skip
            mean, sd = _moments(x[basis])
            out[mine] = (x[mine] - mean) / sd
        return out


def _moments(x: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of each column over its finite values; 0 and 1 where there are none."""
    finite = np.isfinite(x)
    n = np.maximum(finite.sum(axis=0), 1)
    mean = np.where(finite, x, 0.0).sum(axis=0) / n
    sd = np.sqrt(np.square(np.where(finite, x - mean, 0.0)).sum(axis=0) / n)
    return mean, np.where(sd > 1e-12 * np.maximum(np.abs(mean), 1e-300), sd, 1.0)


class Variance(Keep):
    """Columns whose training variance is above ``least``."""

    def fit(self, x: Array, y: Array, kind: str, rows: Rows) -> None:
        """Which vary."""
        with np.errstate(invalid="ignore"):
            spread = np.nanvar(np.where(np.isfinite(x), x, np.nan), axis=0) if len(x) else np.zeros(x.shape[1])
        kept = np.flatnonzero(spread > self.node.settings.get("least", 1e-12))
        if not len(kept):
            raise InputError("no feature varies in the training rows", where=self.node.told, fix="Check the extracts.")
        self.state = {"kept": kept}


class KBest(Keep):
    """The ``k`` columns with the largest F (of a one-way ANOVA, or of a regression for numbers)."""

    def fit(self, x: Array, y: Array, kind: str, rows: Rows) -> None:
        """Which are best."""
        if not np.isfinite(x).all():
            raise InputError("meets missing values", where=self.node.told, fix="Put impute before it.")
        k = min(int(self.node.settings.get("k", 10)), x.shape[1])
        score = _anova(x, y) if kind == "class" else _regression(x, np.asarray(y, float).reshape(len(x), -1)[:, 0])
        score = np.where(np.isfinite(score), score, -1.0)
        # Ties as scikit-learn's SelectKBest breaks them: the later column stays.
        self.state = {"kept": np.sort(np.argsort(score, kind="stable")[-k:])}


def _anova(x: Array, y: Array) -> Array:
    classes = np.unique(y)
    groups = [x[y == c] for c in classes]
    mean = x.mean(axis=0)
    between = sum(len(g) * np.square(g.mean(axis=0) - mean) for g in groups) / max(len(classes) - 1, 1)
    within = sum(np.square(g - g.mean(axis=0)).sum(axis=0) for g in groups) / max(len(x) - len(classes), 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(between / within)


def _regression(x: Array, y: Array) -> Array:
    a, b = x - x.mean(axis=0), y - y.mean()
    with np.errstate(invalid="ignore", divide="ignore"):
        r2 = np.square((a * b[:, None]).sum(axis=0)) / (np.square(a).sum(axis=0) * np.square(b).sum())
        return np.asarray(r2 / (1 - r2) * (len(y) - 2))


class Components(Step):
    """Principal components of the training rows."""

    def fit(self, x: Array, y: Array, kind: str, rows: Rows) -> None:
        """Axes."""
        if not np.isfinite(x).all():
            raise InputError("meets missing values", where=self.node.told, fix="Put impute before it.")
        mean = x.mean(axis=0)
        _, _, axes = np.linalg.svd(x - mean, full_matrices=False)
        axes = axes[: int(self.node.settings.get("k", 10))]
        sign = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])
        self.state = {"mean": mean, "axes": axes * sign[:, None]}

    def transform(self, x: Array, rows: Rows) -> Array:
        """Projected."""
        return np.asarray((x - self.state["mean"]) @ self.state["axes"].T)

    def names(self, names: Sequence[str]) -> list[str]:
        """Numbered."""
        return [f"component_{k + 1}" for k in range(len(self.state["axes"]))]


class Yours(Step):
    """A function that gives a transformer of scikit-learn's form."""

    def fit(self, x: Array, y: Array, kind: str, rows: Rows) -> None:
        """Made anew, fitted on the training rows."""
        use = self.node.use
        made = (function_named(use) if isinstance(use, str) else use)(**self.node.settings)
        self.made: Any = made.fit(x, y)

    def transform(self, x: Array, rows: Rows) -> Array:
        """As it does."""
        return np.asarray(self.made.transform(x), float)

    def names(self, names: Sequence[str]) -> list[str]:
        """Its own, where it tells them."""
        told = getattr(self.made, "get_feature_names_out", None)
        try:
            return [str(n) for n in told(list(names))] if told else []
        except (ValueError, AttributeError):
            return []


_STEPS: dict[str, type[Step]] = {
    "impute": Impute, "scale": Scale, "variance": Variance, "k-best": KBest, "pca": Components,
}  # fmt: skip


def step(node: Node) -> Step:
    """A new step of a node, unfitted."""
    return _STEPS.get(str(node.use), Yours)(node)
