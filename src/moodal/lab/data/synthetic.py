"""Synthetic people: every modality, planted emotions, and a fingerprint of each person, so that leaks pay off.

A learner that is tested on people it has trained on may know a person instead of an emotion. Each synthetic
person says the same emotion more often than others do (``habit``) and carries a constant pattern in every
modality (``fingerprint``): with ``effect=0`` the features hold nothing of the emotion, yet a shuffled split scores far
above chance, and leave-one-subject-out stays at it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from moodal.core.errors import UsageError

from .dataset import Dataset, Feature
from .index import Index
from .labels import Labels

__all__ = ["MODALITIES", "people"]

#: Channels and nominal rates of what synthetic people have.
MODALITIES: dict[str, tuple[int, float]] = {
    "face": (20, 25.0),
    "audio": (40, 50.0),
    "text": (48, 1.0),
    "ecg": (8, 4.0),
    "eda": (4, 4.0),
    "eeg": (16, 8.0),
}


def people(
    subjects: int = 12,
    clips: int = 24,
    *,
    modalities: Sequence[str] = ("face", "audio", "text"),
    classes: Sequence[str] = ("neutral", "happiness", "sadness", "anger"),
    effect: float | Mapping[str, float] = 1.0,
    fingerprint: float = 0.0,
    habit: float = 0.0,
    absent: float = 0.0,
    steps: tuple[int, int] = (8, 20),
    windows: int = 1,
    noise: float = 1.0,
    seed: int = 0,
) -> Dataset:
    """Synthetic people with planted emotions.

    Parameters
    ----------
    subjects, clips : how many people, and clips (trials) of each.
    effect : size of the emotion's pattern in every modality, or by modality (standard deviations of ``noise``).
    fingerprint : size of the person's own pattern.
    habit : share of a person's clips that carry the one emotion this person favours.
    absent : probability that a clip lacks a modality (one always stays).
    steps : shortest and longest clip, in steps.
    windows : windows that each clip is cut into; windows of one clip share its trial and overlap by half.
    """
    unknown = [m for m in modalities if m not in MODALITIES]
    if unknown or not modalities:
        raise UsageError(f"synthetic people have no {unknown or 'modality'}", fix=f"Known: {', '.join(MODALITIES)}.")
    rng = np.random.default_rng(seed)
    n = subjects * clips
    who = np.repeat(np.arange(subjects), clips)
    # Balanced over each person, then a share is overwritten with the person's favourite.
    emotion = np.concatenate([rng.permutation(np.arange(clips) % len(classes)) for _ in range(subjects)])
    favourite = np.arange(subjects) % len(classes)
    emotion = np.where(rng.random(n) < habit, favourite[who], emotion)
    lengths = rng.integers(steps[0], steps[1] + 1, n)
    gone = rng.random((n, len(modalities))) < absent
    gone[np.arange(n), rng.integers(0, len(modalities), n)] = False

    features: dict[str, Feature] = {}
    for k, m in enumerate(modalities):
        width, rate = MODALITIES[m]
        size = effect.get(m, 0.0) if isinstance(effect, Mapping) else effect
        patterns = rng.normal(size=(len(classes), width))
        persons = rng.normal(size=(subjects, width))
        examples = []
        for i in range(n):
            values = noise * rng.normal(size=(lengths[i], width))
            # The emotion shows in a burst, not all the time.
            at = rng.integers(0, max(1, lengths[i] // 2))
            values[at : at + max(2, lengths[i] // 2)] += size * patterns[emotion[i]]
            values += fingerprint * persons[who[i]]
            examples.append(None if gone[i, k] else values)
        features[m] = Feature.build(
            m, examples, rate_hz=rate, fields=tuple(f"{m}_{c}" for c in range(width)), source=f"synthetic-{seed}"
        )

    names = [f"s{w + 1:02d}" for w in who]
    trials = [f"s{w + 1:02d}-t{i % clips + 1:03d}" for i, w in enumerate(who)]
    index = Index.build(
        "synthetic",
        {
            "clip": trials,
            "recording": [f"{t}.mp4" for t in trials],
            "subject": names,
            "session": [f"{s}-{i % clips % 2 + 1}" for i, s in enumerate(names)],
            "trial": trials,
            "stimulus": [f"film{i % clips % 6 + 1}" for i in range(n)],
            "start_s": np.zeros(n),
            "end_s": lengths.astype(float),
            "sex": ["female" if w % 2 else "male" for w in who],
        },
        {"emotion": Labels.of_classes([classes[e] for e in emotion], classes, where="synthetic")},
        terms="made up: no terms",
    )
    whole = Dataset(index, features)
    return whole if windows == 1 else _windowed(whole, windows)


def _windowed(data: Dataset, windows: int) -> Dataset:
    """Each clip as ``windows`` stretches that overlap by half, in clip order."""
    rows = np.repeat(np.arange(len(data)), windows)
    place = np.tile(np.arange(windows), len(data))
    span = 2.0 / (windows + 1)  # a window's share of its clip
    lengths = (data.index["end_s"] - data.index["start_s"])[rows]
    starts = data.index["start_s"][rows] + place * span / 2 * lengths
    features = {}
    for m, f in data.features.items():
        examples = []
        for i, k in zip(rows, place, strict=True):
            steps = f[int(i)]
            a, b = int(k * span / 2 * len(steps)), int(np.ceil((k * span / 2 + span) * len(steps)))
            examples.append(steps[a:b] if len(steps) else None)
        features[m] = Feature.build(m, examples, rate_hz=f.rate_hz, fields=f.fields, source=f.source)
    index = data.index.take(rows)
    clips = [f"{c}-w{k + 1}" for c, k in zip(index["clip"], place, strict=True)]
    index = index.with_columns(clip=clips, start_s=starts, end_s=starts + span * lengths)
    return Dataset(index, features)
