"""SEED-V: EEG and eye movements (EOG) of people in three sessions of fifteen film clips each, in five emotions.

Signals are NeuroScan recordings of whole sessions, cut by the published times of the clips; features are one file a
person. A session's number says which films were shown, not when. `people` gives one person after another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.errors import InputError
from moodal.lab.data import neuroscan, pickles, sjtu
from moodal.lab.data.compact import arrays
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.generated_cnt import cnt
from moodal.lab.data.labels import Labels
from moodal.lab.data.planted import Person
from moodal.lab.data.spec import SetSpec, find, lacking, need
from moodal.lab.data.streams import Reading, Stream, asked_people, gathered
from moodal.lab.data.told import mapped
from moodal.lab.data.twin import write
from moodal.lab.data.watched import numbered
from moodal.lab.data.windows import Channels, WindowsTruth

__all__ = ["EKMAN8", "SPEC", "generate", "people", "read"]

SPEC = SetSpec(
    name="seed-v",
    title="SEED-V",
    modalities=("eeg", "eog"),
    labels=("emotion", "ekman8"),
    licence="on request and by agreement, for academic research alone.",
    commercial="no",
    where="https://bcmi.sjtu.edu.cn/home/seed/seed-v.html",
    layout="EEG_raw/1_1_20180804.cnt (person_session_date), trial_start_end_timestamp.txt, EEG_DE_features/1_123.npz",
    source="Liu et al. 2021, IEEE Transactions on Cognitive and Developmental Systems 14(2), 715-729",
)
EMOTIONS = ("disgust", "fear", "sad", "neutral", "happy")
EKMAN8 = {"disgust": "disgust", "fear": "fear", "sad": "sadness", "neutral": "neutral", "happy": "happiness"}
PARTS = ("signals", "de")
CLIPS = range(1, 16)
#: Emotion of each clip, by session, as published (``emotion_label_and_stimuli_order.xlsx``).
ORDER: dict[int, tuple[int, ...]] = {
    1: (4, 1, 3, 2, 0) * 3,
    2: (2, 1, 3, 0, 4, 4, 0, 3, 2, 1, 3, 4, 1, 2, 0),
    3: (2, 1, 3, 0, 4, 4, 0, 3, 2, 1, 3, 4, 1, 2, 0),
}
STREAMS = {"eeg": Stream("eeg", sjtu.CHANNELS, 1000.0), "eog": Stream("eog", ("HEO", "VEO"), 1000.0)}
_TIMES = "trial_start_end_timestamp.txt"
_CNT = r"(\d+)_([1-3])_(\d{8})(_\w+)?\.cnt"


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

    Modalities: ``eeg`` (62 channels) and ``eog`` (HEO, VEO) in µV, recorded at 1000 Hz and given at ``rate_hz`` (one
    for all, or by signal; None: as recorded); ``signals`` picks some. ``part="de"`` gives the published differential
    entropy: 310 values every 4 s. Labels: ``emotion`` (disgust, fear, sad, neutral, happy) and ``ekman8``. ``fold`` is
    the makers' of three: clips 1 to 5, 6 to 10, 11 to 15 of every session.

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
    if part == "de":
        (home,) = need(SPEC, path, ["EEG_DE_features"])
        held = numbered(home.iterdir() if home.is_dir() else (), r"(\d+)_123\.npz")
        if not held:
            raise lacking(SPEC, "its features (EEG_DE_features/1_123.npz)", path)
        for person in asked_people(subjects, list(held), SPEC.name):
            ask = sjtu.reading(SPEC.name, "de", STREAMS, 4.0, window_s=window_s, hop_s=hop_s, accept=accept)
            yield _features(held[person], person, ask)
        return
    home, times_file = need(SPEC, path, ["EEG_raw", _TIMES])
    files = sjtu.files_of(home, _CNT)
    if not files:
        raise lacking(SPEC, "its recordings (EEG_raw/1_1_20180804.cnt)", path)
    times = _times(times_file)
    for person in asked_people(subjects, list(files), SPEC.name):
        ask = Reading(SPEC.name, STREAMS, signals, rate_hz, window_s, hop_s, accept)
        if (beside := path / "EEG_DE_features" / f"{person}_123.npz").exists():
            _held(beside, "label")  # the order of emotions, proved where it can be
        yield _person(files[person], person, times, ask)


def _times(path: Path) -> dict[int, list[tuple[float, float]]]:
    """Start and end of each clip in its session's recording, s."""
    text = path.read_text(encoding="utf-8", errors="replace")
    found: dict[int, list[tuple[float, float]]] = {}
    for session in ORDER:
        told = re.search(
            rf"Session\s*{session}\b.*?start_second\s*:?\s*\[([^\]]*)\].*?end_second\s*:?\s*\[([^\]]*)\]",
            text,
            re.DOTALL,
        )
        try:
            starts, ends = ([float(v) for v in told[k].split(",")] for k in (1, 2)) if told else ([], [])
        except ValueError:
            raise InputError(f"session {session} has a time that is no number", where=str(path),
                             fix="Get the file again.") from None  # fmt: skip
        if len(starts) != len(CLIPS) or len(ends) != len(CLIPS):
            raise InputError(f"session {session} has {len(starts)} starts and {len(ends)} ends, 15 clips were shown",
                             where=str(path), fix="Get the file again.")  # fmt: skip
        for n, (a, b) in enumerate(zip(starts, ends, strict=True), start=1):
            if not 0 <= a < b or (n > 1 and a < ends[n - 2]):
                raise InputError(f"session {session}, clip {n}: {a:g} to {b:g} s is no stretch after the one before",
                                 where=str(path), fix="Get the file again.")  # fmt: skip
        found[session] = list(zip(starts, ends, strict=True))
    return found


def _person(
    files: Sequence[Any], person: int, times: Mapping[int, Sequence[tuple[float, float]]], ask: Reading
) -> Dataset:
    subject, collected = f"S{person:02d}", ask.windowed()
    sessions: dict[int, Path] = {}
    for file in sorted(files, key=lambda f: (f.rest[0], f.rest[2])):
        session = int(file.rest[0])
        if session in sessions:
            ask.note(f"{file.path.name} stands beside {sessions[session].name} and is left out")
        else:
            sessions[session] = file.path
    for session, path in sessions.items():
        with neuroscan.opened(path) as recording:
            for n, (start, end) in enumerate(times[session], start=1):
                streams = _streams(recording, ask, start, end, f"{path}, clip {n}")
                _add(collected, streams, subject, session, n, str(path), start, end)
    if len(sessions) != len(ORDER):
        ask.note(f"{subject} has {len(sessions)} of {len(ORDER)} sessions here")
    return collected.dataset(_labels, terms=SPEC.licence, notices=ask.notices, where=str(files[0].path))


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
    collected.add(
        streams, start_s, end_s, trial=sjtu.trial_name(subject, session, n), recording=path, subject=subject,
        session=f"{subject}-{session}", stimulus=f"session-{session}-film-{n:02d}", number=n, sitting=session,
        fold=(n - 1) // 5 + 1, _emotion=EMOTIONS[ORDER[session][n - 1]],
    )  # fmt: skip


def _held(path: Path, key: str) -> dict[int, npt.NDArray[Any]]:
    """``data`` or ``label`` of a file of features: 45 arrays by trial; labels are held against the published order."""
    with arrays(path) as stored:
        held = pickles.loads(stored[key].tobytes(), f"{path}!{key}")
    trials = range(3 * len(CLIPS))
    if not isinstance(held, dict) or sorted(held, key=str) != sorted(trials, key=str):
        raise InputError(f"its {key} is not of 45 trials", where=str(path), fix="Get the file again.")
    found = {k: np.asarray(held[k]) for k in trials}
    if key == "label":
        for k, codes in found.items():
            told = set(np.unique(codes).tolist()) if codes.dtype.kind in "iuf" else {"no number"}
            wanted = ORDER[k // 15 + 1][k % 15]
            if told != {wanted}:
                raise InputError(
                    f"its trial {k} is labelled {', '.join(map(str, sorted(told, key=str)))}, the published order has "
                    f"{wanted} ({EMOTIONS[wanted]})", where=str(path), fix="Get the file again.",
                )  # fmt: skip
    return found


def _by_band(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Features ``(t, 310)`` with channels within bands, from either order: which one a file has is told by the bands,
    between which entropy differs far more than between neighbouring channels."""
    level = np.nanmean(np.asarray(values, np.float64), axis=0)
    together = level.reshape(len(sjtu.CHANNELS), len(sjtu.BANDS))
    apart = level.reshape(len(sjtu.BANDS), len(sjtu.CHANNELS)).T
    if together.mean(axis=0).var() < apart.mean(axis=0).var():
        return np.asarray(values, np.float32)
    steps = len(values)
    ours = values.reshape(steps, len(sjtu.CHANNELS), len(sjtu.BANDS)).transpose(0, 2, 1)
    return np.asarray(ours.reshape(steps, -1), np.float32)


def _features(path: Path, person: int, ask: Reading) -> Dataset:
    subject, collected = f"S{person:02d}", ask.windowed()
    _held(path, "label")
    at = 0.0
    for k, values in _held(path, "data").items():
        session, n = k // 15 + 1, k % 15 + 1
        if values.dtype.kind not in "fiu" or values.ndim != 2 or values.shape[1] != 310:
            raise InputError(f"its trial {k} is {values.dtype} {values.shape}, not of 310 values a step",
                             where=str(path), fix="Get the file again.")  # fmt: skip
        ours = _by_band(values)
        stream = ask.channels("eeg", ours, f"{path}, trial {k}", start_s=at)
        _add(collected, {"eeg": stream}, subject, session, n, str(path), at, stream.end_s)
        at = stream.end_s
    return collected.dataset(_labels, terms=SPEC.licence, notices=ask.notices, where=str(path))


def _labels(told: Mapping[str, Sequence[Any]]) -> dict[str, Labels]:
    emotions = told["_emotion"]
    return {"emotion": Labels.of_classes(emotions, EMOTIONS), "ekman8": mapped(emotions, EKMAN8)}


#: The two states that show each emotion in a twin: disgust, fear, sad, neutral, happy.
_SIDES = ((-1.0, 0.2), (-0.2, 1.0), (-1.0, -1.0), (0.2, -0.4), (1.0, 0.8))
_ASIDE = ("M1", "M2", "VEO", "HEO")


def generate(
    root: Path, seed: int = 0, *, people: int = 2, trials: int = 15, sittings: int = 1, clip_s: float = 1.0,
    features: bool = True, effect: float = 1.0, fingerprint: float = 1.0,
) -> WindowsTruth:  # fmt: skip
    """People in the official layout, persons 1 and 10 first: sessions of fifteen clips of 1 s, with features beside.

    ``trials`` is the makers' fifteen; ``sittings`` (up to 3) and ``clip_s`` make more of it.
    """
    if trials != len(CLIPS):
        raise InputError(f"has {trials} clips, {len(CLIPS)} were shown", where=SPEC.name, fix="Leave trials out.")
    gap, eog = 0.5, STREAMS["eog"].fields
    starts = [gap + k * (clip_s + gap) for k in range(15)]
    text = "".join(
        f"Session {s}:\nstart_second: {[round(a, 3) for a in starts]}\n"
        f"end_second: {[round(a + clip_s, 3) for a in starts]}\n\n" for s in ORDER
    )  # fmt: skip
    write(root / _TIMES, text)
    clips, who, told = [], [], []
    samples: dict[str, list[npt.NDArray[Any]]] = {"eeg": [], "eog": []}
    channels = (*sjtu.CHANNELS, *_ASIDE)
    for number in sorted([1, 10, *(n for n in range(2, 17) if n != 10)][:people]):
        person, entropy = Person.of(seed, number), {}
        for session in range(1, sittings + 1):
            whole = 10.0 * person.drawn("rest", session).normal(size=(round((15 * (clip_s + gap) + gap) * 1000), 66))
            for n, code in enumerate(ORDER[session], start=1):
                at = round(starts[n - 1] * 1000)
                stimulus, own = f"session-{session}-film-{n:02d}", 100 * session + n
                for kind, names in (("eeg", sjtu.CHANNELS), ("eog", _ASIDE[2:])):
                    made = sjtu.planted_clip(kind, names, clip_s, 1000.0, person, _SIDES[code], own, stimulus,
                                             effect=effect, fingerprint=fingerprint)  # fmt: skip
                    place = [channels.index(c) for c in names]
                    whole[at : at + len(made), place] = made
                    if kind == "eeg" and features:
                        step = min(4.0, clip_s)
                        entropy[15 * (session - 1) + n - 1] = sjtu.planted_features(made, 1000.0, step)
                for m, names in (("eeg", sjtu.CHANNELS), ("eog", eog)):
                    part = whole[at : at + round(clip_s * 1000)][:, [channels.index(c) for c in names]]
                    samples[m] += [part[1000 * w : 1000 * (w + 1)] for w in range(int(clip_s))]
                clips += [f"S{number:02d}-{session:02d}-{n:02d}-w{w + 1:03d}" for w in range(int(clip_s))]
                who += [f"S{number:02d}"] * int(clip_s)
                told += [EMOTIONS[code]] * int(clip_s)
            write(root / "EEG_raw" / f"{number}_{session}_{20180804 + session}.cnt", cnt(channels, whole, 1000))
        if features:
            write(root / "EEG_DE_features" / f"{number}_123.npz", _written(entropy))

    def spoil(where: Path) -> str:
        write(where / "EEG_DE_features" / "1_123.npz", _written({}, wrong=2))
        return "trial 2"

    return WindowsTruth(
        clips, who, [""] * len(clips), {"emotion": told, "ekman8": [EKMAN8[t] for t in told]},
        parts=["EEG_raw", _TIMES], tables=[_TIMES], spoil=spoil, modalities={"eeg": 62, "eog": 2},
        settings={"window_s": 1.0, "rate_hz": None},
        starts=[starts[int(c[-7:-5]) - 1] + int(c[-3:]) - 1 for c in clips],
        samples=samples,
    )  # fmt: skip


def _written(entropy: Mapping[int, npt.NDArray[Any]], wrong: int | None = None) -> bytes:
    """A file of features as the makers wrote them: two pickles in an npz; trials that were not made are of zeros."""
    import io

    data, label = {}, {}
    for k in range(45):
        # (62, t, 5) → t x 310, the bands of a channel together.
        made = entropy.get(k, np.zeros((62, 1, 5)))
        data[k] = np.ascontiguousarray(made.transpose(1, 0, 2).reshape(made.shape[1], -1))
        label[k] = np.full(made.shape[1], 7 if k == wrong else ORDER[k // 15 + 1][k % 15], np.float64)
    out = io.BytesIO()
    np.savez(out, data=np.bytes_(pickles.write(data)), label=np.bytes_(pickles.write(label)))
    return out.getvalue()
