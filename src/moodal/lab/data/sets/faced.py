"""FACED: EEG of 123 people who watched 28 film clips in nine emotions, the last 30 s of each.

A person is the number in a file's name, an emotion the number of the clip. Pickles are read as plain arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.errors import InputError
from moodal.lab.data import pickles, sjtu
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.labels import Labels
from moodal.lab.data.planted import Person
from moodal.lab.data.spec import SetSpec, find, lacking, need
from moodal.lab.data.streams import Reading, Stream, asked_people, gathered
from moodal.lab.data.twin import write
from moodal.lab.data.watched import numbered
from moodal.lab.data.windows import WindowsTruth

__all__ = ["SPEC", "generate", "people", "read"]

SPEC = SetSpec(
    name="faced",
    title="FACED",
    modalities=("eeg",),
    labels=("emotion", "valence"),
    licence="on request (Synapse), for academic research; see its terms.",
    commercial="no",
    where="https://www.synapse.org/#!Synapse:syn50614194",
    layout="Processed_data/sub000.pkl … sub122.pkl, EEG_Features/DE/sub000.pkl.pkl",
    source="Chen et al. 2023, Scientific Data 10, 740",
)
_NAMES = "FP1 FP2 FZ F3 F4 F7 F8 FC1 FC2 FC5 FC6 CZ C3 C4 T7 T8 CP1 CP2 CP5 CP6 PZ P3 P4 P7 P8 PO3 PO4 OZ O1 O2 A2 A1"
CHANNELS = tuple(_NAMES.split())
#: The last two rows are the mastoids, which stand beside the EEG.
EEG = CHANNELS[:30]
EMOTIONS = ("anger", "disgust", "fear", "sadness", "neutral", "amusement", "inspiration", "joy", "tenderness")
VALENCE = ("negative", "neutral", "positive")
#: Emotion of clips 1 to 28: three each, four neutral ones in the middle.
ORDER = tuple(e for k in range(9) for e in [k] * (4 if k == 4 else 3))
RATE_HZ, LASTS_S = 250.0, 30.0
STREAMS = {"eeg": Stream("eeg", EEG, RATE_HZ)}
PARTS = ("signals", "de", "psd")
#: Last person of the training and of the validation part: the split that foundation models are compared on.
TRAIN_TO, VALIDATION_TO = 80, 100


def read(
    root: Path | str | None = None,
    *,
    part: str = "signals",
    rate_hz: float | None = None,
    window_s: float | None = 10.0,
    hop_s: float | None = None,
    subjects: Sequence[int] = (),
    accept: Sequence[str] = (),
) -> Dataset:
    """All people's clips in windows of ``window_s`` every ``hop_s`` s (end to end, if not said); None: whole clips.

    Modality ``eeg``: 30 channels in µV at 250 Hz, or at ``rate_hz``, if that is lower. ``part`` may name published
    features instead: ``de`` or ``psd``, 150 values a second, ``delta_FP1`` …. Labels: ``emotion`` (nine) and
    ``valence`` (negative 12 clips, neutral 4, positive 12). ``split`` is by person: numbers 0 to 79 train, 80 to 99
    validation, the rest test (as CBraMod and REVE report). ``subjects`` are numbers of files.

    Raises
    ------
    InputError : a part is not there, cannot be read, or cannot be what it should be.
    """
    each = people(root, part=part, rate_hz=rate_hz, window_s=window_s, hop_s=hop_s, subjects=subjects, accept=accept)
    return gathered(each)


def people(
    root: Path | str | None = None,
    *,
    part: str = "signals",
    rate_hz: float | None = None,
    window_s: float | None = 10.0,
    hop_s: float | None = None,
    subjects: Sequence[int] = (),
    accept: Sequence[str] = (),
) -> Iterator[Dataset]:
    """What `read` gives, one person after another, so that one person's signals are in memory at a time."""
    sjtu.part_of(part, PARTS, SPEC.name)
    path, _ = find(SPEC, root)
    folder = "Processed_data" if part == "signals" else f"EEG_Features/{part.upper()}"
    (home,) = need(SPEC, path, [folder])
    files = numbered(home.iterdir() if home.is_dir() else (), r"sub(\d+)\.pkl(?:\.pkl)?")
    if not files:
        raise lacking(SPEC, f"its recordings ({folder}/sub000.pkl)", path)
    streams: Mapping[str, Stream] = STREAMS
    if part != "signals":
        streams = {"eeg": Stream("features", tuple(f"{b}_{c}" for b in sjtu.BANDS for c in EEG), 1.0)}
    for person in asked_people(subjects, list(files), SPEC.name):
        ask = Reading(SPEC.name, streams, (), rate_hz, window_s, hop_s, accept)
        yield _person(files[person], person, part, ask)


def _person(path: Path, person: int, part: str, ask: Reading) -> Dataset:
    held = pickles.load(path)
    values = np.asarray(held) if not isinstance(held, dict | list | tuple | str | bytes) else np.empty(0, object)
    wanted = (len(ORDER), len(CHANNELS), -1) if part == "signals" else (len(ORDER), len(CHANNELS), -1, len(sjtu.BANDS))
    if values.dtype.kind not in "fiu" or values.ndim != len(wanted) or any(
        want not in (-1, have) for want, have in zip(wanted, values.shape, strict=True)
    ):  # fmt: skip
        what = f"{values.dtype} {values.shape}" if values.dtype != object else type(held).__name__
        raise InputError(
            f"holds {what}, not 28 clips of 32 channels", where=str(path), fix="Get it from its makers again."
        )
    subject, collected = f"S{person:03d}", ask.windowed()
    split = "train" if person < TRAIN_TO else "validation" if person < VALIDATION_TO else "test"
    seconds = values.shape[2] / ask.streams["eeg"].rate_hz
    if seconds < 0.2 * LASTS_S:
        ask.note(f"clips last {seconds:.1f} s, not {LASTS_S:g} s: excerpts, whose rate is not proved")
    # Clips lie one after another on the file's own axis.
    for n, code in enumerate(ORDER, start=1):
        clip = values[n - 1, : len(EEG)]
        clip = clip.T if part == "signals" else clip.transpose(1, 2, 0).reshape(clip.shape[1], -1)
        stream = ask.channels(
            "eeg", np.asarray(clip, np.float32), f"{path}, clip {n}", start_s=(n - 1) * seconds,
            expected_s=None if seconds < 0.2 * LASTS_S else LASTS_S,
        )  # fmt: skip
        collected.add(
            {"eeg": stream}, (n - 1) * seconds, stream.end_s, trial=sjtu.trial_name(subject, n), recording=str(path),
            subject=subject, session=subject, stimulus=f"film-{n:02d}", split=split, number=n,
            _emotion=EMOTIONS[code], _valence=VALENCE[(code > 4) + (code >= 4)],
        )  # fmt: skip
    return collected.dataset(_labels, terms=SPEC.licence, notices=ask.notices, where=str(path))


def _labels(told: Mapping[str, Sequence[Any]]) -> dict[str, Labels]:
    return {
        "emotion": Labels.of_classes(told["_emotion"], EMOTIONS),
        "valence": Labels.of_classes(told["_valence"], VALENCE, source=told["_emotion"]),
    }


#: The two states that show each emotion in a twin: unpleasant ones lie low on one side, pleasant ones high.
_SIDES = ((-1.0, 1.0), (-1.0, 0.4), (-1.0, -0.3), (-1.0, -1.0), (0.0, 0.0), (1.0, 1.0), (1.0, 0.4), (1.0, -0.3),
          (1.0, -1.0))  # fmt: skip


def generate(
    root: Path, seed: int = 0, *, people: int = 2, trials: int = 28, clip_s: float = 3.0, features: bool = False,
    effect: float = 1.0, fingerprint: float = 1.0,
) -> WindowsTruth:  # fmt: skip
    """People in the official layout, from all three parts of the split, with 28 clips of 3 s each.

    ``trials`` is the makers' 28; ``clip_s`` (30 is theirs) and ``features`` make more of it.
    """
    if trials != len(ORDER):
        raise InputError(f"has {trials} clips, {len(ORDER)} were shown", where=SPEC.name, fix="Leave trials out.")
    spread = [n for k in range(23) for n in (k, 100 + k, *((k + 80,) if k < 20 else ()), k + 23, k + 46)]
    clips, who, splits, told, samples = [], [], [], [], []
    for number in sorted(dict.fromkeys(spread[:people])):
        person = Person.of(seed, number)
        rows = [
            sjtu.planted_clip("eeg", CHANNELS, clip_s, RATE_HZ, person, _SIDES[code], n, f"film-{n:02d}",
                              effect=effect, fingerprint=fingerprint)
            for n, code in enumerate(ORDER, start=1)
        ]  # fmt: skip
        values = np.stack(rows).transpose(0, 2, 1)
        write(root / "Processed_data" / f"sub{number:03d}.pkl", pickles.write_array(values))
        if features:
            made = np.stack([sjtu.planted_features(r, RATE_HZ, 1.0) for r in rows])
            write(root / "EEG_Features" / "DE" / f"sub{number:03d}.pkl.pkl", pickles.write_array(made))
        for n, code in enumerate(ORDER, start=1):
            for w in range(int(clip_s)):
                clips.append(f"S{number:03d}-{n:02d}-w{w + 1:03d}")
                told.append(EMOTIONS[code])
                part: npt.NDArray[Any] = rows[n - 1][250 * w : 250 * (w + 1), : len(EEG)]
                samples.append(part)
        who += [f"S{number:03d}"] * len(ORDER) * int(clip_s)
        splits += ["train" if number < 80 else "validation" if number < 100 else "test"] * len(ORDER) * int(clip_s)
    first = f"Processed_data/sub{sorted(spread[:people])[0]:03d}.pkl"

    def spoil(where: Path) -> str:
        write(where / first, pickles.write_array(np.zeros((29, 32, 750))))
        return Path(first).name

    valence = [VALENCE[(EMOTIONS.index(t) > 4) + (EMOTIONS.index(t) >= 4)] for t in told]
    return WindowsTruth(
        clips, who, splits, {"emotion": told, "valence": valence}, parts=["Processed_data"], tables=[], spoil=spoil,
        modalities={"eeg": len(EEG)}, settings={"window_s": 1.0},
        starts=[clip_s * (int(c[-7:-5]) - 1) + int(c[-3:]) - 1 for c in clips],
        samples={"eeg": samples},
    )  # fmt: skip
