"""What an expert costs: one bundle, one thread; the last line is JSON.

    python benchmarks/measure_experts.py face|voice|words|stress|workload

Reading and telling of what `analyze` would give it, after a warm-up: milliseconds an example (median, 95th percentile)
and, where the example lasts, seconds of signal a second of work.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from moodal.core import registry
from moodal.core.runner import Example, open_runner

ROUNDS = 60


def data() -> Path:
    return Path(os.environ["MOODAL_DATA"])


def clips(work: Path) -> Iterator[tuple[Example, float]]:
    """Twenty clips of acted speech, as files, with their length in s."""
    import tarfile

    import soundfile

    with tarfile.open(data() / "speech_ravdess" / "clips.tar") as tar:
        names = [m for m in tar if m.name.endswith(".opus")][::60]
        for member in names:
            file = tar.extractfile(member)
            assert file is not None
            path = work / Path(member.name).name
            path.write_bytes(file.read())
            yield Example(path), soundfile.info(path).duration


def texts(_: Path) -> Iterator[tuple[Example, float]]:
    with gzip.open(next((data() / "text_goemotions").glob("*dev*.csv.gz")), "rt", encoding="utf-8") as file:
        for i, row in enumerate(csv.DictReader(file)):
            if i % 90 == 0:
                yield Example(text=row["text"]), 0.0


def pictures(_: Path) -> Iterator[tuple[Example, float]]:
    for path in sorted((data() / "face_clips").glob("*.[jp][pn]g")):
        yield Example(path), 0.0


def wristband(_: Path) -> Iterator[tuple[Example, float]]:
    import moodal

    for path in sorted((data() / "fixtures_signals").glob("*wearables.zip")):
        yield Example(path), moodal.read(path).duration_s


def heads(work: Path) -> Iterator[tuple[Example, float]]:
    """Made-up recordings in EEGMAT's layout: real ones are a table here."""
    import moodal
    from moodal.lab.data.sets import eegmat

    eegmat.generate(work)
    for path in sorted(work.rglob("*.edf"))[:4]:
        yield Example(path), moodal.read(path).duration_s


SOURCES = {
    "voice": clips,
    "words": texts,
    "face": pictures,
    "stress": wristband,
    "workload": heads,
}


def main(name: str) -> None:
    runner = open_runner(registry.find_bundle(name))
    with tempfile.TemporaryDirectory() as work:
        examples = list(SOURCES[name](Path(work)))
        if not examples:
            raise SystemExit(f"no examples for {name} under {data()}")
        took, signal = [], 0.0
        for i in range(max(ROUNDS, len(examples))):
            example, length = examples[i % len(examples)]
            begun = time.perf_counter()
            evidence = runner.read(example)
            if not isinstance(evidence, str):
                runner.tell(evidence)
            if i >= min(5, len(examples)):
                took.append(time.perf_counter() - begun)
                signal += length
        told = {"ms_median": float(np.median(took)) * 1e3, "ms_p95": float(np.quantile(took, 0.95)) * 1e3}
        if signal:
            told["real_time"] = signal / sum(took)
        print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1])
