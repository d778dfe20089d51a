"""SEED-IV: EEG of 15 people in three sessions of 24 film clips each, in four emotions.

Every session has films of its own, so a film is told by session and place. The order of emotions is read from
``ReadMe.txt``, or taken as published. `people` gives one person after another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from moodal.core.errors import InputError, UsageError
from moodal.lab.data import matlab, sjtu
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.labels import Labels
from moodal.lab.data.planted import Person
from moodal.lab.data.spec import SetSpec, find, lacking, need
from moodal.lab.data.streams import Reading, Stream, asked_people, gathered
from moodal.lab.data.told import mapped
from moodal.lab.data.twin import write
from moodal.lab.data.watched import numbered
from moodal.lab.data.windows import WindowsTruth

__all__ = ["EKMAN8", "SPEC", "generate", "people", "read"]

SPEC = SetSpec(
    name="seed-iv",
    title="SEED-IV",
    modalities=("eeg",),
    labels=("emotion", "ekman8"),
    licence="on request and by agreement, for academic research alone.",
    commercial="no",
    where="https://bcmi.sjtu.edu.cn/home/seed/seed-iv.html",
    layout="eeg_raw_data/1/1_20160518.mat (cz_eeg1 … cz_eeg24), eeg_feature_smooth/1/…, ReadMe.txt",
    source="Zheng et al. 2019, IEEE Transactions on Cybernetics 49(3), 1110-1122",
)
EMOTIONS = ("neutral", "sad", "fear", "happy")
EKMAN8 = {"neutral": "neutral", "sad": "sadness", "fear": "fear", "happy": "happiness"}
PARTS = ("signals", *sjtu.FEATURES)
CLIPS = range(1, 25)
#: Emotion of each clip, by session, as published (``ReadMe.txt``).
ORDER: dict[int, tuple[int, ...]] = {
    1: (1, 2, 3, 0, 2, 0, 0, 1, 0, 1, 2, 1, 1, 1, 2, 3, 2, 2, 3, 3, 0, 3, 0, 3),
    2: (2, 1, 3, 0, 0, 2, 0, 2, 3, 3, 2, 3, 2, 0, 1, 1, 2, 1, 0, 3, 0, 1, 3, 1),
    3: (1, 2, 2, 1, 3, 3, 3, 1, 1, 2, 1, 0, 2, 3, 3, 0, 2, 3, 0, 0, 2, 0, 1, 0),
}
#: Between what the mean clip of a session lies, s: the published features of 4 s are 851, 832 and 822 a session, and
#: what does not fill 4 s is left out of them.
MEAN_S = (120.0, 165.0)
_FILE = r"(\d+)_(\d{8})\.mat"


def read(
    root: Path | str | None = None,
    *,
    part: str = "signals",
    source_hz: float = 200.0,
    rate_hz: float | None = None,
    window_s: float | None = 4.0,
    hop_s: float | None = None,
    subjects: Sequence[int] = (),
    accept: Sequence[str] = (),
) -> Dataset:
    """All people's clips in windows of ``window_s`` every ``hop_s`` s (end to end, if not said); None: whole clips.

    Modality ``eeg``: 62 channels in µV at ``source_hz``, or at ``rate_hz``, if that is lower. The files do not tell
    their rate: 200 Hz, unless the clips would then last five times as long as the films (an error that says so).
    ``part`` may name published features instead, a step every 4 s: ``de_LDS``, ``de_movingAve``, ``psd_LDS``,
    ``psd_movingAve``; smoothed over whole trials, they are stamped. Labels: ``emotion`` (neutral, sad, fear, happy) and
    ``ekman8``.

    Raises
    ------
    InputError : a part is not there, cannot be read, or cannot be what it should be.
    """
    each = people(
        root, part=part, source_hz=source_hz, rate_hz=rate_hz, window_s=window_s, hop_s=hop_s, subjects=subjects,
        accept=accept,
    )  # fmt: skip
    return gathered(each)


def people(
    root: Path | str | None = None,
    *,
    part: str = "signals",
    source_hz: float = 200.0,
    rate_hz: float | None = None,
    window_s: float | None = 4.0,
    hop_s: float | None = None,
    subjects: Sequence[int] = (),
    accept: Sequence[str] = (),
) -> Iterator[Dataset]:
    """What `read` gives, one person after another, so that one person's signals are in memory at a time."""
    sjtu.part_of(part, PARTS, SPEC.name)
    if not isinstance(source_hz, int | float) or not 0 < source_hz < 1e6:
        raise UsageError(f"source_hz is {source_hz!r}", where=SPEC.name, fix="Give the rate of the files, in Hz.")
    path, _ = find(SPEC, root)
    folder = "eeg_raw_data" if part == "signals" else "eeg_feature_smooth"
    (home,) = need(SPEC, path, [folder])
    order, note = _order(next((p for p in (path / "ReadMe.txt", home / "ReadMe.txt") if p.exists()), None))
    files: dict[int, dict[int, Path]] = {}
    for session in ORDER:
        folder_of = home / str(session)
        for person, file in numbered(folder_of.iterdir() if folder_of.is_dir() else (), _FILE).items():
            files.setdefault(person, {})[session] = file
    if not files:
        raise lacking(SPEC, f"its recordings ({folder}/1/1_20160518.mat)", path)
    streams = {"eeg": Stream("eeg", sjtu.CHANNELS, float(source_hz))}
    for person in asked_people(subjects, list(files), SPEC.name):
        ask = sjtu.reading(
            SPEC.name, part, streams, 4.0, rate_hz=rate_hz, window_s=window_s, hop_s=hop_s, accept=accept
        )
        if note:
            ask.note(note)
        yield sjtu.stamped(_person(files[person], person, part, order, ask, accept), part)


def _order(path: Path | None) -> tuple[dict[int, tuple[int, ...]], str]:
    """Emotions of each session's clips, and a notice where they are not from the file or not as published."""
    if path is None:
        return ORDER, "has no ReadMe.txt: the order of emotions is the published one"
    text = path.read_text(encoding="utf-8", errors="replace")
    found: dict[int, tuple[int, ...]] = {}
    for session in ORDER:
        line = re.search(rf"session{session}_label\s*=\s*\[([^\]]*)\]", text)
        if line is None:
            return (
                ORDER,
                f"{path.name} does not tell the order of emotions of session {session}: the published one is taken",
            )
        codes = re.split(r"[,\s]+", line[1].strip(" ,\n\t"))
        for k, code in enumerate(codes):
            if code not in ("0", "1", "2", "3"):
                raise InputError(f"session {session} labels clip {k + 1} {code!r}, not 0 to 3", where=str(path),
                                 fix="Get the file again.")  # fmt: skip
        if len(codes) != len(CLIPS):
            raise InputError(f"session {session} labels {len(codes)} clips, {len(CLIPS)} were shown", where=str(path),
                             fix="Get the file again.")  # fmt: skip
        found[session] = tuple(int(c) for c in codes)
    return (
        found,
        "" if found == ORDER else f"{path.name} tells another order of emotions than the published one; it is taken",
    )


def _person(
    files: Mapping[int, Path], person: int, part: str, order: Mapping[int, Sequence[int]], ask: Reading,
    accept: Sequence[str],
) -> Dataset:  # fmt: skip
    subject, collected = f"S{person:02d}", ask.windowed()
    for session, path in sorted(files.items()):
        names = sjtu.clip_variables(path, r"[a-z]+_eeg(\d+)" if part == "signals" else rf"{part}(\d+)", CLIPS)
        shapes = matlab.shapes(path)
        rate = ask.streams["eeg"].rate_hz
        seconds = {n: shapes[name][1] / rate for n, name in names.items()}
        if note := sjtu.proven(seconds, path, rate, mean_s=MEAN_S, accept=accept):
            ask.note(note)
        at = 0.0  # clips lie one after another on the file's own axis
        for n, name in names.items():
            values = sjtu.clip_values(path, name) if part == "signals" else sjtu.feature_values(path, name)
            stream = ask.channels("eeg", values, f"{path}!{name}", start_s=at)
            collected.add(
                {"eeg": stream}, at, stream.end_s, trial=sjtu.trial_name(subject, session, n), recording=str(path),
                subject=subject, session=f"{subject}-{session}", stimulus=f"session-{session}-film-{n:02d}", number=n,
                sitting=session, _emotion=EMOTIONS[order[session][n - 1]],
            )  # fmt: skip
            at += len(values) / rate
    if len(files) != len(ORDER):
        ask.note(f"{subject} has {len(files)} of {len(ORDER)} sessions here")
    return collected.dataset(_labels, terms=SPEC.licence, notices=ask.notices, where=str(next(iter(files.values()))))


def _labels(told: Mapping[str, Sequence[Any]]) -> dict[str, Labels]:
    emotions = told["_emotion"]
    return {"emotion": Labels.of_classes(emotions, EMOTIONS), "ekman8": mapped(emotions, EKMAN8)}


#: The two states that show each emotion in a twin: neutral, sad, fear, happy.
_SIDES = ((-0.3, -1.0), (-1.0, -0.3), (1.0, 0.3), (0.3, 1.0))
_INITIALS = ("cz", "ha", "hql", "ldy", "ly", "mhw", "mz", "qyt", "rx", "tyc", "whh", "wll", "wq", "zjd", "zjy")


def generate(
    root: Path, seed: int = 0, *, people: int = 2, trials: int = 24, sittings: int = 1, clip_s: float = 2.0,
    features: bool = False, effect: float = 1.0, fingerprint: float = 1.0,
) -> WindowsTruth:  # fmt: skip
    """People in the official layout, persons 1 and 10 first, 24 clips of 2 s a session.

    ``trials`` is the makers' 24; ``sittings`` (up to 3), ``clip_s`` and ``features`` make more of it.
    """
    if trials != len(CLIPS):
        raise InputError(f"has {trials} clips, {len(CLIPS)} were shown", where=SPEC.name, fix="Leave trials out.")
    clips, who, told = [], [], []
    samples: list[npt.NDArray[Any]] = []
    for number in sorted([1, 10, *(n for n in range(2, 16) if n != 10)][:people]):
        person = Person.of(seed, number)
        for session in range(1, sittings + 1):
            held: dict[str, Any] = {}
            made: dict[str, Any] = {}
            for n in CLIPS:
                code = ORDER[session][n - 1]
                values = sjtu.planted_clip(
                    "eeg", sjtu.CHANNELS, clip_s, 200.0, person, _SIDES[code], n, f"session-{session}-film-{n:02d}",
                    effect=effect, fingerprint=fingerprint,
                )  # fmt: skip
                held[f"{_INITIALS[number - 1]}_eeg{n}"] = values.T
                if features:
                    made[f"de_LDS{n}"] = sjtu.smoothed_like(sjtu.planted_features(values, 200.0, 4.0))
                windows = int(clip_s // 2)
                clips += [f"S{number:02d}-{session:02d}-{n:02d}-w{w + 1:03d}" for w in range(windows)]
                who += [f"S{number:02d}"] * windows
                told += [EMOTIONS[code]] * windows
                samples += [values[400 * w : 400 * (w + 1)] for w in range(windows)]
            name = f"{session}/{number}_{20160518 + 7 * session + number}.mat"
            write(root / "eeg_raw_data" / name, matlab.write(held, compressed=False))
            if features:
                write(root / "eeg_feature_smooth" / name, matlab.write(made, compressed=False))
    lines = [f"session{s}_label = [{','.join(map(str, codes))}];" for s, codes in ORDER.items()]
    text = "\n".join(["The labels of the three sessions for the same subjects are as follows,", *lines, ""])
    write(root / "ReadMe.txt", text + "The labels with 0, 1, 2, and 3 denote neutral, sad, fear, and happy.\n")

    def spoil(where: Path) -> str:
        write(where / "ReadMe.txt", text.replace("session1_label = [1,2,3", "session1_label = [1,2,9"))
        return "clip 3"

    return WindowsTruth(
        clips, who, [""] * len(clips), {"emotion": told, "ekman8": [EKMAN8[t] for t in told]}, parts=["eeg_raw_data"],
        tables=[], spoil=spoil, modalities={"eeg": len(sjtu.CHANNELS)},
        settings={"window_s": 2.0}, starts=[clip_s * (int(c[-7:-5]) - 1) + 2.0 * (int(c[-3:]) - 1) for c in clips],
        samples={"eeg": samples},
    )  # fmt: skip
