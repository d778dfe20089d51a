"""Body measurements timed, ours or NeuroKit2's: the last line is JSON, seconds of processor time.

python measure_body.py ours|peer ecg|ppg|eda|ecg-hrv|ppg-hrv MINUTES
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

RATES = {"ecg": 250, "ppg": 64, "eda": 4}
#: What is asked of us for what NeuroKit2's *_process gives (cleaned signal, quality, beats and rate; SCRs).
OURS = {
    "ecg": (("ecg", ""), ("heart", "body.beats")),
    "ppg": (("ppg", ""), ("heart", "body.beats")),
    "eda": (("skin", ""),),
    "ecg-hrv": (("heart", ""),),
    "ppg-hrv": (("heart", ""),),
}


def signal(kind: str) -> np.ndarray:
    """Ten minutes, always the same; made once and kept, because making them takes longer than measuring."""
    kept = Path(tempfile.gettempdir()) / f"moodal-bench-{kind}.npy"
    if not kept.exists():
        np.save(kept, made(kind))
    return np.load(kept)


def made(kind: str) -> np.ndarray:
    """NeuroKit2's simulations."""
    import neurokit2 as nk

    if kind == "ecg":
        return 1000 * nk.ecg_simulate(duration=600, sampling_rate=RATES[kind], random_state=1)
    if kind == "ppg":
        return np.asarray(nk.ppg_simulate(duration=600, sampling_rate=RATES[kind], random_state=1))
    return np.asarray(nk.eda_simulate(duration=600, sampling_rate=RATES[kind], scr_number=40, random_state=1))


def ours(part: str, x: np.ndarray, minutes: int) -> None:
    """The extractors over ``minutes``, fed ten at a time."""
    from moodal.core import registry
    from moodal.core.clock import Span
    from moodal.core.extractor import MeasureContext
    from moodal.core.stream import SignalChunk

    kind = part.split("-")[0]
    rate = RATES[kind]
    for name, want in OURS[part]:
        context = MeasureContext(
            Span(0.0, minutes * 60.0), want=frozenset([want] if want else []), options={"reads": kind}
        )
        extractor = registry.load("extractors", name).SPEC.make(context)
        for block in range(minutes // 10):
            times = block * 600 + np.arange(len(x)) / rate
            extractor.push(SignalChunk(kind, times, x[:, None], float(rate)))
        extractor.close()


def peer(part: str, x: np.ndarray, minutes: int) -> None:
    """NeuroKit2's way to the same."""
    import neurokit2 as nk

    kind = part.split("-")[0]
    x = np.tile(x, minutes // 10)
    _, info = {"ecg": nk.ecg_process, "ppg": nk.ppg_process, "eda": nk.eda_process}[kind](x, RATES[kind])
    if part.endswith("-hrv"):
        peaks = info["ECG_R_Peaks" if kind == "ecg" else "PPG_Peaks"]
        for measure in (nk.hrv_time, nk.hrv_frequency, nk.hrv_nonlinear):
            measure(peaks, RATES[kind])


def timed(run: Callable[[], None]) -> float:
    """Processor time of one run after one to warm up."""
    began = time.process_time()
    run()
    return time.process_time() - began


def main() -> None:
    who, part, minutes = sys.argv[1], sys.argv[2], int(sys.argv[3])
    warnings.simplefilter("ignore")
    x = signal(part.split("-")[0])
    run = {"ours": ours, "peer": peer}[who]
    run(part, x, 10)
    print(json.dumps({"seconds": timed(lambda: run(part, x, minutes))}))


if __name__ == "__main__":
    main()
