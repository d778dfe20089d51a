"""A planted task for two modalities: the class is one bit of the sound and one bit of the words."""

from __future__ import annotations

import numpy as np

from moodal.lab.data.dataset import Dataset, Feature
from moodal.lab.data.index import Index
from moodal.lab.data.labels import Labels

NAMES = ("neutral", "happiness", "sadness", "anger")


def two_bits(
    n: int,
    *,
    signal: float = 0.5,
    seed: int = 0,
    steps: tuple[int, int] = (30, 24),
    widths: tuple[int, int] = (40, 48),
    shuffled: bool = False,
    pattern_seed: int = 99,
) -> Dataset:
    """``n`` examples: class = 2 * audio bit + text bit, each shown by four noisy steps among many.

    ``signal`` is half the size of the pattern, in standard deviations of the noise; where it was planted stands in the
    columns ``audio_at`` and ``text_at``.
    """
    rng = np.random.default_rng(seed)
    # The patterns belong to the task, not to the draw: a test set drawn with another seed has the same.
    patterns = np.random.default_rng(pattern_seed).normal(size=(2, 2, max(widths)))
    bits = rng.integers(0, 2, (n, 2))
    features, places = {}, {}
    for k, m in enumerate(("audio", "text")):
        examples, at = [], []
        for i in range(n):
            long = int(rng.integers(steps[k] // 2, steps[k] + 1))
            x = rng.normal(size=(long, widths[k]))
            place = rng.choice(long, 4, replace=False)
            x[place] += 2 * signal * patterns[k, bits[i, k], : widths[k]]
            examples.append(x)
            at.append(" ".join(map(str, sorted(place))))
        features[m], places[f"{m}_at"] = Feature.build(m, examples, source="planted"), at
    truth = 2 * bits[:, 0] + bits[:, 1]
    if shuffled:
        truth = rng.permutation(truth)
    index = Index.build(
        "planted",
        {
            "clip": [f"c{seed}-{i}" for i in range(n)],
            "subject": [f"s{seed}-{i % 10}" for i in range(n)],
            **places,
        },
        {"emotion": Labels.of_classes([NAMES[c] for c in truth], NAMES)},
        terms="made up: no terms",
    )
    return Dataset(index, features)


def dialogues(count: int = 40, turns: int = 8, *, width: int = 6, seed: int = 0) -> Dataset:
    """Dialogues in which the class of a turn is told by the turn before: only context can learn it."""
    rng = np.random.default_rng(seed)
    patterns = np.random.default_rng(7).normal(size=(2, width)) * 3
    said = rng.integers(0, 2, (count, turns))
    truth = np.concatenate([np.zeros((count, 1), int), said[:, :-1]], axis=1)
    rows = [rng.normal(size=(1, width)) + patterns[b] for b in said.ravel()]
    names = ("neutral", "happiness")
    index = Index.build(
        "dialogues",
        {
            "clip": [f"d{seed}-{d}-u{t}" for d in range(count) for t in range(turns)],
            "dialogue": np.repeat([f"d{seed}-{d}" for d in range(count)], turns),
            "turn": np.tile(np.arange(turns, dtype=float), count),
            "subject": [f"s{(d + t) % 2}" for d in range(count) for t in range(turns)],
        },
        {"emotion": Labels.of_classes([names[c] for c in truth.ravel()], names)},
    )
    return Dataset(index, {"text": Feature.build("text", rows)})
