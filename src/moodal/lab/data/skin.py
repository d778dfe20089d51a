"""Skin conductance whose unit is not told, or told wrongly: microsiemens by its values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.errors import InputError
from moodal.media.units import Unit

__all__ = ["SKIN_UNITS", "Skin", "stated"]


def _of_ohm(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(values > 0, 1e6 / values, np.nan)


#: Unit → microsiemens.
SKIN_UNITS: dict[str, Callable[[npt.NDArray[Any]], npt.NDArray[Any]]] = {
    "nS": lambda v: v * 1e-3, "ohm": _of_ohm, "µS": lambda v: v,
}  # fmt: skip


def stated(unit: Unit | None, usual: str) -> str:
    """Which of `SKIN_UNITS` a header states; ``usual`` where it states none of them."""
    if unit is None:
        return usual
    told = {(1e-3, False): "nS", (1.0, False): "µS", (1e6, True): "ohm"}
    return told.get((unit.factor, unit.inverse), usual)


#: What a level of skin conductance is believed to be, µS.
_LOW, _HIGH = 0.05, 60.0


@dataclass
class Skin:
    """In which unit each person's skin conductance is: the first that gives a level which skin has. Between 17,000 and
    60,000 nanosiemens and ohm both do: what the set's documentation tells comes first."""

    _told: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def unit(self, person: int, values: npt.NDArray[Any], file: Path, documented: str = "µS") -> str:
        """The unit of those ``values``, of `SKIN_UNITS`.

        Raises
        ------
        InputError : in no unit could they be skin conductance.
        """
        with np.errstate(invalid="ignore", over="ignore"):
            for name in dict.fromkeys((documented, "nS", "µS", "ohm")):
                level = SKIN_UNITS[name](np.asarray(values, np.float64))
                if np.isfinite(level).any() and _LOW <= np.nanmedian(level) <= _HIGH:
                    self._told[name].append(person)
                    return name
            told = float(np.nanmedian(values)) if np.isfinite(values).any() else float("nan")
        raise InputError(
            f"its eda has a level of {told:.3g}, which is skin conductance neither in nS, µS nor ohm", where=str(file),
            fix='Leave it out (signals), or take it without a unit: as_published = ["eda"].',
        )  # fmt: skip

    def notices(self) -> list[str]:
        """Which unit was found in how many people."""
        told = ", ".join(f"{u} in {len(p)}" for u, p in self._told.items())
        return [f"unit of eda by its values, people: {told}; read as µS"] if told else []
