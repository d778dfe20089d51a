"""Recursive filters in second-order sections, run over streams in blocks: Butterworth and notch.

A filter is brought into state-space form, and a block of samples is then three matrix products: what the block says,
what the state says, and the next state. That is the filter itself, not an approximation, and however a stream is
cut, the state carries over: the first part of a stream gives the first part of its output.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray
from moodal.core.errors import UsageError

__all__ = ["Bank", "Filter", "butterworth", "cascade", "notch", "zero_phase"]

#: Samples of a block: long enough for the matrix products to be fast, short enough for few of them to be wasted.
_BLOCK = 32


def butterworth(order: int, rate_hz: float, low_hz: float = 0.0, high_hz: float = float("inf")) -> FloatArray:
    """Sections ``(k, 6)`` (b0 b1 b2 1 a1 a2) of a Butterworth filter that lets ``[low_hz, high_hz]`` pass.

    ``low_hz`` 0 gives a low-pass, ``high_hz`` at or above half the rate a high-pass; -3 dB at each edge. A band-pass
    has ``order`` poles at each edge. Bilinear transform with prewarped edges (Oppenheim and Schafer, Discrete-Time
    Signal Processing, ch. 7).

    Raises
    ------
    UsageError : no band between 0 and half the rate.
    """
    if not 0 <= low_hz < min(high_hz, rate_hz / 2) or (low_hz == 0 and high_hz >= rate_hz / 2):
        raise UsageError(f"{low_hz:g} to {high_hz:g} Hz is no band at {rate_hz:g} Hz",
                         fix=f"Name a band between 0 and {rate_hz / 2:g} Hz.")  # fmt: skip
    k = np.arange(order)
    prototype = np.exp(1j * np.pi * (2 * k + order + 1) / (2 * order))

    def warped(f: float) -> float:
        return float(np.tan(np.pi * f / rate_hz))

    if low_hz == 0:
        poles, zeros, centre = warped(high_hz) * prototype, [-1.0] * order, 1.0 + 0j
    elif high_hz >= rate_hz / 2:
        poles, zeros, centre = warped(low_hz) / prototype, [1.0] * order, -1.0 + 0j
    else:
        low, high = warped(low_hz), warped(high_hz)
        half = (high - low) * prototype / 2
        root = np.sqrt(half**2 - low * high)
        poles, zeros = np.concatenate([half + root, half - root]), [1.0, -1.0] * order
        centre = np.exp(2j * np.arctan(np.sqrt(low * high)))
    sections = _sections((1 + poles) / (1 - poles), zeros)
    gain = np.prod([np.polyval(s[:3], centre) / np.polyval(s[3:], centre) for s in sections])
    # The gain is shared out, so that no section overflows or vanishes.
    sections[:, :3] *= abs(gain) ** (-1 / len(sections))
    return sections


def _sections(poles: npt.NDArray[np.complex128], zeros: Sequence[float]) -> FloatArray:
    """Conjugate pairs make a section each, real poles two by two; zeros (all real) are dealt out in order."""
    pairs = [(p, p.conjugate()) for p in poles[poles.imag > 1e-10]]
    real = sorted(poles[np.abs(poles.imag) <= 1e-10].real)
    pairs += [(real[i], real[i + 1] if i + 1 < len(real) else None) for i in range(0, len(real), 2)]
    left, out = list(zeros), np.zeros((len(pairs), 6))
    for row, (first, second) in zip(out, pairs, strict=True):
        some = [first] if second is None else [first, second]
        taken, left = left[: len(some)], left[len(some) :]
        row[:3] = np.pad(np.poly(taken), (0, 2 - len(some)))
        row[3:] = np.pad(np.real(np.poly(some)), (0, 2 - len(some)))
    return out


def notch(hertz: float, rate_hz: float, sharpness: float = 30.0) -> FloatArray:
    """One section ``(1, 6)`` that takes ``hertz`` out, ``hertz / sharpness`` Hz wide at -3 dB (Orfanidis,
    Introduction to Signal Processing, ch. 11)."""
    angle = 2 * np.pi * hertz / rate_hz
    gain = 1 / (1 + np.tan(angle / sharpness / 2))
    turn = -2 * np.cos(angle)
    return np.array([[gain, gain * turn, gain, 1.0, gain * turn, 2 * gain - 1]])


def cascade(*filters: FloatArray) -> FloatArray:
    """Several filters one after another, as one."""
    return np.concatenate(filters)


@lru_cache(maxsize=128)
def _matrices(sections: bytes, n: int) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
    """For blocks of ``n``: output from block ``(n, n)`` and state ``(n, s)``, next state from state ``(s, s)`` and
    block ``(s, n)``, and the state in which a constant 1 leaves the filter ``(s,)``."""
    sos = np.frombuffer(sections).reshape(-1, 6)
    a, b, c, d = np.zeros((0, 0)), np.zeros(0), np.zeros(0), 1.0
    for b0, b1, b2, _, a1, a2 in sos:
        own = np.array([[-a1, 1.0], [-a2, 0.0]])
        into = np.array([b1 - a1 * b0, b2 - a2 * b0])
        a = np.block([[a, np.zeros((len(a), 2))], [np.outer(into, c), own]])
        b, c, d = np.concatenate([b, into * d]), np.concatenate([b0 * c, [1.0, 0.0]]), b0 * d
    powers = [np.eye(len(a))]
    for _ in range(n):
        powers.append(a @ powers[-1])
    responses = np.array([d, *(c @ p @ b for p in powers[: n - 1])])
    at = np.arange(n)
    lag = at[:, None] - at
    out = np.where(lag >= 0, responses[np.maximum(lag, 0)], 0.0)
    seen = np.stack([c @ p for p in powers[:n]])
    fed = np.stack([p @ b for p in powers[n - 1 :: -1]], axis=1) if n > 1 else b[:, None]
    rest = np.linalg.solve(np.eye(len(a)) - a, b)
    return out, seen, powers[n], fed, rest


class Filter:
    """A causal filter with its memory: ``push`` chunk after chunk.

    It begins as if the first sample had stood there for ever, so that a constant offset makes no ringing.
    """

    def __init__(self, sections: FloatArray) -> None:
        self._sections = np.ascontiguousarray(sections, np.float64).tobytes()
        self._state: FloatArray | None = None

    def push(self, x: FloatArray) -> FloatArray:
        """``x (n, channels)`` filtered: ``(n, channels)``; values must be finite."""
        x = np.asarray(x, np.float64)
        if not len(x):
            return x
        n, width = x.shape
        out, seen, onward, fed, rest = _matrices(self._sections, _BLOCK)
        state = rest[:, None] * x[0] if self._state is None else self._state
        blocks = n // _BLOCK
        y = np.empty_like(x)
        if blocks:
            whole = x[: blocks * _BLOCK].reshape(blocks, _BLOCK, width)
            y_blocks = y[: blocks * _BLOCK].reshape(blocks, _BLOCK, width)
            for i in range(blocks):
                np.matmul(out, whole[i], out=y_blocks[i])
                y_blocks[i] += seen @ state
                state = onward @ state + fed @ whole[i]
        if left := n - blocks * _BLOCK:
            out, seen, onward, fed, _ = _matrices(self._sections, left)
            tail = x[-left:]
            y[-left:] = out @ tail + seen @ state
            state = onward @ state + fed @ tail
        self._state = state
        return y


class Bank:
    """Several causal filters over one stream at once: a block of all of them is one product of matrices.

    Begins as `Filter` does. float32 stays float32 (the samples count from the first one, so that an offset costs no
    digits; exact for filters that let no constant pass).
    """

    def __init__(self, filters: Sequence[FloatArray]) -> None:
        self._filters = [np.ascontiguousarray(f, np.float64).tobytes() for f in filters]
        self._state: npt.NDArray[np.floating] | None = None
        self._zero: npt.NDArray[np.floating] | None = None
        self._whole: dict[tuple[int, str], npt.NDArray[np.floating]] = {}

    def _matrix(self, n: int, dtype: np.dtype[np.floating]) -> npt.NDArray[np.floating]:
        """``(filters * n + states, n + states)``: outputs and next states from samples and states."""
        key = (n, dtype.str)
        if key not in self._whole:
            parts = [_matrices(f, n) for f in self._filters]
            states = sum(len(p[4]) for p in parts)
            made = np.zeros((len(parts) * n + states, n + states))
            at = 0
            for k, (out, seen, onward, fed, _) in enumerate(parts):
                own, down = slice(n + at, n + at + len(onward)), slice(len(parts) * n + at, None)
                made[k * n : (k + 1) * n, :n], made[k * n : (k + 1) * n, own] = out, seen
                made[down, :n][: len(onward)], made[down, own][: len(onward)] = fed, onward
                at += len(onward)
            self._whole[key] = made.astype(dtype)
        return self._whole[key]

    def push(self, x: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        """``x (n, channels)``, a short block: outputs ``(filters, n, channels)``."""
        n, many = len(x), len(self._filters)
        matrix = self._matrix(n, x.dtype)
        if self._zero is None or self._state is None:
            self._zero = x[0].copy()
            self._state = np.zeros((matrix.shape[1] - n, x.shape[1]), x.dtype)
        told = matrix @ np.concatenate([x - self._zero, self._state])
        self._state = told[many * n :]
        return np.asarray(told[: many * n].reshape(many, n, -1))


def zero_phase(x: FloatArray, sections: FloatArray, pad: int | None = None) -> FloatArray:
    """``x (n, channels)`` through the filter forwards and backwards: no delay, twice the order, and the future counts.

    Both ends are continued by ``pad`` samples mirrored in the first and last value (Gustafsson 1996); ``None``: three
    times the sections' length.
    """
    x = np.asarray(x, np.float64)
    pad = min(3 * (2 * len(sections) + 1) if pad is None else pad, len(x) - 1)
    if pad > 0:
        x = np.concatenate([2 * x[0] - x[pad:0:-1], x, 2 * x[-1] - x[-2 : -pad - 2 : -1]])
    y = Filter(sections).push(x)
    y = Filter(sections).push(y[::-1])[::-1]
    return np.asarray(y[pad : len(y) - pad])
