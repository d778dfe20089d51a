"""How alike people are at the same moment: correlation between them, and whether a moment is found again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from moodal.lab.data.dataset import Dataset
from moodal.lab.models.physiosync.network import encoders_of, windowed
from moodal.lab.train.stages import Pretrained

from .prepared import Scales, prepare, streams_of
from .sampler import moments
from .settings import SyncSettings

__all__ = ["embedded", "isc", "retrieval"]

Array = npt.NDArray[Any]


def embedded(
    data: Dataset, settings: SyncSettings, stream: str, level: str, *, weights: Pretrained | None = None,
    scales: Scales | None = None, seed: int = 0, batch: int = 256,
) -> Array:  # fmt: skip
    """Features ``(n, 4 d)`` of one stream, the mean over the windows of an example; NaN where it is absent.

    Untrained encoders (of that seed) without ``weights``; scaled by the data themselves without ``scales``.
    """
    form = settings.form()
    streams = streams_of(data, settings.pps)
    ready = prepare(data, streams, form, settings.norm, scales=scales, force_units=settings.force_units)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = encoders_of(streams, level, form, ready.channels)[stream].eval()
    if weights is not None:
        encoder.load_state_dict(weights.weights[f"{stream}_{level}"])
    waves, count = windowed(ready.waves[stream], stream, level, form, first=streams.index(stream) == 0)
    out = np.full((len(waves), encoder.width), np.nan)
    rows = np.flatnonzero(waves.present.numpy())
    with torch.no_grad():
        for a in range(0, len(rows), batch):
            part = rows[a : a + batch]
            out[part] = encoder(waves.take(torch.from_numpy(part))).numpy()
    shaped = out.reshape(-1, count, out.shape[1])
    there: Array = np.isfinite(shaped[..., 0])
    total = np.where(there[..., None], shaped, 0.0).sum(axis=1)
    return np.where(there.max(axis=1)[:, None], total / np.maximum(there.sum(axis=1), 1)[:, None], np.nan)


def retrieval(data: Dataset, vectors: Array, *, key: str = "stimulus", pool: int = 2) -> tuple[float, float]:
    """How often the moment nearest (by cosine) to one person's, among the mean vectors of ``pool`` others at every
    moment, is the same moment; and chance. People are drawn as they stand; vectors are taken from each person's mean.
    """
    told, table = _by_person(data, vectors, key)
    if len(told) < 2:
        return float("nan"), float("nan")
    hits, asked, chance = 0, 0, []
    for p in range(len(table)):
        others = [q for q in range(len(table)) if q != p][: pool if pool else None]
        bank = np.nanmean(table[others], axis=0)
        good = np.isfinite(bank[:, 0]) & np.isfinite(table[p, :, 0])
        if good.sum() < 2:
            continue
        a, b = _unit(table[p][good]), _unit(bank[good])
        hits += int((np.argmax(a @ b.T, axis=1) == np.arange(len(a))).sum())
        asked += len(a)
        chance.append(1 / len(a))
    return hits / max(asked, 1), float(np.mean(chance)) if chance else float("nan")


def isc(data: Dataset, vectors: Array, *, key: str = "stimulus", shifts: Sequence[int] = ()) -> tuple[float, Array]:
    """Intersubject correlation: mean over pairs of people and dimensions of the correlation over moments; and the same
    with one of each pair shifted in time by so many moments (within the sequence of all), which is what remains of
    what has nothing to do with the moment."""
    _, table = _by_person(data, vectors, key)
    pairs = [(p, q) for p in range(len(table)) for q in range(p)]
    real = float(np.nanmean([_correlation(table[p], table[q]) for p, q in pairs]))
    null = [np.nanmean([_correlation(table[p], np.roll(table[q], s, axis=0)) for p, q in pairs]) for s in shifts]
    return real, np.array(null, np.float64)


def _by_person(data: Dataset, vectors: Array, key: str) -> tuple[list[Any], Array]:
    """Moments in order and ``(people, moments, width)``, each person's mean over moments taken away."""
    told = moments(data.index, key)
    people = sorted({s for m in told for s in m.rows})
    table = np.full((len(people), len(told), vectors.shape[1]), np.nan)
    for k, m in enumerate(told):
        for who, rows in m.rows.items():
            table[people.index(who), k] = vectors[rows[0]]
    with np.errstate(invalid="ignore"):
        return told, table - np.nanmean(table, axis=1, keepdims=True)


def _correlation(a: Array, b: Array) -> float:
    good = np.isfinite(a[:, 0]) & np.isfinite(b[:, 0])
    if good.sum() < 3:
        return float("nan")
    a, b = a[good] - a[good].mean(axis=0), b[good] - b[good].mean(axis=0)
    below = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    use = below > 1e-12
    return float(((a * b).sum(axis=0)[use] / below[use]).mean()) if use.any() else float("nan")


def _unit(x: Array) -> Array:
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12))
