"""SEED-VII: EEG, EOG and ECG of 20 people in four sessions of twenty film clips each, in seven emotions.

Clips are cut from NeuroScan recordings at their triggers; two recordings have wrong ones, and their tables of triggers
count instead. `people` gives one person after another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy.typing as npt

from moodal.core.errors import InputError
from moodal.lab.data import matlab, neuroscan, sjtu
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.generated_cnt import cnt
from moodal.lab.data.labels import Labels
from moodal.lab.data.planted import Person
from moodal.lab.data.spec import SetSpec, find, lacking, need
from moodal.lab.data.streams import Reading, Stream, asked_people, gathered
from moodal.lab.data.told import mapped
from moodal.lab.data.twin import write
from moodal.lab.data.windows import Channels, WindowsTruth

__all__ = ["EKMAN8", "SPEC", "generate", "people", "read"]

SPEC = SetSpec(
    name="seed-vii",
    title="SEED-VII",
    modalities=("eeg", "eog", "ecg"),
    labels=("emotion", "ekman8"),
    licence="on request and by agreement, for academic research alone.",
    commercial="no",
    where="https://bcmi.sjtu.edu.cn/home/seed/seed-vii.html",
    layout="EEG_raw/1_20221001_1.cnt (person_date_session), save_info/14_20221015_1_trigger_info.csv, "
    "EEG_preprocessed/1.mat, EEG_features/1.mat",
    source="Jiang et al. 2024, IEEE Transactions on Affective Computing, doi 10.1109/TAFFC.2024.3485057",
)
EMOTIONS = ("neutral", "happy", "sad", "disgust", "anger", "fear", "surprise")
EKMAN8 = {"neutral": "neutral", "happy": "happiness", "sad": "sadness", "disgust": "disgust", "anger": "anger",
          "fear": "fear", "surprise": "surprise"}  # fmt: skip
#: Parts, and the rate of each.
PARTS = ("signals", "preprocessed", "de", "de_LDS", "psd")
CLIPS = range(1, 21)
#: Emotion of each clip, by session, as published (``emotion_label_and_stimuli_order.xlsx``).
ORDER: dict[int, tuple[int, ...]] = {
    1: (1, 0, 3, 2, 4, 4, 2, 3, 0, 1) * 2,
    2: (4, 2, 5, 0, 6, 6, 0, 5, 2, 4) * 2,
    3: (1, 6, 3, 5, 4, 4, 5, 3, 6, 1) * 2,
    4: (3, 2, 5, 6, 1, 1, 6, 5, 2, 3) * 2,
}
STREAMS = {
    "eeg": Stream("eeg", sjtu.CHANNELS, 1000.0),
    "eog": Stream("eog", ("HEO", "VEO"), 1000.0),
    "ecg": Stream("ecg", ("ECG",), 1000.0),
}
#: Recordings whose triggers are wrong, and when each began: their tables of triggers tell the time of day.
MISTIMED = {"14_20221015_1": "2022-10-15 14:25:34", "9_20221111_3": "2022-11-11 14:01:27"}
#: Last clip of the training and the validation part in every session: PhysioOmni's split.
TRAIN_TO, VALIDATION_TO = 10, 15
#: Shortest and longest that a clip may be, s.
_SHORTEST, _LONGEST = 0.5, 600.0


def read(
    root: Path | str | None = None,
    *,
    part: str = "signals",
    signals: Sequence[str] = (),
    rate_hz: float | Mapping[str, float] | None = 200.0,
    window_s: float | None = 4.0,
    hop_s: float | None = None,
    subjects: Sequence[int] = (),
    accept: Sequence[str] = (),
) -> Dataset:
    """All people's clips in windows of ``window_s`` every ``hop_s`` s (end to end, if not said); None: whole clips.

    Modalities: ``eeg`` (62 channels), ``eog`` (HEO, VEO) and ``ecg`` in µV, recorded at 1000 Hz and given at
    ``rate_hz`` (None: as recorded); ``signals`` picks some. ``part="preprocessed"`` gives the makers' filtered EEG at
    200 Hz, ``de``, ``de_LDS`` and ``psd`` their features every 4 s. Labels: ``emotion`` (seven; five of them a session)
    and ``ekman8``. ``fold`` is the makers' of four: clips 1 to 5, 6 to 10, … of every session; ``split`` is
    PhysioOmni's: clips 1 to 10 train, 11 to 15 validation, 16 to 20 test.

    Raises
    ------
    InputError : a part is not there, cannot be read, or cannot be what it should be.
    MissingExtra : the recordings need mne.
    """
    each = people(
        root, part=part, signals=signals, rate_hz=rate_hz, window_s=window_s, hop_s=hop_s, subjects=subjects,
        accept=accept,
    )  # fmt: skip
    return gathered(each)


def people(
    root: Path | str | None = None,
    *,
    part: str = "signals",
    signals: Sequence[str] = (),
    rate_hz: float | Mapping[str, float] | None = 200.0,
    window_s: float | None = 4.0,
    hop_s: float | None = None,
    subjects: Sequence[int] = (),
    accept: Sequence[str] = (),
) -> Iterator[Dataset]:
    """What `read` gives, one person after another, so that one person's signals are in memory at a time."""
    sjtu.part_of(part, PARTS, SPEC.name)
    path, _ = find(SPEC, root)
    folder = {"signals": "EEG_raw", "preprocessed": "EEG_preprocessed"}.get(part, "EEG_features")
    (home,) = need(SPEC, path, [folder])
    files = sjtu.files_of(home, r"(\d+)_(\d{8})_(\d+)\.cnt" if part == "signals" else r"(\d+)\.mat")
    if not files:
        name = "1_20221001_1.cnt" if part == "signals" else "1.mat"
        raise lacking(SPEC, f"its recordings ({folder}/{name})", path)
    for person in asked_people(subjects, list(files), SPEC.name):
        if part == "signals":
            ask = Reading(SPEC.name, STREAMS, signals, rate_hz, window_s, hop_s, accept)
            yield _person(path, files[person], person, ask)
            continue
        if part == "preprocessed":
            ask = Reading(
                SPEC.name, {"eeg": Stream("eeg", sjtu.CHANNELS, 200.0)}, signals, rate_hz, window_s, hop_s, accept
            )
        else:
            ask = sjtu.reading(SPEC.name, part, {}, 4.0, window_s=window_s, hop_s=hop_s, accept=accept)
        yield sjtu.stamped(_clips(files[person][0].path, person, part, ask), part)


def _person(root: Path, files: Sequence[Any], person: int, ask: Reading) -> Dataset:
    subject, collected = f"S{person:02d}", ask.windowed()
    sessions: dict[int, Path] = {}
    for file in files:
        session = int(file.rest[1])
        if session not in ORDER:
            raise InputError(f"names session {session}, there are 1 to {len(ORDER)}", where=str(file.path),
                             fix="Is the name person_date_session?")  # fmt: skip
        if session in sessions:
            raise InputError(f"is a second recording of session {session}", where=str(file.path),
                             fix="Leave the one that is meant.")  # fmt: skip
        sessions[session] = file.path
    for session, path in sorted(sessions.items()):
        with neuroscan.opened(path) as recording:
            for n, (start, end) in enumerate(_times(root, path, recording, ask), start=1):
                streams = _streams(recording, ask, start, end, f"{path}, clip {n}")
                _add(collected, streams, subject, session, n, str(path), start, end)
    if len(sessions) != len(ORDER):
        ask.note(f"{subject} has {len(sessions)} of {len(ORDER)} sessions here")
    return collected.dataset(_labels, terms=SPEC.licence, notices=ask.notices, where=str(files[0].path))


def _times(root: Path, path: Path, recording: neuroscan.Neuroscan, ask: Reading) -> list[tuple[float, float]]:
    """Start and end of the twenty clips in a recording, s: its triggers, or, for those two, their tables."""
    where = path
    times = [t for t, _ in recording.triggers]
    if path.stem in MISTIMED:
        name = f"save_info/{path.stem}_trigger_info.csv"
        (where,) = need(SPEC, root, [name])
        times = _table(where, datetime.fromisoformat(MISTIMED[path.stem]))
        ask.note(f"{path.name} has wrong triggers: clips are cut by {where.name}")
    if len(times) != 2 * len(CLIPS):
        raise InputError(
            f"has {len(times)} triggers, {2 * len(CLIPS)} were expected (start and end of {len(CLIPS)} clips)",
            where=str(where), fix="Get the file again.",
        )  # fmt: skip
    pairs = list(zip(times[::2], times[1::2], strict=True))
    for n, (start, end) in enumerate(pairs, start=1):
        if not _SHORTEST <= end - start <= _LONGEST or (n > 1 and start < pairs[n - 2][1]):
            raise InputError(f"its clip {n} lies from {start:.1f} to {end:.1f} s, which is no clip", where=str(where),
                             fix="Get the file again.")  # fmt: skip
    return pairs


def _table(path: Path, began: datetime) -> list[float]:
    """Times of a table of triggers in s since the recording began: code and time of day in each row."""
    times = []
    for i, line in enumerate(path.read_text(encoding="utf-8-sig", errors="replace").split("\n")):
        if not line.strip():
            continue
        clock = re.search(r"(?:(\d{4}-\d\d-\d\d)[ T])?(\d\d?):(\d\d):(\d\d(?:\.\d+)?)\s*$", line.strip().strip('"'))
        if clock is None:
            raise InputError(f"row {i + 1} ends in no time of day", where=str(path), fix="Get the file again.")
        day = datetime.fromisoformat(clock[1]) if clock[1] else datetime(began.year, began.month, began.day)
        at = day + timedelta(hours=int(clock[2]), minutes=int(clock[3]), seconds=float(clock[4]))
        times.append((at - began).total_seconds())
    return times


def _streams(recording: neuroscan.Neuroscan, ask: Reading, start: float, end: float, where: str) -> dict[str, Channels]:
    """The signals that are asked for of one clip: the file is read once."""
    fields = [f for m in ask.signals for f in ask.streams[m].fields]
    values, at, found = recording.cut(fields, start, end), 0, {}
    for m in ask.signals:
        width = len(ask.streams[m].fields)
        found[m] = ask.channels(m, values[:, at : at + width], where, rate_hz=recording.rate_hz, start_s=start)
        at += width
    return found


def _add(collected: Any, streams: Mapping[str, Any], subject: str, session: int, n: int, path: str, start_s: float,
         end_s: float) -> None:  # fmt: skip
    split = "train" if n <= TRAIN_TO else "validation" if n <= VALIDATION_TO else "test"
    collected.add(
        streams, start_s, end_s, trial=sjtu.trial_name(subject, session, n), recording=path, subject=subject,
        session=f"{subject}-{session}", stimulus=f"session-{session}-film-{n:02d}", split=split, number=n,
        sitting=session, fold=(n - 1) // 5 + 1, _emotion=EMOTIONS[ORDER[session][n - 1]],
    )  # fmt: skip


def _clips(path: Path, person: int, part: str, ask: Reading) -> Dataset:
    """A file of the makers' own: variables of clips 1 to 80, four sessions one after another."""
    subject, collected = f"S{person:02d}", ask.windowed()
    at = 0.0
    pattern = r"(\d+)" if part == "preprocessed" else rf"{part}_(\d+)"
    for k, name in sjtu.clip_variables(path, pattern, range(1, 81)).items():
        session, n = (k - 1) // 20 + 1, (k - 1) % 20 + 1
        values = sjtu.clip_values(path, name) if part == "preprocessed" else sjtu.feature_values(path, name, "tbc")
        stream = ask.channels("eeg", values, f"{path}!{name}", start_s=at)
        _add(collected, {"eeg": stream}, subject, session, n, str(path), at, stream.end_s)
        at = stream.end_s
    return collected.dataset(_labels, terms=SPEC.licence, notices=ask.notices, where=str(path))


def _labels(told: Mapping[str, Sequence[Any]]) -> dict[str, Labels]:
    emotions = told["_emotion"]
    return {"emotion": Labels.of_classes(emotions, EMOTIONS), "ekman8": mapped(emotions, EKMAN8)}


#: The two states that show each emotion in a twin: neutral, happy, sad, disgust, anger, fear, surprise.
_SIDES = ((0.0, -1.0), (1.0, 0.4), (-0.9, -0.9), (-1.0, 0.1), (-0.7, 1.0), (0.1, 1.0), (0.9, 1.0))
_ASIDE = ("M1", "M2", "VEO", "HEO", "ECG")


def generate(
    root: Path, seed: int = 0, *, people: int = 2, trials: int = 20, sittings: int = 1, clip_s: float = 1.0,
    features: bool = False, effect: float = 1.0, fingerprint: float = 1.0,
) -> WindowsTruth:  # fmt: skip
    """People in the official layout, persons 1 and 14 (wrong triggers) first: sessions of twenty clips of 1 s.

    ``trials`` is the makers' twenty; ``sittings`` (up to 4) and ``clip_s`` make more of it; ``features`` writes the
    preprocessed EEG and features beside (of all 80 clips: those that were not made are short noise).
    """
    if trials != len(CLIPS):
        raise InputError(f"has {trials} clips, {len(CLIPS)} were shown", where=SPEC.name, fix="Leave trials out.")
    gap = 0.5
    begins = [gap + k * (clip_s + gap) for k in range(20)]
    clips, who, splits, told = [], [], [], []
    samples: dict[str, list[npt.NDArray[Any]]] = {m: [] for m in STREAMS}
    channels = (*sjtu.CHANNELS, *_ASIDE)
    for number in sorted([1, 14, *(n for n in range(2, 21) if n != 14)][:people]):
        person = Person.of(seed, number)
        beside: dict[int, npt.NDArray[Any]] = {}
        for session in range(1, sittings + 1):
            whole = 10.0 * person.drawn("rest", session).normal(size=(round((20 * (clip_s + gap) + gap) * 1000), 67))
            for n, code in enumerate(ORDER[session], start=1):
                at = round(begins[n - 1] * 1000)
                stimulus, own = f"session-{session}-film-{n:02d}", 100 * session + n
                for m, s in STREAMS.items():
                    made = sjtu.planted_clip(s.kind, s.fields, clip_s, 1000.0, person, _SIDES[code], own, stimulus,
                                             effect=effect, fingerprint=fingerprint)  # fmt: skip
                    whole[at : at + len(made), [channels.index(c) for c in s.fields]] = made
                    samples[m] += [made[1000 * w : 1000 * (w + 1)] for w in range(int(clip_s))]
                    if m == "eeg":
                        beside[20 * (session - 1) + n] = made[::5]
                clips += [f"S{number:02d}-{session:02d}-{n:02d}-w{w + 1:03d}" for w in range(int(clip_s))]
                who += [f"S{number:02d}"] * int(clip_s)
                splits += ["train" if n <= 10 else "validation" if n <= 15 else "test"] * int(clip_s)
                told += [EMOTIONS[code]] * int(clip_s)
            name = f"{number}_{20221014 + session}_{session}"
            marks = [round(1000 * t) for a in begins for t in (a, a + clip_s)]
            began = datetime.fromisoformat(MISTIMED.get(name, "2022-10-01 14:00:00"))
            if name in MISTIMED:
                stamps = [began + timedelta(milliseconds=t) for t in marks]
                rows = [f"{k % 2 + 1},{s:%Y-%m-%d %H:%M:%S.%f}\n" for k, s in enumerate(stamps)]
                write(root / "save_info" / f"{name}_trigger_info.csv", "".join(rows))
            events = [] if name in MISTIMED else [(t, k % 2 + 1) for k, t in enumerate(marks)]
            write(root / "EEG_raw" / f"{name}.cnt", cnt(channels, whole, 1000, events, began))
        if features:
            noise = person.drawn("noise").normal(size=(200, 62)) * 10
            whole80 = {k: beside.get(k, noise) for k in range(1, 81)}
            write(root / "EEG_preprocessed" / f"{number}.mat",
                  matlab.write({str(k): v.T for k, v in whole80.items()}, compressed=False))  # fmt: skip
            made80 = {k: sjtu.planted_features(v, 200.0, len(v) / 200).transpose(1, 2, 0) for k, v in whole80.items()}
            both = {f"de_{k}": v for k, v in made80.items()} | {f"de_LDS_{k}": v for k, v in made80.items()}
            write(root / "EEG_features" / f"{number}.mat", matlab.write(both, compressed=False))

    def spoil(where: Path) -> str:
        first = next((where / "EEG_raw").glob("1_*_1.cnt"))
        first.rename(first.with_name(f"{first.stem[:-1]}5.cnt"))
        return "session 5"

    return WindowsTruth(
        clips, who, splits, {"emotion": told, "ekman8": [EKMAN8[t] for t in told]}, parts=["EEG_raw"],
        tables=["save_info/14_20221015_1_trigger_info.csv"] if people > 1 else [], spoil=spoil,
        modalities={m: len(s.fields) for m, s in STREAMS.items()}, settings={"window_s": 1.0, "rate_hz": None},
        starts=[begins[int(c[-7:-5]) - 1] + int(c[-3:]) - 1 for c in clips],
        samples=samples,
    )  # fmt: skip
