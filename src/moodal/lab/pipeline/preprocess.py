"""Preprocess: recording to recording, sample by sample or within one recording; nothing is fitted on several.

Each use is a class with ``whole(signal)``; those that need no future also take pieces (`Live`), with the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.errors import MissingExtra, UsageError
from moodal.dsp import eda
from moodal.dsp.fir import band_pass, filled, zero_phase
from moodal.lab.data.raw import Raw, Signal

from .functions import function_named
from .graph import Node

__all__ = ["Live", "preprocess"]

Array = npt.NDArray[Any]


def preprocess(node: Node, raw: Raw) -> Raw:
    """One recording through one node.

    Raises
    ------
    UsageError : a stream that is filtered has no rate.
    """
    if node.use not in _WHOLE:
        function = function_named(node.use) if isinstance(node.use, str) else node.use
        return function(raw, **node.settings)
    of = node.settings.get("of")
    signals = {
        n: _WHOLE[str(node.use)](node, s) if not of or n in of or s.kind in of else s for n, s in raw.signals.items()
    }
    return replace(raw, signals=signals)


def _rate(node: Node, signal: Signal) -> float:
    if not signal.rate_hz or signal.times is not None:
        raise UsageError(f"{signal.name} does not come evenly", where=node.told, fix="Leave it out: of = [...].")
    return float(signal.rate_hz)


def _band_pass(node: Node, signal: Signal) -> Signal:
    rate = _rate(node, signal)
    s = node.settings
    if s.get("causal"):
        values, _ = _one_way(node, signal, np.asarray(signal.values, float), None)
        return replace(signal, values=values)
    low = float(s.get("low_hz", 0.0))
    kernel = band_pass(low, float(s["high_hz"]), rate, max(1.0, 1.65 / max(low, 0.1)))
    out = np.empty(signal.values.shape)
    for k in range(signal.values.shape[1]):
        x = np.asarray(signal.values[:, k], float)
        good = np.isfinite(x)
        out[:, k] = np.where(good, zero_phase(filled(x, good), kernel), np.nan) if len(x) else x
    return replace(signal, values=out)


def _one_way(node: Node, signal: Signal, values: Array, state: Any) -> tuple[Array, Any]:
    """A second-order Butterworth filter, one way; the state carries over to the next piece."""
    try:
        from scipy import signal as filters
    except ImportError as error:
        raise MissingExtra("scipy", "lab", "a causal filter") from error
    rate, s = _rate(node, signal), node.settings
    low, high = float(s.get("low_hz", 0.0)), min(float(s["high_hz"]), 0.499 * rate)
    shape: dict[str, Any] = {"Wn": (low, high), "btype": "bandpass"} if low > 0 else {"Wn": high, "btype": "lowpass"}
    sos = filters.butter(2, fs=rate, output="sos", **shape)
    if not len(values):
        return values, state
    if state is None:
        # At rest at the first value, so that a level far from zero does not ring.
        state = (filters.sosfilt_zi(sos)[:, :, None] * np.nan_to_num(values[0]), np.nan_to_num(values[0]))
    filter_state, last = state
    x = values.copy()
    for i in range(len(x)) if not np.isfinite(x).all() else ():
        x[i] = np.where(np.isfinite(x[i]), x[i], x[i - 1] if i else last)
    out, filter_state = filters.sosfilt(sos, x, axis=0, zi=filter_state)
    return np.where(np.isfinite(values), out, np.nan), (filter_state, x[-1])


def _clip(node: Node, signal: Signal) -> Signal:
    x = np.asarray(signal.values, float)
    low, high = node.settings.get("low", -np.inf), node.settings.get("high", np.inf)
    return replace(signal, values=np.where((x >= low) & (x <= high), x, np.nan))


def _decimate(node: Node, signal: Signal) -> Signal:
    by = int(node.settings["by"])
    x = np.asarray(signal.values, float)
    x = x[: len(x) // by * by].reshape(-1, by, x.shape[1]).mean(axis=1)
    return replace(signal, values=x, rate_hz=_rate(node, signal) / by)


def _artefacts(node: Node, signal: Signal) -> Signal:
    if signal.kind != "eda":
        return signal
    x = signal.column()
    bad = eda.unlikely(x, _rate(node, signal))
    return replace(signal, values=np.where(bad[:, None], np.nan, np.asarray(signal.values, float)))


def _standardise(node: Node, signal: Signal) -> Signal:
    x = np.asarray(signal.values, float)
    if not np.isfinite(x).any():
        return signal
    with np.errstate(invalid="ignore"):
        sd = np.nanstd(x, axis=0)
        return replace(signal, values=(x - np.nanmean(x, axis=0)) / np.where(sd > 0, sd, 1.0))


_WHOLE: dict[str, Callable[[Node, Signal], Signal]] = {
    "band-pass": _band_pass,
    "clip": _clip,
    "decimate": _decimate,
    "artefacts": _artefacts,
    "standardise": _standardise,
}


class Live:
    """One node over one stream that comes in pieces.

    Raises
    ------
    UsageError : the node needs samples that have not come yet.
    """

    def __init__(self, node: Node) -> None:
        if node.use not in _WHOLE or not causal(node):
            raise UsageError(
                f"node {node.told} needs samples that a live stream does not have yet", where="live",
                fix="Use causal = true, or leave it out.",
            )  # fmt: skip
        self.node = node
        self._state: Any = None
        self._rest: Array | None = None

    def push(self, signal: Signal) -> Signal:
        """A piece of the stream through the node."""
        of = self.node.settings.get("of")
        if of and signal.name not in of and signal.kind not in of:
            return signal
        if self.node.use == "band-pass":
            values, self._state = _one_way(self.node, signal, np.asarray(signal.values, float), self._state)
            return replace(signal, values=values)
        if self.node.use == "decimate":
            by, rest = int(self.node.settings["by"]), self._rest
            x = np.asarray(signal.values, float)
            held = 0 if rest is None else len(rest)
            x = x if rest is None else np.concatenate([rest, x])
            whole = len(x) // by * by
            self._rest = x[whole:]
            begins = signal.start_s - held / (signal.rate_hz or 1.0)
            return _decimate(self.node, replace(signal, values=x[:whole], start_s=begins))
        return _WHOLE[str(self.node.use)](self.node, signal)


def causal(node: Node) -> bool:
    """Whether a preprocessing node needs no future sample."""
    return node.use in ("clip", "decimate") or (node.use == "band-pass" and bool(node.settings.get("causal")))
