"""Made-up people who watch clips and rate them: what the twins of such sets are written from.

Each clip stands in one quadrant of valence and arousal and has a slow course of its own that all who watch it share.
Arousal shows in the right half of the head, the heart, the skin and breathing; valence in the left half and in the
muscles of the face (in the heart instead, where there are neither), so that either can be learnt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from moodal.core.clock import FloatArray

from .planted import Person, latent, signal

__all__ = ["Clips"]


@dataclass(frozen=True)
class Clips:
    """The clips of one twin: ``seed``; ``effect`` and ``fingerprint`` as in `planted.signal`."""

    seed: int
    effect: float = 1.0
    fingerprint: float = 1.0

    def person(self, number: int) -> Person:
        """Person ``number``."""
        return Person.of(self.seed, number)

    def states(self, clip: int) -> tuple[float, float]:
        """Valence and arousal of a clip, -1 or 1; four clips in a row stand in all four quadrants."""
        return (-1.0 if clip % 4 in (1, 2) else 1.0), (-1.0 if clip % 4 in (2, 3) else 1.0)

    def ratings(self, number: int, clip: int, names: Sequence[str], scale: tuple[float, float],
                places: int = 2) -> list[float]:  # fmt: skip
        """What a person rates a clip on a scale: valence and arousal by its quadrant, the rest anyhow; nothing in the
        middle third, so that no rule is in doubt."""
        rng = np.random.default_rng([self.seed, number, clip, 5])
        low, high = scale
        out = []
        for name in names:
            place = dict(zip(("valence", "arousal"), self.states(clip), strict=True)).get(name)
            place = rng.choice([-1.0, 1.0]) if place is None else place
            value = (low + high) / 2 + place * (high - low) / 2 * rng.uniform(0.4, 0.95)
            step = 10.0**-places
            # A whole number nearer to the middle would fall into it.
            value = (np.ceil if place > 0 else np.floor)(value / step) * step
            out.append(round(float(np.clip(value, low, high)), places))
        return out

    def signals(self, number: int, clip: int, modalities: Mapping[str, tuple[tuple[str, ...], float]], seconds: float,
                *, rest_s: float = 0.0) -> dict[str, FloatArray]:  # fmt: skip
        """``(n, channels)`` a modality in moodal's units, ``rest_s`` of rest before ``seconds`` of the clip; the kind
        of a signal is its modality's name."""
        person = self.person(number)
        course = 0.4 * latent(f"clip {clip}", round(np.ceil(seconds)), self.seed)
        still = np.zeros(round(rest_s))
        valence, arousal = (np.concatenate([still, 0.8 * s + course]) for s in self.states(clip))
        made = {}
        valent = {"emg"} if {"eeg", "emg"} & set(modalities) else {"ecg"}
        for m, (channels, rate) in modalities.items():
            rng = np.random.default_rng([self.seed, number, clip, crc32(m.encode())])

            def one(names: tuple[str, ...], state: FloatArray, kind: str = m, rate: float = rate,
                    rng: np.random.Generator = rng) -> FloatArray:  # fmt: skip
                return signal(kind, names, rest_s + seconds, rate, person, state, rng, effect=self.effect,
                              fingerprint=self.fingerprint, trial=clip)  # fmt: skip

            left = tuple(c for c in channels if m == "eeg" and c[-1:].isdigit() and int(c[-1]) % 2)
            if not left:
                made[m] = one(channels, valence if m in valent else arousal)
                continue
            right = tuple(c for c in channels if c not in left)
            both = np.concatenate([one(left, valence), one(right, arousal)], axis=1) if right else one(left, valence)
            made[m] = both[:, np.argsort([channels.index(c) for c in (*left, *right)])]
        return made
