"""Where the fusion learns from: what experts told of examples that they had not seen, in ekman8."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.errors import UsageError
from moodal.core.scheme import EKMAN8, mapping
from moodal.dsp.calibration import tempered
from moodal.fuse.learnt import log_scores
from moodal.lab.data.index import Index
from moodal.lab.data.spec import data_home
from moodal.lab.experts import calibrate
from moodal.lab.experts.made import Made, OutOfFold
from moodal.lab.experts.standin import stand_in
from moodal.lab.experts.work import Work

from .pairs import Pool
from .smoothing import width

__all__ = ["Pooled", "Trials", "Votes", "crema", "faces", "sentences", "smoothing", "trials", "voices"]

Array = npt.NDArray[Any]

_C = len(EKMAN8)
#: Votes of a rater are doubled by this many spread over all classes, so that no class is excluded by ten people.
_SPREAD = 0.5


@dataclass(frozen=True)
class Pooled:
    """One expert's answers: log scores in ekman8 with truth and people, how they came about, and of which examples."""

    pool: Pool
    protocol: str
    index: Index | None = None


@dataclass(frozen=True)
class Trials:
    """Trials that were both heard and seen: log scores ``(n, 8)`` by modality, class, actor."""

    logs: dict[str, Array]
    truth: Array
    subject: Array
    index: Index
    protocol: str


@dataclass(frozen=True)
class Votes:
    """CREMA-D: log vote shares ``(n, 6)`` of those who heard and of those who saw, shares of those who did both."""

    logs: dict[str, Array]
    truth: Array
    subject: Array
    classes: tuple[str, ...]
    index: Index


def _fitted(made: Made) -> dict[str, Any]:
    return calibrate.fit([made.parts[p] for p in made.calibrate_on], scaling=made.scaling)


def _ravdess(made: Made) -> OutOfFold:
    """The voice's answers to single clips of RAVDESS."""
    return made.parts["ravdess"]


def _in_ekman8(scores: Array, contempt: float) -> Array:
    """Log scores in ekman8 of probabilities in voice8, which knows nothing of contempt."""
    shares = np.where(np.array(EKMAN8) == "contempt", contempt, 0.0)
    return log_scores(mapping("voice8", "ekman8").apply(scores), shares)


def _heard(made: Made, part: OutOfFold, contempt: float) -> Array:
    """A voice's calibrated log scores in ekman8."""
    return _in_ekman8(tempered(part.logits, _fitted(made)), contempt)


def trials(work: Work, contempt: float) -> Trials:
    """RAVDESS's 300 trials that have measures of the face, with the voice of the same trial."""
    made = work.made("voice")
    part = _ravdess(made)
    if part.clip is None:
        raise UsageError("does not name its clips, so that no face can be put beside a voice", where=part.protocol)
    seen = stand_in(work)
    head = seen.part()
    # Calibrated as the face itself is: what is learnt is how far to trust two calibrated answers at once.
    faces = _in_ekman8(tempered(head.logits, calibrate.fit([head])), contempt)
    place = {c.removesuffix(".opus"): i for i, c in enumerate(part.clip.tolist())}
    rows = np.array([place[c.removesuffix(".opus")] for c in seen.audio_clip.tolist()])
    truth = mapping("voice8", "ekman8").table[seen.truth].argmax(axis=1)
    index = work.data("ravdess", part="av").index
    return Trials(
        {"face": faces, "voice": _heard(made, part, contempt)[rows]}, truth, seen.subject, index,
        "RAVDESS trials heard and seen, each modality left out by actor",
    )  # fmt: skip


def voices(work: Work, contempt: float) -> Pooled:
    """Everything that the voice told of single clips."""
    made = work.made("voice")
    parts = [made.parts[p] for p in made.calibrate_on]
    told = mapping("voice8", "ekman8").table
    return Pooled(
        Pool(
            np.concatenate([_heard(made, p, contempt) for p in parts]),
            np.concatenate([told[p.truth].argmax(axis=1) for p in parts]),
            np.concatenate([np.char.add(f"{i}|", np.asarray(p.subject, str)) for i, p in enumerate(parts)]),
        ),
        "; ".join(p.protocol for p in parts),
    )


def faces(work: Work) -> Pooled:
    """What the face told of FER+ validation."""
    made = work.made("face")
    part = made.parts[made.calibrate_on[0]]
    logs = np.log(np.maximum(tempered(part.logits, _fitted(made)), 1e-3))
    return Pooled(Pool(logs, np.asarray(part.truth), np.asarray(part.subject)), part.protocol)


def sentences(work: Work, contempt: float) -> Pooled:
    """What the words told of GoEmotions sentences of one class."""
    made = work.made("words")
    part = made.parts[made.calibrate_on[0]]
    place = [EKMAN8.index(c) for c in part.classes]
    scores = np.zeros((len(part.logits), _C))
    scores[:, place] = tempered(part.logits, _fitted(made))
    shares = np.array([0.0 if c in part.classes else contempt for c in EKMAN8])
    return Pooled(
        Pool(log_scores(scores, shares), np.asarray(place)[part.truth], np.asarray(part.subject)), part.protocol
    )  # fmt: skip


def crema(work: Work) -> Votes:
    """Who heard, who saw, and who did both."""
    data = work.data("crema")
    votes = data.index.label("av_votes")
    truth = np.asarray(votes.values, np.float64)

    def logs(name: str) -> Array:
        shares = np.asarray(data.features[name].values, np.float64)
        return np.log((shares + _SPREAD / 10 / len(votes.names)) / (1 + _SPREAD / 10))

    return Votes(
        {"face": logs("face_votes"), "voice": logs("voice_votes")},
        truth,
        data.index["subject"],
        votes.names,
        data.index,
    )


def smoothing(work: Work) -> tuple[float, dict[float, float], str]:
    """The width of the face's smoothing, s, what others would cost, and which model's answers told it.

    From the films of `face_clips`, which are of faces that talk, smile and turn.

    Raises
    ------
    InputError : the films are not there.
    """
    from moodal.analyze import extract_from
    from moodal.core.errors import InputError
    from moodal.media import read
    from moodal.settings import settings_from

    home = work.root or data_home()
    films = sorted((home / "face_clips").glob("*.m[po][4v]")) if home is not None else []
    if not films:
        raise InputError("face_clips has no films", where=str(home), fix="Set MOODAL_DATA to where it lies.")
    settings = settings_from()

    def measured() -> dict[str, Array]:
        found = {}
        for film in films:
            tracks, _ = extract_from(read(film), "face.expression", settings)
            for name, track in tracks.items():
                if len(track) > 20:
                    found[f"{film.stem}|{name}|times"] = track.times
                    found[f"{film.stem}|{name}|scores"] = np.asarray(track.values[:, :_C], np.float64)
        return found

    bundle = settings.chosen.experts.get("face", "the written rule")
    told = work.kept("films", measured, bundle, settings.sha256)
    keys = sorted(k.removesuffix("|times") for k in told if k.endswith("|times"))
    best, losses = width([(told[f"{k}|times"], told[f"{k}|scores"]) for k in keys])
    return best, losses, bundle
