"""Pre-training: encoders of long windows, then of short ones, on the people it is given alone; labels unseen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from moodal.core.errors import InputError
from moodal.lab.data.dataset import Dataset
from moodal.lab.models.physiosync.augment import varied
from moodal.lab.models.physiosync.contrast import Contrast
from moodal.lab.models.physiosync.network import encoders_of, windowed
from moodal.lab.models.physiosync.waves import Waves
from moodal.lab.train.stages import Pretrained, Progress, Rows, run_stage

from .prepared import Prepared, prepare, streams_of
from .sampler import Sampler
from .settings import SyncSettings

__all__ = ["pretrain"]


def pretrain(
    data: Dataset, settings: SyncSettings, *, seed: int = 0, folder: Path | None = None,
    progress: Progress | None = None, prepared: Prepared | None = None,
) -> Pretrained:  # fmt: skip
    """Contrastive pre-training on all of ``data``. With a ``folder`` a killed run goes on.

    Weights are named ``STREAM_LEVEL``; ``told`` holds the people, trials and stimuli that were seen, what positives
    were in the end, and the curves.

    Raises
    ------
    InputError : nothing to learn from; one stream where positives are between streams.
    """
    s, form = settings, settings.form()
    streams = streams_of(data, s.pps)
    ready = prepared or prepare(data, streams, form, s.norm, force_units=s.force_units)
    rows = np.flatnonzero(ready.present.any(axis=1))
    if not len(rows):
        raise InputError("has no signal to learn from", where=data.index.name, fix="Check rates and lengths.")
    if len(streams) < 2 and s.pretrain.sources == ("cross_modal",):
        raise InputError(f"has {streams[0]} alone, and positives are between streams", where=data.index.name,
                         fix='Set positive = "stimulus" or "time".')  # fmt: skip
    key = hashlib.sha256(
        json.dumps([s.pretraining(), data.fingerprint(), seed, torch.__version__], sort_keys=True).encode()
    ).hexdigest()
    weights: dict[str, dict[str, Tensor]] = {}
    told: dict[str, Any] = {}
    with torch.random.fork_rng(devices=[]):
        for k, level in enumerate(form.windows.levels):
            torch.manual_seed(seed + k)
            pieces = form.windows.pieces if level == "short" else 1
            sampler = Sampler(data.index, rows, s.pretrain, copies=s.augment.copies, pieces=pieces, seed=seed + k)
            model = Contrast(streams, encoders_of(streams, level, form, ready.channels), form.size, s.pretrain.dropout)
            told[level] = run_stage(
                f"pre-training, {level} windows", model, _Terms(model, ready, sampler, s, level), rows,
                s.pretrain_train, seed=seed + k, state=folder / f"{level}.npz" if folder else None, key=key,
                progress=progress, batches=sampler.batches,
            )  # fmt: skip
            for m, encoder in model.encoders.items():
                weights[f"{m}_{level}"] = {n: t.detach().clone() for n, t in encoder.state_dict().items()}
    told |= {
        "seen": {
            "set": data.index.name,
            **{c: sorted(set(data.index[c][rows]) - {""}) for c in ("subject", "trial", "stimulus")},
        },
        "positive": "+".join(sampler.sources),
        "moments": len(sampler.moments),
        "left_out": ready.left_out,
    }
    made = Pretrained(weights, s.pretraining(), told)
    if folder is not None:
        made.save(folder / "pretrained.npz")
    return made


class _Terms:
    def __init__(self, model: Contrast, ready: Prepared, sampler: Sampler, s: SyncSettings, level: str) -> None:
        self.model, self.ready, self.sampler, self.s, self.level = model, ready, sampler, s, level

    def __call__(self, items: Rows) -> tuple[Tensor, Mapping[str, Tensor]]:
        s, p = self.s, self.s.pretrain
        drawn, piece = self.sampler.draw(items)
        flat = drawn.rows.flatten()
        size = drawn.rows.shape[1] * drawn.rows.shape[2]
        piece, copy, varying = piece.repeat_interleave(size), drawn.copy.repeat_interleave(size), s.augment
        if varying.copies and varying.apart:
            copy = torch.randint(6, (2 * len(items),)).repeat_interleave(drawn.rows.shape[2])
            varying = replace(varying, copies=5)  # kinds are told already
        signals: dict[str, Waves] = {}
        for k, m in enumerate(self.model.streams):
            taken = self.ready.waves[m].take(flat.clamp_min(0))
            taken = Waves(taken.x, taken.channel, taken.valid & (flat >= 0)[:, None, None])
            waves, count = windowed(taken, m, self.level, s.form(), first=k == 0)
            if count > 1:
                waves = waves.take(torch.arange(len(flat)) * count + piece)
            signals[m] = varied(waves, copy, varying)
        source = self.sampler.source(items)
        first, *others = self.model.streams
        weight = {first: p.tcl_weight["eeg"], **{m: p.tcl_weight["pps"] / len(others) for m in others}}
        terms = self.model(signals, drawn, tcl={} if source == "cross_modal" else weight, cmca=p.cmca_weight,
                           temperature=p.temperature)  # fmt: skip
        if not terms:  # every weight is 0: nothing is learnt, and nothing breaks
            zero = next(self.model.parameters()).sum() * 0.0
            return zero, {}
        return torch.stack(list(terms.values())).sum(), terms
