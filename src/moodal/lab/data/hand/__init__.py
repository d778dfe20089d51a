"""Hand features of one window, in groups: each has a name and a unit, and a failing window gives NaN and a reason.

A group is a function ``(signal, **settings) -> {name: value}`` of one stream in one window. It looks at nothing
outside the window, so a live stream gives the same numbers as a file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from .names import FIELDS

__all__ = ["FIELDS", "GROUPS", "Group", "Withheld", "listed"]


class Withheld(Exception):
    """A window of which a group tells nothing, with the reason's code (one of moodal's gap reasons)."""


@dataclass(frozen=True, slots=True)
class Group:
    """A group of features. ``kind`` is the stream it reads (``""``: whichever is named), ``least_s`` and ``least_hz``
    what it needs; ``absolute``: values hang on the stream's unit."""

    name: str
    kind: str
    module: str
    about: str
    least_s: float = 0.0
    least_hz: float = 0.0
    absolute: bool = True
    settings: tuple[str, ...] = ("stream",)

    @property
    def fields(self) -> Mapping[str, str]:
        """Name → unit of what it tells; ``CHANNEL`` stands for each channel's name."""
        return FIELDS[self.name]

    def function(self) -> Callable[..., dict[str, float]]:
        """The function that computes it."""
        name = self.name.replace(".", "_").replace("-", "_")
        return getattr(import_module(f"moodal.lab.data.hand.{self.module}"), name)


GROUPS: dict[str, Group] = {
    g.name: g
    for g in (
        Group("ecg.hrv", "ecg", "heart", "heart rate and its variability from an ECG", 10.0, 40.0, absolute=False),
        Group("ppg.hrv", "ppg", "heart", "pulse rate and its variability from a pulse wave", 10.0, 8.0, absolute=False),
        Group("ppg.wave", "ppg", "heart", "shape of the pulse wave", 10.0, 8.0),
        Group("eda.basic", "eda", "skin", "skin conductance: level, slope, responses", 10.0, 1.0),
        Group("resp.basic", "resp", "breath", "breathing: rate, depth, regularity", 15.0, 4.0, absolute=False),
        Group("temp.basic", "temp", "slow", "skin temperature", 2.0, 0.1),
        Group("emg.basic", "emg", "muscle", "muscle activity in time and frequency", 1.0, 60.0),
        Group("acc.basic", "acc", "muscle", "movement and posture", 1.0, 2.0),
        Group("eeg.bands", "eeg", "brain", "EEG band powers over the scalp", 2.0, 64.0),
        Group("eeg.channels", "eeg", "brain", "EEG band powers of each channel", 2.0, 64.0),
        Group("voice.egemaps", "sound", "voice", "the 88 functionals of eGeMAPS v02", 0.5, 16000.0),
        Group("stats", "", "slow", "statistics of any stream, each channel", 0.0, 0.0),
        Group("stream", "", "slow", "a stream's own values: one row as it is, more as mean and sd", 0.0, 0.0),
    )
}  # fmt: skip


def listed() -> list[dict[str, Any]]:
    """Every feature with its group, unit and stream."""
    return [
        {"feature": f"{g.name}.{field}", "unit": unit, "stream": g.kind or "any", "about": g.about}
        for g in GROUPS.values()
        for field, unit in g.fields.items()
    ]
