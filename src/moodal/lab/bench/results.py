"""What one fold, learner and seed gave: kept on disk as soon as it is there, so that a killed run loses nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import moodal
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.learner import Prediction

__all__ = ["Result", "code", "data_key", "versions"]

#: Sources under ``moodal/lab`` that a result hangs on; how it is drawn and written is not among them.
_CODE = (
    "nn/**/*.py", "models/**/*.py", "train/**/*.py", "data/*.py", "bench/designs.py", "bench/estimators.py",
    "bench/learners.py", "bench/network.py", "bench/trivial.py", "bench/run.py", "bench/results.py", "bench/metrics.py",
    "bench/sums.py", "bench/calibration.py", "bench/fitting.py",
)  # fmt: skip
_PACKAGES = ("numpy", "scipy", "scikit-learn", "torch")


@dataclass(frozen=True)
class Result:
    """One fit: what it said of the test part, of the validation part, and of the test part with modalities hidden.

    ``card`` holds a prediction for each pattern of missing modalities that was asked for, by its name.
    """

    test: Prediction
    validation: Prediction
    told: dict[str, Any]
    seconds: float
    card: dict[str, Prediction] = field(default_factory=dict)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Plain arrays, as they are stored."""
        out: dict[str, npt.NDArray[Any]] = {}
        names = list(self.card)
        for key, prediction in (("test", self.test), ("validation", self.validation), *zip(
            (f"card{i}" for i in range(len(names))), self.card.values(), strict=True
        )):  # fmt: skip
            out[f"{key}.scores"], out[f"{key}.withheld"] = prediction.scores, prediction.withheld
            if "decided" in prediction.extra:
                out[f"{key}.decided"] = prediction.extra["decided"]
        told = {"told": self.told, "seconds": self.seconds, "card": names}
        out["told"] = np.frombuffer(json.dumps(told, default=_plain).encode(), np.uint8)
        return out

    @classmethod
    def of(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Result:
        """What `arrays` packed."""
        told = json.loads(arrays["told"].tobytes())

        def one(key: str) -> Prediction:
            extra = {"decided": arrays[f"{key}.decided"]} if f"{key}.decided" in arrays else {}
            return Prediction(arrays[f"{key}.scores"], arrays[f"{key}.withheld"], extra)

        card = {name: one(f"card{i}") for i, name in enumerate(told["card"])}
        return cls(one("test"), one("validation"), told["told"], told["seconds"], card)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    return str(value)


def data_key(data: Dataset, label: str) -> str:
    """A hash of the examples, their features and the label, to the last bit."""
    labels = data.index.label(label)
    digest = hashlib.sha256(data.fingerprint().encode())
    digest.update(f"{label}|{labels.kind}|{labels.names}|{labels.values.dtype}".encode())
    digest.update(np.ascontiguousarray(labels.values).data)
    return digest.hexdigest()


@cache
def code() -> str:
    """A hash of the sources and package versions that numbers hang on."""
    lab = Path(__file__).parent.parent
    digest = hashlib.sha256(json.dumps(versions(), sort_keys=True).encode())
    for pattern in _CODE:
        for file in sorted(lab.glob(pattern)):
            digest.update(file.relative_to(lab).as_posix().encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


@cache
def versions() -> dict[str, str]:
    """Versions of moodal and of the packages that numbers hang on; nothing is imported."""
    found = {"moodal": moodal.__version__}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
