"""Stages of learners of raw signals: one training loop that a killed run takes up again, and what pre-training saw.

::

    terms(rows) ─► run_stage ─► curves; Pretrained: weights, and the set, people and trials they were trained on
                                   └── check_unseen(training part): nobody else, or LeakageError
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from moodal.core.errors import InputError, MoodalError, UsageError
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.leak import LeakageError
from moodal.lab.train import state as disk
from moodal.lab.train.average import Averaged

__all__ = ["Pretrained", "Progress", "Rows", "StageSettings", "check_unseen", "run_stage"]

Progress = Callable[[str, float], None]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class StageSettings:
    """AdamW with a warm-up of ``warmup`` (share of steps) to ``lr``, then half a cosine to ``min_lr``; weight decay of
    matrices only. ``epochs`` over the data. ``average``: the weights' moving average by that decay is what is chosen
    from and kept (0: the weights themselves); a run that is taken up again begins its average anew."""

    epochs: int = 20
    batch: int = 64
    lr: float = 1e-3
    min_lr: float = 1e-5
    weight_decay: float = 0.05
    beta1: float = 0.9
    beta2: float = 0.999
    warmup: float = 0.1
    grad_clip: float = 3.0
    precision: Literal["float32", "bfloat16"] = "float32"
    average: float = 0.0

    def __post_init__(self) -> None:
        if self.epochs < 0 or self.batch < 1:
            raise UsageError(f"epochs {self.epochs} and batch {self.batch} must be 0 and 1 at least", where="training")
        if not self.lr > 0:
            raise UsageError(f"must be above 0, not {self.lr:g}", where="training, lr")
        if not 0 <= self.average < 1:
            raise UsageError(f"must be at least 0 and below 1, not {self.average:g}", where="training, average")
        if not 0 <= self.warmup < 1:
            raise UsageError(f"must be at least 0 and below 1, not {self.warmup:g}", where="training, warmup")


@dataclass(frozen=True)
class Pretrained:
    """Encoders' weights by modality, the settings they hang on, and the set, people and trials they were trained on."""

    weights: dict[str, dict[str, Tensor]]
    settings: dict[str, Any]
    told: dict[str, Any]

    @property
    def seen(self) -> dict[str, set[str]]:
        """``subject`` and ``trial`` values that it has seen."""
        return {key: set(self.told["seen"][key]) for key in ("subject", "trial")}

    def save(self, path: Path) -> None:
        """Write one file of plain arrays."""
        flat = {f"{m}/{name}": t for m, state in self.weights.items() for name, t in state.items()}
        disk.save(path, {"settings": self.settings, "told": self.told}, encoders=flat)

    @classmethod
    def load(cls, path: Path) -> Pretrained:
        """What `save` wrote, from the file or from the folder it lies in.

        Raises
        ------
        InputError : not such a file.
        """
        file = path / "pretrained.npz" if path.is_dir() else path
        if not file.exists():
            raise InputError("no pre-training lies there", where=str(path), fix="Make one with pretrain().")
        told, groups = disk.load(file)
        weights: dict[str, dict[str, Tensor]] = {}
        for name, tensor in groups.get("encoders", {}).items():
            m, _, rest = name.partition("/")
            weights.setdefault(m, {})[rest] = tensor
        return cls(weights, told["settings"], told["told"])


def check_unseen(pretrained: Pretrained, train: Dataset, where: str = "") -> None:
    """Refuse a pre-training on the same set that has seen people or trials outside the training part.

    Raises
    ------
    LeakageError : naming them.
    """
    if pretrained.told["seen"]["set"] != train.index.name:
        return
    for key, seen in pretrained.seen.items():
        if extra := sorted(seen - set(train.index[key]) - {""}):
            shown = ", ".join(extra[:3]) + (f" and {len(extra) - 3} more" if len(extra) > 3 else "")
            raise LeakageError(f"pre-training has seen {key} {shown}, not of the training part",
                               where=where or train.index.name, fix="Pre-train on the training part alone.",
                               key=key)  # fmt: skip


def run_stage(
    name: str, module: nn.Module, terms: Callable[[Rows], tuple[Tensor, Mapping[str, Tensor]]], rows: Rows,
    s: StageSettings, *, seed: int, state: Path | None = None, key: str = "", progress: Progress | None = None,
    scale: Callable[[str], float] | None = None, after: Callable[[int, dict[str, float]], bool] | None = None,
    batches: Callable[[int], Sequence[Rows]] | None = None,
) -> list[dict[str, float]]:  # fmt: skip
    """Train ``module`` on those rows; one row of mean terms an epoch.

    ``terms`` gives the loss of some rows and what to record; ``scale`` a parameter's share of the learning rate by
    name; ``after`` is called after each epoch and may end the training by True. The state on disk is written after
    each epoch and taken up again where its ``key`` is the same (not with ``after``: who chooses among epochs keeps
    their own). ``batches`` gives an epoch's batches, as many in each, where they are not to be drawn at random.

    Raises
    ------
    MoodalError : the loss is not a number.
    """
    curves: list[dict[str, float]] = []
    optimiser = _optimiser(module, s, scale)
    if state is not None and (taken := _resume(state, key, module, optimiser)) is not None:
        curves = taken
    per_epoch = len(batches(0)) if batches else math.ceil(len(rows) / s.batch)
    total = max(1, s.epochs * per_epoch)
    mean = Averaged(module, s.average) if s.average else None
    step = len(curves) * per_epoch
    for epoch in range(len(curves), s.epochs):
        torch.manual_seed(int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0]))
        parts = batches(epoch) if batches else _parts(rows, s.batch, [seed, epoch])
        module.train()
        sums: dict[str, float] = {}
        for part in parts:
            with torch.autocast("cpu", torch.bfloat16, enabled=s.precision == "bfloat16"):
                loss, told = terms(part)
            loss.backward()
            if s.grad_clip:
                torch.nn.utils.clip_grad_norm_(module.parameters(), s.grad_clip)
            for group in optimiser.param_groups:
                group["lr"] = group["share"] * _rate(step, total, s)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            step += 1
            if mean is not None:
                mean.follow()
            for term, value in {"loss": loss, **told}.items():
                sums[term] = sums.get(term, 0.0) + float(value.detach()) * len(part)
        row = {"epoch": epoch + 1.0, **{term: value / max(1, sum(map(len, parts))) for term, value in sums.items()}}
        if not math.isfinite(row["loss"]):
            raise MoodalError(f"the loss is not a number in epoch {epoch + 1}", where=name,
                              fix="Lower the learning rate.")  # fmt: skip
        curves.append(row)
        if state is not None:
            _write(state, key, module, optimiser, curves)
        if progress is not None:
            progress(f"{name}: epoch {epoch + 1} of {s.epochs}, loss {row['loss']:.3f}", (epoch + 1) / s.epochs)
        with mean.shown(last=epoch + 1 == s.epochs) if mean is not None else nullcontext():
            ends = after is not None and after(epoch, row)
        if ends:
            break
    module.eval()
    return curves


def _parts(rows: Rows, batch: int, seed: list[int]) -> list[Rows]:
    """All rows, drawn into batches; in order within each."""
    order = np.random.default_rng(seed).permutation(rows)
    return [np.sort(order[start : start + batch]) for start in range(0, len(order), batch)]


def _rate(step: int, total: int, s: StageSettings) -> float:
    rise = s.warmup * total
    if step < rise:
        return s.lr * (step + 1) / (rise + 1)
    return s.min_lr + (s.lr - s.min_lr) * (1 + math.cos(math.pi * (step - rise) / max(1.0, total - rise))) / 2


def _optimiser(module: nn.Module, s: StageSettings, scale: Callable[[str], float] | None) -> torch.optim.AdamW:
    groups: dict[tuple[bool, float], list[Tensor]] = {}
    for name, p in module.named_parameters():
        if p.requires_grad:
            # Norms, biases and single vectors are not pulled to zero.
            groups.setdefault((p.squeeze().dim() > 1, scale(name) if scale else 1.0), []).append(p)
    told = [
        {"params": some, "weight_decay": s.weight_decay if decayed else 0.0, "share": share}
        for (decayed, share), some in groups.items()
    ]
    return torch.optim.AdamW(told, lr=s.lr, betas=(s.beta1, s.beta2), fused=True)


def _write(
    path: Path, key: str, module: nn.Module, optimiser: torch.optim.AdamW, curves: list[dict[str, float]]
) -> None:
    moments = {f"{i}/{name}": t for i, row in optimiser.state_dict()["state"].items() for name, t in row.items()}
    disk.save(path, {"key": key, "curves": curves}, model=module.state_dict(), optimiser=moments)


def _resume(path: Path, key: str, module: nn.Module, optimiser: torch.optim.AdamW) -> list[dict[str, float]] | None:
    if not path.exists():
        return None
    told, groups = disk.load(path)
    if told["key"] != key:
        return None
    module.load_state_dict(groups["model"])
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in groups.get("optimiser", {}).items():
        i, _, what = name.partition("/")
        moments.setdefault(int(i), {})[what] = tensor
    optimiser.load_state_dict({"state": moments, "param_groups": optimiser.state_dict()["param_groups"]})
    return list(told["curves"])
