"""The stages' one loop, and pre-training: tokenizer, then masked modelling, on the people it is given and no others.

::

    arrays ─► tokenizer (codes) ─► masked modelling (encoders) ─► Pretrained: weights, and whom they have seen
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from moodal.core.errors import InputError, MoodalError
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.leak import LeakageError
from moodal.lab.models.physioomni.codebook import perplexity
from moodal.lab.models.physioomni.msm import Masked
from moodal.lab.models.physioomni.specs import size_named
from moodal.lab.models.physioomni.tokenizer import Codes, Tokenizer
from moodal.lab.train import state as disk

from .prepared import Prepared, prepare
from .settings import PhysioSettings, StageSettings

__all__ = ["Pretrained", "check_unseen", "pretrain", "run_stage"]

Progress = Callable[[str, float], None]
Rows = npt.NDArray[np.int64]


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


def pretrain(
    data: Dataset, settings: PhysioSettings, *, seed: int = 0, folder: Path | None = None,
    progress: Progress | None = None, prepared: Prepared | None = None,
) -> Pretrained:  # fmt: skip
    """Stage 1 and 2 on all of ``data``; labels are not looked at. With a ``folder`` a killed run goes on.

    Raises
    ------
    InputError : nothing to learn from.
    """
    modalities = data.modalities
    ready = prepared or prepare(data, modalities, as_named=settings.as_named, force_units=settings.force_units)
    rows = np.flatnonzero(ready.present.any(axis=1))
    if not len(rows):
        raise InputError("has no signal to learn from", where=data.index.name, fix="Check rates and lengths.")
    size = size_named(settings.size)
    key = hashlib.sha256(
        json.dumps([settings.pretraining(), data.fingerprint(), seed, torch.__version__], sort_keys=True).encode()
    ).hexdigest()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tokenizer = Tokenizer(modalities, size, settings.tokenizer, causal=settings.causal, scope=settings.norm)
        first = run_stage(
            "tokenizer", tokenizer, _TokenizerTerms(tokenizer, ready), rows, settings.tokenizer_train, seed=seed,
            state=folder / "tokenizer.npz" if folder else None, key=key, progress=progress,
        )  # fmt: skip
        codes = _labelled(tokenizer, ready, rows)
        used = {name: perplexity(i, size.codes) for name, i in _by_book(codes).items()}
        torch.manual_seed(seed + 1)
        masked = Masked(modalities, size, settings.msm, causal=settings.causal, scope=settings.norm)
        second = run_stage(
            "masked modelling", masked, _MaskedTerms(masked, ready, codes), rows, settings.msm_train, seed=seed + 1,
            state=folder / "msm.npz" if folder else None, key=key, progress=progress,
        )  # fmt: skip
    told = {
        "seen": {
            "set": data.index.name,
            **{k: sorted(set(data.index[k][rows]) - {""}) for k in ("subject", "trial")},
        },
        "perplexity": used,
        "codes": size.codes,
        "tokenizer": first,
        "msm": second,
        "left_out": ready.left_out,
    }
    weights = {m: {k: v.detach().clone() for k, v in masked.encoders[m].state_dict().items()} for m in modalities}
    made = Pretrained(weights, settings.pretraining(), told)
    if folder is not None:
        made.save(folder / "pretrained.npz")
    return made


class _TokenizerTerms:
    def __init__(self, tokenizer: Tokenizer, ready: Prepared) -> None:
        self.tokenizer, self.ready = tokenizer, ready

    def __call__(self, rows: Rows) -> tuple[Tensor, dict[str, Tensor]]:
        terms = self.tokenizer(self.ready.batch(rows))
        return self.tokenizer.loss(terms), terms


class _MaskedTerms:
    def __init__(self, masked: Masked, ready: Prepared, codes: Codes) -> None:
        self.masked, self.ready, self.codes = masked, ready, codes

    def __call__(self, rows: Rows) -> tuple[Tensor, dict[str, Tensor]]:
        at = torch.from_numpy(rows)
        mine = Codes(*({m: t[at] for m, t in told.items()} for told in (self.codes.private, self.codes.shared)))
        terms = self.masked(self.ready.batch(rows), mine)
        return self.masked.loss(terms), terms


def _labelled(tokenizer: Tokenizer, ready: Prepared, rows: Rows, batch: int = 128) -> Codes:
    """Codes of every example, -1 where there is nothing."""
    private = {m: torch.full(t.pad.shape, -1, dtype=torch.long) for m, t in ready.tokens.items()}
    shared = {m: t.clone() for m, t in private.items()}
    for start in range(0, len(rows), batch):
        part = rows[start : start + batch]
        told = tokenizer.codes(ready.batch(part))
        at = torch.from_numpy(part)
        for into, found in ((private, told.private), (shared, told.shared)):
            for m, t in found.items():
                into[m][at, : t.shape[1]] = t
    return Codes(private, shared)


def _by_book(codes: Codes) -> dict[str, Tensor]:
    books = {m: t[t >= 0] for m, t in codes.private.items() if bool((t >= 0).any())}
    return {"shared": torch.cat([t[t >= 0] for t in codes.shared.values()]), **books}


def run_stage(
    name: str, module: nn.Module, terms: Callable[[Rows], tuple[Tensor, Mapping[str, Tensor]]], rows: Rows,
    s: StageSettings, *, seed: int, state: Path | None = None, key: str = "", progress: Progress | None = None,
    scale: Callable[[str], float] | None = None, after: Callable[[int, dict[str, float]], bool] | None = None,
) -> list[dict[str, float]]:  # fmt: skip
    """Train ``module`` on those rows; one row of mean terms an epoch.

    ``terms`` gives the loss of some rows and what to record; ``scale`` a parameter's share of the learning rate by
    name; ``after`` is called after each epoch and may end the training by True. The state on disk is written after
    each epoch and taken up again where its ``key`` is the same (not with ``after``: who chooses among epochs keeps
    their own).

    Raises
    ------
    MoodalError : the loss is not a number.
    """
    curves: list[dict[str, float]] = []
    optimiser = _optimiser(module, s, scale)
    if state is not None and (taken := _resume(state, key, module, optimiser)) is not None:
        curves = taken
    per_epoch = math.ceil(len(rows) / s.batch)
    total = max(1, s.epochs * per_epoch)
    step = len(curves) * per_epoch
    for epoch in range(len(curves), s.epochs):
        torch.manual_seed(int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0]))
        order = np.random.default_rng([seed, epoch]).permutation(rows)
        module.train()
        sums: dict[str, float] = {}
        for start in range(0, len(order), s.batch):
            part = np.sort(order[start : start + s.batch])
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
            for term, value in {"loss": loss, **told}.items():
                sums[term] = sums.get(term, 0.0) + float(value.detach()) * len(part)
        row = {"epoch": epoch + 1.0, **{term: value / len(order) for term, value in sums.items()}}
        if not math.isfinite(row["loss"]):
            raise MoodalError(f"the loss is not a number in epoch {epoch + 1}", where=f"physioomni, {name}",
                              fix="Lower the learning rate.")  # fmt: skip
        curves.append(row)
        if state is not None:
            _write(state, key, module, optimiser, curves)
        if progress is not None:
            progress(f"{name}: epoch {epoch + 1} of {s.epochs}, loss {row['loss']:.3f}", (epoch + 1) / s.epochs)
        if after is not None and after(epoch, row):
            break
    module.eval()
    return curves


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
