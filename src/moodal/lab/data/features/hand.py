"""Hand features of windows of signals: the groups of `moodal.lab.data.hand`, one row a window."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from moodal.core.errors import UsageError
from moodal.lab.data.cache import Cache, key_of
from moodal.lab.data.dataset import Dataset, Feature
from moodal.lab.data.hand import GROUPS, Withheld
from moodal.lab.data.raw import Signal

__all__ = ["make"]

VERSION = 3


def make(data: Dataset, modality: str, cache: Cache, *, groups: Sequence[str], of: str = "") -> Feature:
    """Features of the raw windows that the reader brings: every field of ``groups`` that is one number.

    ``of`` names the reader's signal, if it is not named after the group's kind (``ecg.hrv`` reads ``ecg``). A field
    that a window does not allow (too short, no beats, a flat electrode) is NaN; a window without any is absent.

    Raises
    ------
    UsageError : no such group, or the reader brings no such signal or no rate for it.
    """
    unknown = [g for g in groups if g not in GROUPS]
    if unknown or not groups:
        raise UsageError(f"unknown group {', '.join(unknown)!r}", where=f"features.{modality}",
                         fix=f"Known: {', '.join(GROUPS)}.")  # fmt: skip
    parts = [(GROUPS[g], data.only([of or GROUPS[g].kind]).features[of or GROUPS[g].kind]) for g in groups]
    for group, raw in parts:
        if not raw.rate_hz:
            raise UsageError(f"{raw.name} has no rate, and {group.name} needs one", where=f"features.{modality}")

    def computed() -> Feature:
        told: list[dict[str, float]] = []
        for i in range(len(data)):
            row: dict[str, float] = {}
            for group, raw in parts:
                window = raw[i]
                signal = Signal(raw.name, group.kind, window, raw.rate_hz, channels=raw.fields)
                if not len(window) or len(window) / (raw.rate_hz or 1) < group.least_s:
                    continue
                try:
                    found = group.function()(signal)
                except Withheld:
                    continue
                row |= {f"{group.name}.{name}": value for name, value in found.items()}
            told.append(row)
        names = tuple(dict.fromkeys(n for row in told for n in row))
        values = np.array([[row.get(n, np.nan) for n in names] for row in told], np.float32).reshape(len(told), -1)
        return Feature.table(modality, values, fields=names, source=f"hand {list(groups)} {VERSION}")

    key = key_of("hand", VERSION, list(groups), modality, *(raw.fingerprint() for _, raw in parts))
    return cache.feature(key, computed)
