"""What physiology costs; the last line is JSON.

    python benchmarks/measure_physio.py entropy spectral|filter    in moodal's environment
    python benchmarks/measure_physio.py torcheeg 2                 in an environment of its own (make peers)
    python benchmarks/measure_physio.py live                       in moodal's environment
    python benchmarks/measure_physio.py physioomni                 in moodal's environment

Differential entropy of made-up EEG like one person of DEAP: 40 trials of 60 s, 32 channels, 128 Hz, a window a second,
torcheeg's four bands. Processor time of one thread, for 40 trials; torcheeg tells every window by itself, so that some
trials are enough to know the time of all.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np

TRIALS, CHANNELS, SECONDS, RATE = 40, 32, 60, 128
BANDS = {"theta": [4, 8], "alpha": [8, 14], "beta": [14, 31], "gamma": [31, 49]}


def signals(trials: int) -> np.ndarray:
    """``(trials, samples, channels)`` µV."""
    rng = np.random.default_rng(0)
    return 15 * rng.standard_normal((trials, SECONDS * RATE, CHANNELS), dtype=np.float32)


def entropy(method: str) -> dict[str, float]:
    from moodal.lab.data import Cache, Dataset, Feature, Index
    from moodal.lab.data.features.eeg_de import make

    names = [str(i) for i in range(TRIALS)]
    index = Index.build("made-up", {"clip": names, "subject": names}, {})
    data = Dataset(index, {"eeg": Feature.build("eeg", list(signals(TRIALS)), rate_hz=float(RATE))})
    make(data, "eeg", Cache(), bands=BANDS, method=method)
    begun = time.process_time()
    told = make(data, "eeg", Cache(), bands=BANDS, method=method)
    seconds = time.process_time() - begun
    assert told.values.shape == (TRIALS * SECONDS, len(BANDS) * CHANNELS)
    return {"seconds": seconds}


def torcheeg(trials: int) -> dict[str, float]:
    from torcheeg import transforms

    transform = transforms.BandDifferentialEntropy(sampling_rate=RATE, band_dict=BANDS)
    eeg = np.ascontiguousarray(signals(trials).transpose(0, 2, 1))
    transform(eeg=eeg[0, :, :RATE])
    begun = time.process_time()
    for trial in eeg:
        for k in range(SECONDS):
            told = transform(eeg=trial[:, k * RATE : (k + 1) * RATE])["eeg"]
    seconds = time.process_time() - begun
    assert told.shape == (CHANNELS, len(BANDS))
    return {"seconds": seconds * TRIALS / trials}


def live() -> dict[str, float]:
    """How long the extractor of the brain takes for 4 s of EEG (32 channels, 250 Hz) that come at once, ms."""
    from moodal.core import registry
    from moodal.core.clock import Span
    from moodal.core.extractor import MeasureContext
    from moodal.core.stream import SignalChunk
    from moodal.dsp.eeg_places import PLACES

    rate, rng = 250.0, np.random.default_rng(0)
    names = [n for n in PLACES if "h" not in n and n[:2] in ("Fp", "F3", "F4", "C3", "C4", "P3", "P4", "O1", "O2", "Fz",
             "Cz", "Pz", "Oz", "T7", "T8", "P7", "P8", "F7", "F8", "FC", "CP")][:32]  # fmt: skip
    extractor = registry.load("extractors", "brain").SPEC.make(
        MeasureContext(Span(0, float("inf")), options={"channels": names})
    )
    wall, own = [], []
    for k in range(30):
        times = 4.0 * k + np.arange(1000) / rate
        chunk = SignalChunk("eeg", times, 15 * rng.standard_normal((1000, len(names))), rate)
        begun, used = time.perf_counter(), time.process_time()
        extractor.push(chunk)
        own.append(1000 * (time.process_time() - used))
        wall.append(1000 * (time.perf_counter() - begun))
    return {"ms_median": float(np.median(wall[5:])), "ms_p95": float(np.quantile(wall[5:], 0.95)),
            "cpu_ms_p95": float(np.quantile(own[5:], 0.95))}  # fmt: skip


def physioomni() -> dict[str, float]:
    """PhysioOmni of the size ``tiny`` on 19 channels of EEG, EOG, ECG and EMG, from samples at the devices' rates to
    scores: processor time of one thread for a window of 4 s that comes alone (ms) and for 10 minutes at once (how many
    times faster than they last)."""
    import torch

    from moodal.lab.data import Dataset, Feature, Index
    from moodal.lab.data.labels import Labels
    from moodal.lab.train.physioomni import PhysioLearner

    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    eeg = [
        "Fp1",
        "Fp2",
        "F3",
        "F4",
        "F7",
        "F8",
        "T3",
        "T4",
        "C3",
        "C4",
        "T5",
        "T6",
        "P3",
        "P4",
        "O1",
        "O2",
        "Fz",
        "Cz",
        "Pz",
    ]
    streams = {"eeg": (eeg, 125.0), "eog": (["HEO"], 200.0), "ecg": (["ECG"], 250.0), "emg": (["EMG"], 500.0)}

    def made(n: int) -> Dataset:
        index = Index.build(
            "made-up", {"clip": [str(i) for i in range(n)], "subject": [str(i % 2) for i in range(n)]},
            {"state": Labels.of_classes([("calm", "active")[i % 2] for i in range(n)], ("calm", "active"))},
        )  # fmt: skip
        features = {}
        for m, (names, rate) in streams.items():
            windows = [40 * rng.standard_normal((round(4 * rate), len(names))) for _ in range(n)]
            features[m] = Feature.build(m, windows, rate_hz=rate, fields=tuple(names))
        return Dataset(index, features)

    short = {"init": "scratch", "train": {"epochs": 1, "batch": 8}}
    fitted = PhysioLearner("made-up", short).fit(made(8), made(4), label="state", seed=0)
    one, many = [made(1).sealed() for _ in range(25)], made(150).sealed()
    alone = []
    for window in one:
        begun = time.process_time()
        fitted.predict(window)
        alone.append(1000 * (time.process_time() - begun))
    begun = time.process_time()
    fitted.predict(many)
    return {"ms_p95": float(np.quantile(alone[5:], 0.95)), "real_time": 600 / (time.process_time() - begun)}


if __name__ == "__main__":
    what = sys.argv[1]
    print(json.dumps(entropy(sys.argv[2]) if what == "entropy" else torcheeg(int(sys.argv[2])) if what == "torcheeg"
                     else physioomni() if what == "physioomni" else live()))  # fmt: skip
