"""What leaks are worth in EEG, on signals in which there is no emotion at all: ``python benchmarks/eeg_leaks.py``.

Two figures. First, noise: how often a window's nearest neighbour is of its own trial, before and after the smoothing
that published features of EEG went through. Then made-up people, each with channels and trials of their own and labels
that nothing in the signal tells: what a protocol that shuffles windows finds in them, and what one finds that tests on
people who were not learnt from.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from moodal.dsp.smoothing import smoothed
from moodal.lab import bench
from moodal.lab.bench.learners import learner
from moodal.lab.data import Cache, Dataset, Feature, Index
from moodal.lab.data.features import make
from moodal.lab.data.labels import Labels
from moodal.lab.data.planted import Person, signal
from moodal.lab.recipes import FeaturePart

CHANNELS = ("Fp1", "Fp2", "F3", "F4", "C3", "C4", "O1", "O2")


def trial_named(smooth: str, *, trials: int = 40, windows: int = 42, width: int = 20, offset: float = 0.3,
                seed: int = 0) -> float:  # fmt: skip
    """Share of shuffled windows, a fifth held out, whose nearest neighbour is of their trial: on noise of deviation 1
    with an offset of each trial of deviation ``offset``. Smoothing is within the trial, as published."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(trials, windows, width)) + offset * rng.normal(size=(trials, 1, width))
    if smooth != "none":
        x = np.stack([smoothed(series, smooth) for series in x])
    rows, of = x.reshape(-1, width), np.repeat(np.arange(trials), windows)
    order = rng.permutation(len(rows))
    test, train = order[: len(rows) // 5], order[len(rows) // 5 :]
    far = ((rows[test][:, None] - rows[train][None]) ** 2).sum(axis=2)
    return float((of[train][far.argmin(axis=1)] == of[test]).mean())


def strangers(people: int = 8, trials: int = 8, windows: int = 12, window_s: int = 4, *, effect: float = 0.0,
              fingerprint: float = 2.0, seed: int = 0) -> Dataset:  # fmt: skip
    """EEG of people and trials that differ, in windows; the label of a trial shows by ``effect``."""
    rng = np.random.default_rng(seed)
    rows: dict[str, list[str]] = {k: [] for k in ("clip", "subject", "trial", "recording", "told")}
    begins: list[float] = []
    examples: list[npt.NDArray[np.float64]] = []
    for p in range(people):
        told = rng.permutation(np.arange(trials) % 2)
        for t in range(trials):
            state = 2.0 * told[t] - 1
            whole = signal("eeg", CHANNELS, windows * window_s, 128.0, Person.of(seed, p), state, rng,
                           effect=effect, fingerprint=fingerprint, trial=t)  # fmt: skip
            for w, part in enumerate(np.split(whole, windows)):
                trial = f"s{p + 1:02d}-t{t + 1:02d}"
                told_of = (f"{trial}-w{w + 1:02d}", trial[:3], trial, trial, ("low", "high")[told[t]])
                for key, value in zip(rows, told_of, strict=True):
                    rows[key].append(value)
                begins.append(float(w * window_s))
                examples.append(part)
    labels = Labels.of_classes(rows.pop("told"), ("low", "high"))
    times = {"start_s": begins, "end_s": [b + window_s for b in begins]}
    index = Index.build("strangers", {**rows, **times}, {"arousal": labels}, terms="made up: no terms")
    eeg = Feature.build("eeg", examples, rate_hz=128.0, fields=CHANNELS, source=f"planted {seed} {effect}")
    data = Dataset(index, {"eeg": eeg})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the last one leaks is what is to be shown
        kinds = {"entropy": "none", "past": "lds-causal", "smoothed": "lds-offline"}
        made = {m: make(data, m, FeaturePart("eeg-de", {"smooth": s, "over": "trial"})) for m, s in kinds.items()}
    return Dataset(index, {"eeg": eeg, **made})


def protocols(data: Dataset, cache: Path, *, epochs: int = 0) -> dict[str, dict[str, tuple[float, float, float]]]:
    """Row and protocol → unweighted average recall with its interval over people; with a network, for ``epochs``."""
    rows = [
        bench.Entry(f"SVM, {name}", learner("svm", {"C": 10.0}, name=name, choose="uar"), (m,))
        for name, m in (("entropy", "entropy"), ("smoothed by the past", "past"), ("smoothed offline", "smoothed"))
    ]
    if epochs:
        told = {"net": "shallowconvnet", "train": {"epochs": epochs, "batch": 64, "lr": 3e-3}}
        rows.append(bench.Entry("ShallowConvNet", learner("eeg-net", told, name="net", choose="uar"), ("eeg",)))
    found: dict[str, dict[str, tuple[float, float, float]]] = {row.name: {} for row in rows}
    for name, told in (("segment-shuffle", {"k": 4, "allow_leak": True}), ("leave-one-subject-out", {})):
        report = bench.run(data, bench.protocol(name, **told), rows, metric="uar", cache=Cache(cache))
        for row in rows:
            found[row.name][name] = report[row.name].score, report[row.name].low, report[row.name].high
    return found


def main() -> None:
    """Print both tables; ``--net`` adds a network on raw EEG (minutes)."""
    print("nearest neighbour names the trial, of noise (chance 0.025)")
    for smooth in ("none", "lds-causal", "lds-offline"):
        print(f"  {smooth:<12} {trial_named(smooth):.3f}")
    with TemporaryDirectory() as folder:
        for effect in (0.0, 0.5):
            data = strangers(effect=effect)
            print(f"UAR of two classes (95 % over 8 people), {len(data)} windows of 4 s, effect {effect:g}")
            for row, told in protocols(data, Path(folder), epochs=10 * ("--net" in sys.argv)).items():
                cells = (f"{name} {s:.2f} [{a:.2f}, {b:.2f}]" for name, (s, a, b) in told.items())
                print(f"  {row:<26} {'   '.join(cells)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
