"""Networks of the EEG literature that every other is compared with, written from their papers.

Each module has ``Settings``, ``RATE_HZ`` (what raw windows are resampled to; 0: it reads features by band) and
``build(names, steps, classes, settings)``, a network of ``x (B, C, T)`` and ``there (B, C)`` that gives logits
``(B, classes)``; a channel that is not there is 0 in ``x``.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from moodal.core.errors import UsageError

__all__ = ["NETS", "net_module"]

NETS: dict[str, str] = {
    "eegnet": "moodal.lab.models.eeg.eegnet",
    "deepconvnet": "moodal.lab.models.eeg.deepconvnet",
    "shallowconvnet": "moodal.lab.models.eeg.shallowconvnet",
    "tsception": "moodal.lab.models.eeg.tsception",
    "labram": "moodal.lab.models.eeg.labram",
    "dgcnn": "moodal.lab.models.eeg.dgcnn",
}


def net_module(name: str, where: str = "") -> ModuleType:
    """The module of a network.

    Raises
    ------
    UsageError : no such network.
    """
    if name not in NETS:
        raise UsageError(f"unknown network {name!r}", where=where, fix=f"Known: {', '.join(NETS)}.")
    return import_module(NETS[name])
