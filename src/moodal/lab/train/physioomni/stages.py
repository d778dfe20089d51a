"""Pre-training: tokenizer, then masked modelling, on the people it is given and no others.

::

    arrays ─► tokenizer (codes) ─► masked modelling (encoders) ─► Pretrained: weights, and whom they have seen
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from moodal.core.errors import InputError
from moodal.lab.data.dataset import Dataset
from moodal.lab.models.physioomni.codebook import perplexity
from moodal.lab.models.physioomni.msm import Masked
from moodal.lab.models.physioomni.specs import size_named
from moodal.lab.models.physioomni.tokenizer import Codes, Tokenizer
from moodal.lab.models.physioomni.tokens import Tokens, thinned
from moodal.lab.train.stages import Pretrained, Progress, Rows, check_unseen, run_stage

from .prepared import Prepared, prepare
from .settings import PhysioSettings

__all__ = ["Pretrained", "check_unseen", "pretrain", "run_stage"]


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
        tokenizer = Tokenizer(modalities, size, settings.tokenizer, settings.encoder)
        first = run_stage(
            "tokenizer", tokenizer, _TokenizerTerms(tokenizer, ready, settings.channels), rows,
            settings.tokenizer_train, seed=seed, state=folder / "tokenizer.npz" if folder else None, key=key,
            progress=progress,
        )  # fmt: skip
        codes = _labelled(tokenizer, ready, rows)
        used = {name: perplexity(i, size.codes) for name, i in _by_book(codes).items()}
        torch.manual_seed(seed + 1)
        masked = Masked(modalities, size, settings.msm, settings.encoder)
        second = run_stage(
            "masked modelling", masked, _MaskedTerms(masked, ready, codes, settings.channels), rows,
            settings.msm_train, seed=seed + 1, state=folder / "msm.npz" if folder else None, key=key, progress=progress,
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
    def __init__(self, tokenizer: Tokenizer, ready: Prepared, channels: float = 1.0) -> None:
        self.tokenizer, self.ready, self.channels = tokenizer, ready, channels

    def __call__(self, rows: Rows) -> tuple[Tensor, dict[str, Tensor]]:
        given = {m: thinned(t, self.channels)[0] for m, t in self.ready.batch(rows).items()}
        terms = self.tokenizer(given)
        return self.tokenizer.loss(terms), terms


class _MaskedTerms:
    def __init__(self, masked: Masked, ready: Prepared, codes: Codes, channels: float = 1.0) -> None:
        self.masked, self.ready, self.codes, self.channels = masked, ready, codes, channels

    def __call__(self, rows: Rows) -> tuple[Tensor, dict[str, Tensor]]:
        given: dict[str, Tokens] = {}
        private: dict[str, Tensor] = {}
        shared: dict[str, Tensor] = {}
        for m, t in self.ready.batch(rows).items():
            given[m], at = thinned(t, self.channels)
            for told, into in ((self.codes.private[m], private), (self.codes.shared[m], shared)):
                into[m] = told[torch.from_numpy(rows)].gather(1, at)
        terms = self.masked(given, Codes(private, shared))
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
