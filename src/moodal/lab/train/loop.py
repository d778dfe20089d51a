"""The training loop: one function, read from top to bottom.

::

    for each epoch:   seed torch and numpy by (seed, epoch)          so a resumed epoch draws what it would have drawn
        for each batch:   hide modalities ─► model ─► objective ─► gradients
            every `accumulate` batches:   clip ─► AdamW (cosine, warm-up) ─► labels' and weights' averages
        validation ─► keep the one best checkpoint ─► write the state whole ─► stop early
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from moodal.core.errors import InputError, MoodalError
from moodal.lab.models.base import Loss, Model

from . import state as disk
from .metrics import chosen, figures, is_better
from .packed import Packed, batches
from .parallel import Group
from .settings import TrainSettings

__all__ = ["Part", "Trained", "evaluate", "train_model"]

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Part:
    """Examples and what they are labelled with, ``(n,)`` int64 or ``(n, C)`` float32."""

    packed: Packed
    target: Tensor

    def __len__(self) -> int:
        return len(self.packed)


@dataclass
class Trained:
    """How a training went: a row of figures an epoch, the chosen one (counted from 1) and why it was chosen.

    Of epochs with the same figure the one of lowest loss is taken: a small validation part has few figures.
    """

    select: str = ""
    curves: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    best: float | None = None
    best_loss: float = math.inf
    steps: int = 0
    finished: bool = False


def train_model(
    model: Model,
    train: Part,
    validation: Part,
    s: TrainSettings,
    *,
    loss: Loss,
    seed: int,
    state: Path | None = None,
    key: str = "",
    progress: Progress | None = None,
) -> Trained:
    """Train in place; the model ends with the weights that were best on validation.

    Parameters
    ----------
    state : file that a killed training resumes from, to the same numbers; ``key`` names what it belongs to, and a state
        of another key is ignored.

    Raises
    ------
    MoodalError : the loss is not a number.
    OutputError : the state cannot be written.
    """
    group = Group.current()
    net = group.wrap(model)
    optimiser = _optimiser(model, s)
    parameters = list(model.parameters())  # walking the modules at each step would cost a twentieth of it
    average = copy.deepcopy(model) if s.ema else model
    best_weights: dict[str, Tensor] = {}
    done = Trained()
    if state is not None and (resumed := _resume(state, key, model, optimiser, average)) is not None:
        done, best_weights = resumed

    per_epoch = len(group.share(list(batches(train.packed, s.batch, np.random.default_rng(0)))))
    if not per_epoch:
        raise InputError(
            "has fewer batches than processes", where="training part", fix="Use fewer, or smaller batches."
        )
    total = s.epochs * math.ceil(per_epoch / s.accumulate)
    plain = Loss(fit=loss.fit)

    for epoch in range(len(done.curves), 0 if done.finished else s.epochs):
        torch.manual_seed(_mixed(seed, epoch, group.rank))
        order = group.share(list(batches(train.packed, s.batch, np.random.default_rng([seed, epoch]))))
        model.train()
        running = torch.zeros((), device=train.target.device)
        for i, rows in enumerate(order):
            at = torch.from_numpy(rows).to(train.target.device)
            values, masks, present = train.packed.batch(at)
            if s.modality_dropout:
                present = _hide(present, s.modality_dropout)
            with torch.autocast(at.device.type, torch.bfloat16, enabled=s.precision == "bfloat16"):
                out = net(values, masks, present, scaled=True)
                ramp = min(1.0, (done.steps + 1) / (s.ramp * total)) if s.ramp else 1.0
                fault = model.objective(out, train.target[at], loss, ramp)
            begun = i - i % s.accumulate
            (fault / min(s.accumulate, len(order) - begun)).backward()
            running += fault.detach()
            if (i + 1) % s.accumulate and i + 1 < len(order):
                continue
            if s.grad_clip:
                torch.nn.utils.clip_grad_norm_(parameters, s.grad_clip)
            for some in optimiser.param_groups:
                some["lr"] = s.lr * _schedule(done.steps, total, s.warmup)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            model.after_step()
            done.steps += 1
            if s.ema:
                _follow(average, model, s.ema)

        mean = group.mean(running) / len(order)
        if not math.isfinite(mean):
            raise MoodalError(
                f"the loss is not a number in epoch {epoch + 1}", where="training", fix="Lower train.lr, or clip more."
            )
        row = {"epoch": epoch + 1.0, "train_loss": mean}
        row |= {f"val_{k}": v for k, v in evaluate(average, validation, plain, s.batch).items()}
        done.curves.append(row)
        done.select = chosen(s.select, model.kind, tuple(k for k in row if k.startswith("val_")))
        equal = row[done.select] == done.best and row["val_loss"] < done.best_loss
        if equal or is_better(done.select, row[done.select], done.best):
            done.best, done.best_loss, done.best_epoch = row[done.select], row["val_loss"], epoch + 1
            best_weights = {k: v.detach().clone() for k, v in average.state_dict().items()}
        done.finished = epoch + 1 == s.epochs or bool(s.patience and epoch + 1 - done.best_epoch >= s.patience)
        if state is not None and group.rank == 0:
            _write(state, key, done, model, optimiser, average if s.ema else None, best_weights)
        if progress is not None:
            told = done.select.removeprefix("val_").replace("_", " ")
            progress(f"epoch {epoch + 1} of {s.epochs}, {told} {row[done.select]:.3f}", (epoch + 1) / s.epochs)
        if done.finished:
            break

    model.load_state_dict(best_weights)
    model.eval()
    return done


def evaluate(model: Model, part: Part, loss: Loss, batch: int) -> dict[str, float]:
    """The loss of a labelled part and its figures, in evaluation mode; leaves the mode as it was."""
    logits = predict_logits(model, part.packed, batch)["logits"]
    with torch.no_grad():
        fault = float(loss(model.kind, logits, part.target))
        scores = model.finish(logits).cpu().numpy().astype(np.float64)
    target = part.target.cpu().numpy()
    if model.kind == "continuous":
        target = target * model.spread.cpu().numpy() + model.shift.cpu().numpy()
    return {"loss": fault, **figures(model.kind, scores, target)}


def predict_logits(
    model: Model, packed: Packed, batch: int, keep: Callable[[str], bool] = lambda name: name == "logits"
) -> dict[str, Tensor]:
    """What the model reports for every example, in the order of the data: the outputs that ``keep`` names."""
    was = model.training
    model.eval()
    parts: dict[str, list[Tensor]] = {}
    rows: list[npt.NDArray[np.int64]] = []
    with torch.no_grad():
        for at in batches(packed, batch, None):
            out = model(*packed.batch(torch.from_numpy(at).to(packed.present.device)), scaled=True)
            rows.append(at)
            for name, tensor in out.items():
                if keep(name):
                    parts.setdefault(name, []).append(tensor)
    model.train(was)
    back = torch.from_numpy(np.argsort(np.concatenate(rows))).to(packed.present.device)
    return {name: torch.cat(some)[back] for name, some in parts.items()}


def _optimiser(model: Model, s: TrainSettings) -> Any:
    trained = [p for p in model.parameters() if p.requires_grad]
    # Biases, norms and the learned steps of absent modalities are not pulled to zero.
    groups = [
        {"params": [p for p in trained if p.dim() > 1], "weight_decay": s.weight_decay},
        {"params": [p for p in trained if p.dim() <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=s.lr, fused=True)


def _schedule(step: int, total: int, warmup: float) -> float:
    """Share of the learning rate: a straight rise over the warm-up, then half a cosine down to 0."""
    rise = warmup * total
    if step < rise:
        return (step + 1) / (rise + 1)
    return (1 + math.cos(math.pi * (step - rise) / max(1.0, total - rise))) / 2


def _hide(present: Tensor, p: float) -> Tensor:
    """Each modality of each example absent with probability p; where all would be, those there stay."""
    kept = present & (torch.rand(present.shape, device=present.device) >= p)
    return torch.where(kept.any(dim=1, keepdim=True), kept, present)


def _follow(average: Model, model: Model, decay: float) -> None:
    with torch.no_grad():
        torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), 1 - decay)
        for old, new in zip(average.buffers(), model.buffers(), strict=True):
            old.copy_(new)


def _mixed(*parts: int) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)


def _write(
    path: Path, key: str, done: Trained, model: Model, optimiser: Any, average: Model | None, best: Mapping[str, Tensor]
) -> None:
    moments = {f"{i}/{name}": t for i, row in optimiser.state_dict()["state"].items() for name, t in row.items()}
    more = {"average": average.state_dict()} if average is not None else {}
    told = {"key": key, **vars(done)}
    disk.save(path, told, model=model.state_dict(), optimiser=moments, best=best, **more)


def _resume(
    path: Path, key: str, model: Model, optimiser: Any, average: Model
) -> tuple[Trained, dict[str, Tensor]] | None:
    """Put everything back as it was after the last whole epoch; None where there is nothing of this training."""
    if not path.exists():
        return None
    told, groups = disk.load(path)
    if told.pop("key") != key:
        return None
    model.load_state_dict(groups["model"])
    if average is not model:
        average.load_state_dict(groups["average"])
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in groups.get("optimiser", {}).items():
        i, _, what = name.partition("/")
        moments.setdefault(int(i), {})[what] = tensor
    optimiser.load_state_dict({"state": moments, "param_groups": optimiser.state_dict()["param_groups"]})
    device = next(model.parameters()).device
    return Trained(**told), {k: v.to(device) for k, v in groups["best"].items()}
