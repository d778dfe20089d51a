"""MAHNOB-HCI, emotion elicitation: EEG and body signals of 30 people who watch 20 film clips and say what they felt.

Each session is a folder: ``session.xml`` tells the person, the clip and the answers, a BDF holds half a minute before,
the clip, and half a minute after. The clip lies between two events of the status channel, as long as the session says
that it lasted. Sessions of other experiments are left out and counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from moodal.core.errors import InputError
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.labels import Labels
from moodal.lab.data.planted_clips import Clips
from moodal.lab.data.plausible import Plausible
from moodal.lab.data.rated import LEVELS, quadrants
from moodal.lab.data.skin import SKIN_UNITS, Skin, stated
from moodal.lab.data.spec import SetSpec, find, lacking
from moodal.lab.data.streams import each
from moodal.lab.data.told import checked
from moodal.lab.data.twin import write
from moodal.lab.data.watched import BASELINES, Trial, Watched, apart, numbered, picked, subtracted, together
from moodal.lab.data.windows import Channels, WindowsTruth
from moodal.media.edf_channels import EdfChannels
from moodal.media.generated_edf import write as write_bdf

__all__ = ["SPEC", "generate", "people", "read"]

SPEC = SetSpec(
    name="mahnob",
    title="MAHNOB-HCI",
    modalities=("eeg", "ecg", "eda", "resp", "temp"),
    labels=("valence", "arousal", "control", "predictability", "quadrant", "ratings", "emotion"),
    licence="by signed agreement, academic research only; not to be passed on.",
    commercial="no",
    where="https://mahnob-db.eu/hci-tagging/",
    layout="Sessions/1/session.xml, Sessions/1/Part_1_S_Trial1_emotion.bdf …",
    source="Soleymani et al. 2012, IEEE Trans. Affective Computing 3(1), 42-55",
)
EEG = ("Fp1", "AF3", "F7", "F3", "FC1", "FC5", "T7", "C3", "CP1", "CP5", "P7", "P3", "Pz", "PO3", "O1", "Oz", "O2",
       "PO4", "P4", "P8", "CP6", "CP2", "C4", "T8", "FC6", "FC2", "F4", "F8", "AF4", "Fp2", "Fz", "Cz")  # fmt: skip
#: Modality → channels of the file, names of the fields.
FIELDS = {"eeg": EEG, "ecg": ("EXG1", "EXG2", "EXG3"), "eda": ("eda",), "resp": ("resp",), "temp": ("temp",)}
_CHANNELS = {"eeg": EEG, "ecg": FIELDS["ecg"], "eda": ("GSR1",), "resp": ("Resp",), "temp": ("Temp",)}
#: Rating → attribute of the session.
_ATTRIBUTES = {"valence": "feltVlnc", "arousal": "feltArsl", "control": "feltCtrl", "predictability": "feltPred"}
EMOTIONS = {0: "neutral", 1: "anger", 2: "disgust", 3: "fear", 4: "joy", 5: "sadness", 6: "surprise", 11: "amusement",
            12: "anxiety"}  # fmt: skip
REST_S = 30.0


def read(
    root: Path | str | None = None,
    *,
    signals: Sequence[str] = (),
    window_s: float | None = None,
    hop_s: float | None = None,
    baseline: str = "drop",
    rule: str = "ge5",
    subjects: Sequence[int] = (),
    accept: Sequence[str] = (),
    as_published: Sequence[str] = (),
) -> Dataset:
    """One example a trial, or its windows of ``window_s`` every ``hop_s`` seconds.

    Modalities, at the rate of the files: ``eeg`` (32) and ``ecg`` (three electrodes against the amplifier's reference)
    in µV, ``eda`` µS, ``temp`` °C, ``resp``. Labels: the ratings (1 to 9) as low or high by ``rule``, ``quadrant``,
    ``ratings``, and ``emotion`` (the one named). Trials are named after the film, column ``order`` is the place at
    which it was shown.

    Parameters
    ----------
    signals : which modalities; all, if none is named.
    baseline : the 30 s before a clip: ``drop``, ``keep`` as a part of the trial, or ``subtract`` (their mean is taken
        from each channel).
    subjects : which people, by number; all, if none is named.
    accept : self-checks that are waived, of `plausible.CHECKS`.
    as_published : signals whose unit is neither proved nor converted.

    Raises
    ------
    InputError : a part is not there, cannot be read, or cannot be what it says it is.
    """
    asked = _Asked.of(root, signals, baseline, subjects, accept, as_published)
    collector = partial(asked.collector, window_s, hop_s, rule)
    data = together(map(asked.trials, asked.sessions), collector, asked.notices, SPEC, asked.path)
    return asked.with_emotion(data)


def people(
    root: Path | str | None = None,
    *,
    signals: Sequence[str] = (),
    window_s: float | None = None,
    hop_s: float | None = None,
    baseline: str = "drop",
    rule: str = "ge5",
    subjects: Sequence[int] = (),
    accept: Sequence[str] = (),
    as_published: Sequence[str] = (),
) -> Iterator[Dataset]:
    """What `read` gives, one person after another, so that one person's signals are in memory at a time."""
    asked = _Asked.of(root, signals, baseline, subjects, accept, as_published)
    collector = partial(asked.collector, window_s, hop_s, rule)
    parts = apart(map(asked.trials, asked.sessions), collector, asked.notices, SPEC, asked.path)
    return each(asked.with_emotion, parts)


@dataclass(frozen=True)
class _Session:
    """What ``session.xml`` tells of a clip that somebody watched."""

    number: int
    subject: int
    film: str
    order: str
    seconds: float
    ratings: Mapping[str, float]
    emotion: str
    recording: Path


@dataclass
class _Asked:
    """What is read and how; ``sessions`` by person, in the order of their folders."""

    path: Path
    sessions: dict[int, list[_Session]]
    signals: tuple[str, ...]
    baseline: str
    checks: Plausible
    as_published: Sequence[str]
    rates: Mapping[str, float]
    said: list[str]
    skin: Skin = field(default_factory=Skin)
    emotions: dict[str, str] = field(default_factory=dict)
    _units: dict[int, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls, root: Path | str | None, signals: Sequence[str], baseline: str, subjects: Sequence[int],
        accept: Sequence[str], as_published: Sequence[str],
    ) -> _Asked:  # fmt: skip
        checked("baseline", baseline, BASELINES, SPEC.name)
        wanted = picked(signals, FIELDS, SPEC.name)
        untouched = picked(as_published, FIELDS, SPEC.name) if as_published else ()
        checks = Plausible(SPEC.name, accept)
        path, _ = find(SPEC, root)
        home = path / "Sessions" if (path / "Sessions").is_dir() else path
        folders = numbered((f for f in home.iterdir() if f.is_dir()), r"(\d+)") if home.is_dir() else {}
        if not folders:
            raise lacking(SPEC, "Sessions/1/session.xml", path)
        said: list[str] = []
        sessions = _sessions(folders, said)
        for n in subjects:
            if n not in sessions:
                raise lacking(SPEC, f"a session of person {n} with ratings", home)
        kept = {n: s for n, s in sorted(sessions.items()) if not subjects or n in subjects}
        if not kept:
            raise InputError("has no session in which a clip was rated", where=str(home), fix=f"Get it: {SPEC.where}")
        first = EdfChannels(next(iter(kept.values()))[0].recording)
        rates = {m: first.rate_hz(first.find(_CHANNELS[m][0])) for m in wanted}
        return cls(home, kept, wanted, baseline, checks, untouched, rates, said)

    def collector(self, window_s: float | None, hop_s: float | None, rule: str) -> Watched:
        modalities = {m: (FIELDS[m], self.rates[m]) for m in self.signals}
        return Watched(SPEC.name, modalities, window_s, hop_s, rule, (1.0, 9.0))

    def notices(self) -> list[str]:
        return [*self.said, *self.skin.notices(), *self.checks.notices]

    def with_emotion(self, data: Dataset) -> Dataset:
        """The same with the emotion that each person named."""
        told = [self.emotions[t] for t in data.index["trial"]]
        labels = Labels.of_classes(told, tuple(EMOTIONS.values()))
        return Dataset(data.index.with_labels(emotion=labels), data.features)

    def trials(self, n: int) -> Iterator[Trial]:
        """All trials of a person."""
        seen: set[str] = set()
        for session in self.sessions[n]:
            name = f"s{n:02d}-v{session.film}"
            if name in seen:
                self.said.append(f"session {session.number} shows {session.film} to s{n:02d} again and is left out")
                continue
            if (trial := self._trial(session)) is not None:
                seen.add(name)
                self.emotions[name] = session.emotion
                yield trial
        if not seen:
            self.said.append(f"s{n:02d} has no trials and is left out")

    def _trial(self, session: _Session) -> Trial | None:
        bdf = EdfChannels(session.recording)
        self.said += bdf.warnings
        times, _ = bdf.codes(bdf.find("Status", ""))
        times = times[times > 0]  # a word that is set from the start is no event
        if len(times) < 2:
            self.said.append(
                f"session {session.number} has {len(times)} of 2 events in its status channel and is left out"
            )
            return None
        onset, end = float(times[0]), float(times[1])
        begin = max(0.0, onset - REST_S)
        streams = {}
        for m in self.signals:
            places = [bdf.find(c) for c in _CHANNELS[m]]
            rate = bdf.rate_hz(places[0])
            if rate != self.rates[m]:
                raise InputError(f"has {m} at {rate:g} Hz, the first session at {self.rates[m]:g} Hz",
                                 where=str(session.recording), fix="Read them apart.")  # fmt: skip
            first = round(begin * rate) / rate
            values = bdf.values(places, first, end, "" if m == "eda" or m in self.as_published else m)
            clip = slice(round((onset - first) * rate), None)
            if m == "eda" and m not in self.as_published:
                unit = self._skin(values[clip], session, stated(bdf.told(places[0], m), "ohm"))
                values = SKIN_UNITS[unit](values).astype(np.float32)
            self._look(m, values[clip], rate, session)
            streams[m] = Channels(values, rate, first)
        if self.baseline == "subtract":
            streams = {m: subtracted(c, begin, onset) for m, c in streams.items()}
        start = begin if self.baseline == "keep" else onset
        return Trial(f"s{session.subject:02d}", f"v{session.film}", str(session.recording), streams, start, end,
                     session.ratings, {"order": session.order})  # fmt: skip

    def _look(self, m: str, clip: npt.NDArray[Any], rate: float, session: _Session) -> None:
        """Self-checks of the clip: between its two events it must last as long as the session says."""
        # Recordings have no reference but the amplifier's: what all electrodes share says nothing of the unit.
        seen = clip - clip.mean(axis=1, keepdims=True) if m in ("eeg", "ecg") and len(clip) else clip
        kind = "resp" if m in self.as_published else m  # respiration has no unit that could be checked
        self.checks.stream(kind, seen, rate, FIELDS[m], str(session.recording), expected_s=session.seconds)

    def _skin(self, values: npt.NDArray[Any], session: _Session, documented: str) -> str:
        """The unit in which a person's skin conductance was found first holds for all of the person's sessions."""
        if session.subject not in self._units:
            unit = self.skin.unit(session.subject, values[::64], session.recording, documented)
            self._units[session.subject] = unit
        return self._units[session.subject]


def _sessions(folders: Mapping[int, Path], said: list[str]) -> dict[int, list[_Session]]:
    """Sessions with ratings by person; what is left out is said by reason."""
    found: dict[int, list[_Session]] = {}
    left: dict[str, list[int]] = {}
    for number, folder in folders.items():
        file = folder / "session.xml"
        if not file.is_file():
            left.setdefault("have no session.xml", []).append(number)
            continue
        told = _xml(file)
        if "feltArsl" not in told.attrib or told.get("isStim", "1") == "0":
            left.setdefault("belong to other experiments (nothing was rated)", []).append(number)
            continue
        recordings = sorted(f for f in folder.iterdir() if f.suffix.lower() == ".bdf")
        if not recordings:
            left.setdefault("have no recording (BDF)", []).append(number)
            continue
        if len(recordings) > 1:
            raise InputError(
                f"holds {len(recordings)} recordings", where=str(folder), fix="Leave the one that is meant."
            )
        session = _session(number, told, file, recordings[0])
        found.setdefault(session.subject, []).append(session)
    said += [f"{len(n)} sessions {why} and are left out (first: {n[0]})" for why, n in left.items()]
    return found


def _xml(file: Path) -> ElementTree.Element:
    try:
        text = file.read_bytes()
        # A document type can name entities that grow without end; sessions have none.
        if b"<!DOCTYPE" in text.upper():
            raise ElementTree.ParseError("it declares a document type")
        return ElementTree.fromstring(text)
    except (OSError, ElementTree.ParseError, ValueError, LookupError) as error:
        raise InputError(f"cannot be read as XML ({error})", where=str(file), fix="Get the file again.") from error


def _session(number: int, told: ElementTree.Element, file: Path, recording: Path) -> _Session:
    def value(name: str) -> float:
        text = told.get(name, "")
        if not re.fullmatch(r"\s*-?\d+(\.\d+)?\s*", text):
            raise InputError(f"its {name} is {text!r}, not a number", where=str(file), fix="Get the file again.")
        return float(text)

    subject = told.find("subject")
    who = subject.get("id", "") if subject is not None else ""
    film = re.sub(r"\.\w+$", "", told.get("mediaFile", "").strip().lower())
    if not re.fullmatch(r"\d{1,4}", who.strip()) or not film:
        raise InputError("does not say who saw which film (subject id, mediaFile)", where=str(file),
                         fix="Get the file again.")  # fmt: skip
    felt = int(value("feltEmo")) if "feltEmo" in told.attrib else -1
    if felt not in EMOTIONS and felt != -1:
        raise InputError(f"its feltEmo is {felt}, which is none of {sorted(EMOTIONS)}", where=str(file),
                         fix="Get the file again.")  # fmt: skip
    ratings = {r: value(a) if a in told.attrib else float("nan") for r, a in _ATTRIBUTES.items()}
    for rating, rated in ratings.items():
        if rated < 1 or rated > 9:
            raise InputError(f"its {_ATTRIBUTES[rating]} is {rated:g}, outside 1 to 9", where=str(file),
                             fix="Get the file again.")  # fmt: skip
    return _Session(number, int(who), film, told.get("cutNr", ""), value("cutLenSec"), ratings,
                    EMOTIONS.get(felt, ""), recording)  # fmt: skip


#: Films of the twin; the code of its two events.
_FILMS, _EVENT = ("69.avi", "55.avi", "58.avi", "earworm_f.avi", "53.avi", "80.avi", "52.avi", "79.avi"), 16


def generate(
    root: Path, seed: int = 0, *, people: int = 2, trials: int = 4, effect: float = 1.0, fingerprint: float = 1.0
) -> WindowsTruth:
    """Two people and four films of 34 s, half a minute of rest on both sides; a session of another experiment."""
    clips = Clips(seed, effect, fingerprint)
    rate, seconds = 256, 34
    modalities = {m: (f, float(rate)) for m, f in FIELDS.items()}
    names: list[str] = []
    told: list[list[float]] = []
    felt: list[str] = []
    begins: list[float] = []
    number = 1
    for n in range(1, people + 1):
        for k in range(trials):
            # No event lies on a record's edge.
            onset = REST_S + 0.25
            made = clips.signals(n, k + 1, modalities, 2 * REST_S + seconds - onset, rest_s=onset)
            ratings = clips.ratings(n, k + 1, tuple(_ATTRIBUTES), (1, 9), 0)
            emotion = list(EMOTIONS)[(n + k) % len(EMOTIONS)]
            film = _FILMS[k % len(_FILMS)] if k < len(_FILMS) else f"{k}.avi"
            folder = root / "Sessions" / str(number)
            _recording(folder / f"Part_{n}_S_Trial{k + 1}_emotion.bdf", made, onset, seconds, rate, clips, n)
            answers = {a: f"{v:g}" for a, v in zip(_ATTRIBUTES.values(), ratings, strict=True)}
            _described(folder, number, n, film, k + 1, seconds, {**answers, "feltEmo": str(emotion)})
            names.append(f"s{n:02d}-v{film.removesuffix('.avi')}")
            told.append(ratings)
            felt.append(EMOTIONS[emotion])
            begins.append(onset)
            number += 2
    _described(root / "Sessions" / str(number), number, 1, "tag.avi", 1, 8, {})
    levels = {r: [LEVELS[row[i] >= 5] for row in told] for i, r in enumerate(_ATTRIBUTES)}

    def spoil(where: Path) -> str:
        file = where / "Sessions" / "1" / "session.xml"
        file.write_text(re.sub(r'feltVlnc="\d+"', 'feltVlnc="12"', file.read_text()))
        return "feltVlnc is 12"

    labels: dict[str, Sequence[Any]] = {
        **levels, "quadrant": quadrants(levels["valence"], levels["arousal"]),
        "ratings": [tuple(row) for row in told], "emotion": felt,
    }  # fmt: skip
    return WindowsTruth(
        names, [c[:3] for c in names], [""] * len(names), labels, parts=["Sessions"],
        tables=["Sessions/1/session.xml"], spoil=spoil, modalities={m: len(f) for m, f in FIELDS.items()},
        starts=begins,
    )  # fmt: skip


def _described(folder: Path, number: int, n: int, film: str, cut: int, seconds: int, answers: dict[str, str]) -> None:
    told = {"sessionId": str(number), "experimentType": "emotion elicitation" if answers else "implicit tagging",
            "isStim": "1", "cutNr": str(cut), "cutLenSec": f"{seconds}.0", "mediaFile": film, **answers}  # fmt: skip
    attributes = " ".join(f'{k}="{v}"' for k, v in told.items())
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<session {attributes}>\n  <subject id="{n}"/>\n</session>\n'
    write(folder / "session.xml", text)


def _recording(file: Path, made: dict[str, Any], onset: float, seconds: int, rate: int, clips: Clips, n: int) -> None:
    """47 channels as the amplifier writes them: volts against its reference, skin in ohm, events as short words."""
    file.parent.mkdir(parents=True, exist_ok=True)
    total = len(made["eeg"])
    offset = clips.person(n).drawn("offset").uniform(-2e4, 2e4, len(EEG) + 3)
    volts, ohms = (-262144.0, 262143.0), (-8388608, 8388607)
    channels: list[tuple[str, str, int, Any, Any]] = [
        (c, "uV", rate, volts, made["eeg"][:, i] + offset[i]) for i, c in enumerate(EEG)
    ]
    for k in range(8):
        values = made["ecg"][:, k] + offset[len(EEG) + k] if k < 3 else np.zeros(total)
        channels.append((f"EXG{k + 1}", "uV", rate, volts, values))
    channels.append(("GSR1", "Ohm", rate, ohms, 1e6 / made["eda"][:, 0]))
    channels += [(c, "", rate, volts, np.zeros(total)) for c in ("GSR2", "Erg1", "Erg2")]
    channels += [("Resp", "", rate, volts, made["resp"][:, 0]), ("Temp", "degC", rate, volts, made["temp"][:, 0])]
    status = np.zeros(total)
    for at in (onset, onset + seconds):
        first = round(at * rate)
        status[first : first + 4] = _EVENT
    channels.append(("Status", "Boolean", rate, ohms, status))
    write_bdf(file, channels, reserved="24BIT", width=3)
