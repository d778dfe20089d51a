"""What is taken for ASCERTAIN's layout, and in which order its table of ratings stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.errors import InputError
from moodal.lab.data import matlab
from moodal.lab.data.spec import SetSpec, lacking

__all__ = ["BY", "FIELDS", "FILES", "MIDDLE", "RATINGS", "SCALES", "TRAITS", "optional", "ratings_of"]

#: Rows of ``Ratings``; the scales of the two that are labels.
RATINGS = ("arousal", "valence", "engagement", "liking", "familiarity")
SCALES = {"valence": (-3.0, 3.0), "arousal": (0.0, 6.0)}
#: The middle of each scale.
MIDDLE = {"valence": "gt0", "arousal": "gt3"}
TRAITS = ("extraversion", "agreeableness", "conscientiousness", "emotional_stability", "openness")
#: Modality → folder, start of a file's name, variable.
FILES = {"ecg": ("ECGData", "ECG_Clip", "Data_ECG"), "eda": ("GSRData", "GSR_Clip", "Data_GSR"),
          "eeg": ("EEGData", "EEG_Clip", "ThisEEG")}  # fmt: skip
FIELDS = {"ecg": ("right", "left"), "eda": ("eda",)}
BY = ("proved", "clip", "order")
#: How much more people must agree on clips under one reading of the table than under the other.
_CLEAR = 1.5


def optional(file: Path, name: str, ndim: int) -> npt.NDArray[Any] | None:
    """The variable of a file; None where there is no such file."""
    return matlab.numbers(matlab.need(matlab.load(file, name), name, where=file), name, file, ndim) \
        if file.is_file() else None  # fmt: skip


def ratings_of(
    spec: SetSpec, made: Path, path: Path, by: str, said: list[str]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[Any] | None]:
    """``(5, people, clips)`` by clip, and in which order each person met the clips, ``(people, clips)``.

    Raises
    ------
    InputError : the table is not there or has another form, or both readings of it are as good.
    """
    file = made / "Dt_SelfReports.mat"
    if not file.is_file():
        raise lacking(spec, "ASCERTAIN_Features/Dt_SelfReports.mat", path)
    told = matlab.numbers(matlab.need(matlab.load(file, "Ratings"), "Ratings", where=file), "Ratings", file, 3)
    if told.shape[0] != len(RATINGS):
        raise InputError(f"its Ratings have the shape {told.shape}, not (5, 58, 36)", where=str(file),
                         fix="Get the file again.")  # fmt: skip
    told = told.astype(np.float64)
    shown = optional(made / "Dt_Order_Movie.mat", "PermutationList", 2)
    if shown is None:
        if by == "order":
            raise lacking(spec, "ASCERTAIN_Features/Dt_Order_Movie.mat", path)
        said.append("has no Dt_Order_Movie.mat: ratings are taken to stand by clip, the order of clips is not known")
        return told, None
    if shown.shape != told.shape[1:] or not (np.sort(shown, axis=1) == np.arange(1, shown.shape[1] + 1)).all():
        raise InputError("its PermutationList orders no clips", where=str(made / "Dt_Order_Movie.mat"),
                         fix="Get the file again.")  # fmt: skip
    at = np.argsort(shown, axis=1)  # place of each clip in a person's evening
    by_order = np.take_along_axis(told, np.broadcast_to(at, told.shape), axis=2)
    if by == "proved":
        clip, order = _agreement(told[1]), _agreement(by_order[1])
        if max(clip, order) < _CLEAR * min(clip, order):
            raise InputError(
                f"people agree as much on clips if ratings stand by clip ({clip:.2f}) as by order ({order:.2f})",
                where=str(file), fix='Say which it is: ratings_by = "clip" or "order".',
            )  # fmt: skip
        by = "clip" if clip > order else "order"
        said.append(
            f"ratings stand by {by}: people agree on valence {max(clip, order):.2f}, else {min(clip, order):.2f}"
        )
    return (told if by == "clip" else by_order), shown


def _agreement(valence: npt.NDArray[np.float64]) -> float:
    """How much of the variance of ratings ``(people, clips)`` lies between clips, against what chance would give."""
    with np.errstate(invalid="ignore"):
        between = np.nanvar(np.nanmean(valence, axis=0))
        return float(between * len(valence) / max(np.nanmean(np.nanvar(valence, axis=1)), 1e-12))
