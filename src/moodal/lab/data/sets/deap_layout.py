"""How DEAP's files are laid out: names and rows of channels, and its table of ratings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from moodal.core.errors import InputError

__all__ = ["EEG", "FIELDS", "FOLDERS", "RATINGS", "ROWS", "TWENTE", "Rated", "site", "skin_unit"]

#: Order of the preprocessed files, which is that of the recordings made in Geneva; and of those made in Twente.
EEG = ("Fp1", "AF3", "F3", "F7", "FC5", "FC1", "C3", "T7", "CP5", "CP1", "P3", "P7", "PO3", "O1", "Oz", "Pz", "Fp2",
       "AF4", "Fz", "F4", "F8", "FC6", "FC2", "Cz", "C4", "T8", "CP6", "CP2", "P4", "P8", "PO4", "O2")  # fmt: skip
TWENTE = ("Fp1", "AF3", "F7", "F3", "FC1", "FC5", "T7", "C3", "CP1", "CP5", "P7", "P3", "Pz", "PO3", "O1", "Oz", "O2",
          "PO4", "P4", "P8", "CP6", "CP2", "C4", "T8", "FC6", "FC2", "F4", "F8", "AF4", "Fp2", "Fz", "Cz")  # fmt: skip
FIELDS: dict[str, tuple[str, ...]] = {
    "eeg": EEG, "eog": ("hEOG", "vEOG"), "emg": ("zEMG", "tEMG"), "eda": ("eda",), "resp": ("resp",), "ppg": ("ppg",),
    "temp": ("temp",),
}  # fmt: skip
#: Rows of the preprocessed ``data``.
ROWS = {"eeg": range(32), "eog": range(32, 34), "emg": range(34, 36), "eda": range(36, 37), "resp": range(37, 38),
        "ppg": range(38, 39), "temp": range(39, 40)}  # fmt: skip
RATE_HZ, RAW_HZ = 128.0, 512.0
REST_S, CLIP_S = 3.0, 60.0
RATINGS = ("valence", "arousal", "dominance", "liking")
RATINGS_FILE = "participant_ratings.csv"
COLUMNS = ("Participant_id", "Trial", "Experiment_id", "Start_time", "Valence", "Arousal", "Dominance", "Liking")
#: Version → folder, form of a file's name, its pattern; in the order in which they are looked for.
FOLDERS = {
    "python": ("data_preprocessed_python", "s{:02d}.dat", r"s(\d+)\.dat"),
    "matlab": ("data_preprocessed_matlab", "s{:02d}.mat", r"s(\d+)\.mat"),
    "raw": ("data_original", "s{:02d}.bdf", r"s(\d+)\.bdf"),
}
#: How far a rating of the table may be from that of the signals' file.
_ROUNDING = 0.011


def site(person: int) -> str:
    """Where a person was recorded: the two laboratories name, order and scale channels in their own ways."""
    return "Twente" if person <= 22 else "Geneva"


def skin_unit(person: int) -> str:
    """In which unit the documentation says that a person's skin conductance is."""
    return "nS" if site(person) == "Twente" else "ohm"


@dataclass(frozen=True, slots=True)
class Rated:
    """A row of the table: place in the evening, ratings, start of the video (in ticks of the presenting program),
    familiarity (0: not told)."""

    order: int
    ratings: Mapping[str, float]
    start: float
    familiarity: float
    where: str

    def agrees(self, ratings: Mapping[str, float], what: str, file: Path) -> None:
        """Raise `InputError` where the table tells otherwise: then trials and labels do not belong together."""
        for name, value in ratings.items():
            if abs(self.ratings[name] - value) > _ROUNDING:
                raise InputError(
                    f"{what} is rated {name} {value:g} in {file.name} and {self.ratings[name]:g} in the table",
                    where=self.where, fix="Get both files again: trials and labels do not belong together.",
                )  # fmt: skip
