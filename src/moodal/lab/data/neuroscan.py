"""NeuroScan's continuous recordings (``.cnt``): channels by name in µV, and triggers, read a stretch at a time.

mne reads the files (BSD-3); here are its errors as one line, and the two things that recordings of three quarters of an
hour need: a word size that is stated where a counter in the header overflowed, and stretches instead of the whole.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.errors import InputError, MissingExtra

__all__ = ["Neuroscan", "opened"]

#: Bytes of the header, and of a channel's entry behind it.
_HEADER, _ENTRY = 900, 75


@dataclass(frozen=True)
class Neuroscan:
    """A recording that is open: ``n`` samples of ``channels`` at ``rate_hz``; ``triggers`` are (s, code)."""

    path: Path
    channels: tuple[str, ...]
    rate_hz: float
    n: int
    triggers: tuple[tuple[float, int], ...]
    _raw: Any = field(repr=False)

    def __enter__(self) -> Neuroscan:
        return self

    def __exit__(self, *_: object) -> None:
        self._raw.close()

    @property
    def end_s(self) -> float:
        """Its length in s."""
        return self.n / self.rate_hz

    def cut(self, wanted: Sequence[str], start_s: float, end_s: float) -> npt.NDArray[np.float32]:
        """The samples of ``[start_s, end_s)`` of the channels of these names, ``(n, channels)`` µV.

        Raises
        ------
        InputError : a channel is not there, the stretch is not, or the file breaks off.
        """
        upper = {name.upper(): name for name in self.channels}
        if missing := [w for w in wanted if w.upper() not in upper]:
            raise InputError(
                f"lacks the channel{'s' if len(missing) > 1 else ''} {', '.join(missing)}", where=str(self.path),
                fix=f"It has: {', '.join(self.channels)}.",
            )  # fmt: skip
        first, last = round(start_s * self.rate_hz), round(end_s * self.rate_hz)
        if not 0 <= first < last <= self.n:
            raise InputError(
                f"a stretch from {start_s:.1f} to {end_s:.1f} s is asked for and it lasts {self.end_s:.1f} s",
                where=str(self.path), fix="Do the times belong to this recording? Get the file again.",
            )  # fmt: skip
        try:
            volts = self._raw.get_data(picks=[upper[w.upper()] for w in wanted], start=first, stop=last)
        except Exception as error:
            raise _unreadable(self.path, error) from error
        return np.asarray(volts.T * 1e6, np.float32)


def opened(path: Path) -> Neuroscan:
    """The recording; its samples stay in the file.

    Raises
    ------
    InputError : it is no NeuroScan recording, or it breaks off.
    MissingExtra : mne is not installed.
    """
    try:
        import mne
    except ImportError as error:
        raise MissingExtra("mne", "eeg", "reading NeuroScan recordings (.cnt)") from error
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(_HEADER)
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or error})", where=str(path)) from error
    n = int.from_bytes(head[370:372], "little")
    if len(head) < _HEADER or not 0 < n <= 1024 or size < _HEADER + _ENTRY * n:
        raise InputError("is no NeuroScan recording", where=str(path), fix="Get it from its makers again.")
    reader = mne.io.read_raw_cnt
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                raw = reader(str(path), preload=False, verbose="ERROR")
            except RuntimeError:
                # Some recordings' count of samples overflowed in the header; all of this maker's are of 32 bits.
                raw = reader(str(path), data_format="int32", recompute_n_samples=True, preload=False, verbose="ERROR")
    except Exception as error:
        raise _unreadable(path, error) from error
    bytes_a_sample = int(raw._raw_extras[0]["n_bytes"])
    if _HEADER + n * (_ENTRY + bytes_a_sample * raw.n_times) > size:
        raise InputError(
            f"breaks off: it says that it has {raw.n_times} samples", where=str(path), fix="Get the file again."
        )
    told = zip(raw.annotations.onset.tolist(), raw.annotations.description.tolist(), strict=True)
    # Keys that were pressed ("KeyPad Response 1") are no triggers.
    triggers = tuple((float(t), int(code)) for t, code in told if str(code).isdigit())
    return Neuroscan(path, tuple(raw.ch_names), float(raw.info["sfreq"]), int(raw.n_times), triggers, raw)


def _unreadable(path: Path, error: Exception) -> InputError:
    what = " ".join(str(error).split())[:200] or type(error).__name__
    return InputError(f"cannot be read as a NeuroScan recording ({what})", where=str(path), fix="Get the file again.")
