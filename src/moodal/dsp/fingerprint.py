"""Fingerprints of sound: which clips hold the same sound, however loud, coded or cut.

After the idea of Haitsma and Kalker, "A Highly Robust Audio Fingerprinting System" (ISMIR 2002): of each frame
the signs of how the differences between neighbouring bands change in time, one bit a pair of bands. Bands, frames
and the search are our own choice for clips of speech of a few seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .sound import RATE_HZ, frames, mel_bank

__all__ = ["BITS", "Match", "Print", "fingerprint", "near_duplicates"]

#: Bits of a frame; from one band more.
BITS = 32
#: Frames overlap by 15/16, so that clips cut elsewhere still line up to 8 ms.
_SIZE, _HOP = 4096, 256
#: Frames this far (dB) below the loudest are silence, whose bits are noise.
_SILENCE_DB = 35.0
#: Two frames of unrelated sound differ in half of their bits; see ``tests/test_fingerprint.py`` for what lies between.
MOST_WRONG = 0.2
#: Frames (16 ms each) that must be compared, and the share of the shorter clip's, so that one shared word is no match.
_FEWEST, _SHARE = 32, 0.5
#: Half words that meet at one offset before two clips are compared bit by bit.
_VOTES = 4
#: Half words that many frames have (held vowels, hum) tell nothing apart.
_COMMON = 400


@dataclass(frozen=True, slots=True)
class Print:
    """``words (n,)`` uint32, one a frame of 16 ms; ``heard (n,)`` bool, False in silence."""

    words: npt.NDArray[np.uint32]
    heard: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Match:
    """Clip ``a`` of one side and ``b`` of the other hold the same sound; ``wrong`` is the share of bits that differ."""

    a: int
    b: int
    wrong: float


def fingerprint(samples: npt.NDArray[np.float32]) -> Print:
    """The fingerprint of mono sound at 16 kHz ``(t,)``; without frames where it is shorter than half a second."""
    block = frames(np.asarray(samples, np.float32), _SIZE, _HOP)
    if len(block) < 2:
        return Print(np.zeros(0, np.uint32), np.zeros(0, bool))
    bank, _ = mel_bank(BITS + 1, 150.0, 4500.0, _SIZE // 2 + 1)
    window = np.hanning(_SIZE).astype(np.float32)
    energy = np.empty((len(block), BITS + 1))
    for first in range(0, len(block), 512):
        spectrum = np.fft.rfft(block[first : first + 512] * window, axis=1)
        energy[first : first + 512] = np.square(np.abs(spectrum)) @ bank
    log = np.log(energy + 1e-10)
    between = np.diff(log, axis=1)
    bits = np.diff(between, axis=0) > 0
    words = (bits * (np.uint64(1) << np.arange(BITS, dtype=np.uint64))).sum(axis=1).astype(np.uint32)
    level = 10 * np.log10(energy.sum(axis=1) + 1e-10)[1:]
    return Print(words, (level > level.max() - _SILENCE_DB) & (level > -60.0))


def near_duplicates(left: Sequence[Print], right: Sequence[Print], most_wrong: float = MOST_WRONG) -> Iterator[Match]:
    """Pairs, one clip of each side, that hold the same sound: at most one for each clip of ``left``, its best.

    Half words that both have are looked up and vote for a pair of clips and an offset; what has enough is compared
    bit by bit. Work grows with the number of frames, not with the number of pairs.
    """
    owner = np.repeat(np.arange(len(right)), [len(p.words) for p in right])
    place = np.concatenate([np.arange(len(p.words)) for p in right] or [np.zeros(0, int)])
    heard = np.concatenate([p.heard for p in right] or [np.zeros(0, bool)])
    words = np.concatenate([p.words for p in right] or [np.zeros(0, np.uint32)])
    owner, place, words = owner[heard], place[heard], words[heard]
    tables = []
    for half in (words & 0xFFFF, words >> 16):
        order = np.argsort(half, kind="stable")
        tables.append((half[order], owner[order], place[order]))
    for a, mine in enumerate(left):
        best: Match | None = None
        for b, offset in _candidates(mine, tables):
            wrong = _wrong(mine, right[b], offset)
            if wrong is not None and wrong <= most_wrong and (best is None or wrong < best.wrong):
                best = Match(a, b, wrong)
        if best is not None:
            yield best


def _candidates(mine: Print, tables: Sequence[tuple[npt.NDArray[np.int64], ...]]) -> Iterator[tuple[int, int]]:
    at = np.flatnonzero(mine.heard)
    pairs = []
    for half, (keys, owner, place) in zip((mine.words & 0xFFFF, mine.words >> 16), tables, strict=True):
        low = np.searchsorted(keys, half[at], "left")
        count = np.searchsorted(keys, half[at], "right") - low
        kept = (count > 0) & (count <= _COMMON)
        low, count, mine_at = low[kept], count[kept], at[kept]
        hits = np.repeat(low - np.concatenate([[0], np.cumsum(count)[:-1]]), count) + np.arange(count.sum())
        pairs.append(np.stack([owner[hits], place[hits] - np.repeat(mine_at, count)], axis=1))
    found = np.concatenate(pairs)
    if not len(found):
        return
    # Cut between two frames, the votes of one match fall on two offsets.
    unique, votes = np.unique(found, axis=0, return_counts=True)
    enough = np.flatnonzero(votes >= _VOTES)
    for i in enough[np.argsort(-votes[enough], kind="stable")][:20]:
        yield int(unique[i, 0]), int(unique[i, 1])


def _wrong(mine: Print, other: Print, offset: int) -> float | None:
    """Share of unequal bits where both are heard, frame i of mine against i + offset; None if too little is."""
    start, end = max(0, -offset), min(len(mine.words), len(other.words) - offset)
    if end - start < _FEWEST:
        return None
    a, b = slice(start, end), slice(start + offset, end + offset)
    both = mine.heard[a] & other.heard[b]
    shorter = min(np.count_nonzero(mine.heard), np.count_nonzero(other.heard))
    if np.count_nonzero(both) < max(_FEWEST, _SHARE * shorter):
        return None
    unequal = np.bitwise_count(mine.words[a][both] ^ other.words[b][both])
    return float(unequal.mean() / BITS)


def seconds_of(told: Print) -> float:
    """How much of the clip is heard, s."""
    return float(np.count_nonzero(told.heard) * _HOP / RATE_HZ)
