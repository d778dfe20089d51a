"""The bundle ``face`` on one picture or recording: the same steps as in the analysis, for one face.

::

    small picture, or one without a face ──────────────────► the picture is the face
    picture ─► detectors ─► mesh ─► the largest face ──────► tight square ─► net
    video ─► five frames a second ─► who is seen longest ──► one row a frame
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from moodal import weights
from moodal.core.bundle import Bundle
from moodal.core.clock import FloatArray
from moodal.core.errors import InputError
from moodal.core.recording import Recording
from moodal.core.runner import Evidence, Example, Told
from moodal.core.scheme import SCHEMES
from moodal.core.stream import PictureChunk
from moodal.dsp.calibration import tempered
from moodal.dsp.face_geometry import box, head_pose, picture_quality
from moodal.media import read as opened

from .ahead import Mesher
from .classifier import ExpressionNet, Grey, tight, whole
from .crops import Frame
from .extractor import face_quality
from .nets import Detector, MeshNet
from .tracker import Seen, Tracker

__all__ = ["FaceRunner", "largest_of", "open_runner", "reason_of", "shifted"]

#: A picture whose longer side is below this is a face crop, px.
SMALL = 100
#: Frames of a recording that are read, 1/s.
RATE = 5.0
#: Time, end and pixels.
_Frame = tuple[float, float, Frame]


def open_runner(bundle: Bundle) -> FaceRunner:
    """What runs the bundle.

    Raises
    ------
    ModelError : a member is missing or damaged.
    """
    return FaceRunner(bundle)


def shifted(log_probabilities: FloatArray, bundle: Bundle) -> FloatArray:
    """Log scores ``(..., 8)`` with the manifest's ``prior_shift`` added: a share of the log ratio between how often
    each class occurs in natural pictures and how often it did in training."""
    told = bundle.manifest.get("prior_shift") or {}
    return np.asarray(log_probabilities) + np.asarray(told.get("added", 0.0), np.float64)


class FaceRunner:
    """See `moodal.core.runner.Runner`. Evidence has one row a frame: eight log-probabilities, and how unlike a face of
    training it is."""

    multilabel: frozenset[str] = frozenset()
    uses_baseline = False

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.schemes: Mapping[str, tuple[str, ...]] = {
            name: SCHEMES[name].classes for name in ("ekman8", "sentiment3", "meld7")
        }
        self._net = ExpressionNet.of(bundle)

    def read(self, example: Example) -> Evidence | str:
        """What the example's face shows, or the gap reason why it shows nothing.

        Raises
        ------
        InputError : no file is named, or it cannot be read.
        """
        if example.file is None:
            raise InputError("names no picture or recording", fix="Fill the column file.")
        recording = opened(example.file)
        if recording.stream("picture") is None:
            return "no_stream"
        if recording.still:
            chunk = next(iter(recording.chunks("picture")))
            assert isinstance(chunk, PictureChunk)
            return self._still(chunk.frames[0])
        return self._video(_sampled(recording, example))

    def tell(self, evidence: Evidence, person: Sequence[Evidence] = ()) -> Told:
        """Calibrated shares of the eight classes: the mean log-probability over frames, shifted and tempered."""
        calibration = self.bundle.manifest["calibration"] or {}
        scores = tempered(shifted(np.asarray(evidence[:, :8], np.float64).mean(axis=0), self.bundle), calibration)
        most = float(calibration.get("out_of_domain", {}).get("most", np.inf))
        strange = float(np.median(evidence[:, 8])) > most
        return Told(scores, "out_of_domain" if strange else "")

    def _row(self, face: Grey) -> Evidence:
        told, away = self._net(face)
        return np.append(told, away).astype(np.float32)[None]

    def _still(self, picture: Frame) -> Evidence | str:
        if max(picture.shape[:2]) < SMALL:
            return self._row(whole(picture))
        seen = list(self._followed([(0.0, 1.0, picture)], still=True))
        largest = largest_of(seen[-1]) if seen else None
        if largest is None:
            return self._row(whole(picture))
        return reason_of(largest) or self._row(tight(largest.crop, largest.square, largest.points))

    def _video(self, frames: Iterable[_Frame]) -> Evidence | str:
        rows: dict[str, list[Evidence]] = {}
        area: dict[str, float] = {}
        reasons: dict[str, dict[str, int]] = {}
        for seen in self._followed(frames, still=False):
            for name, one in seen.items():
                reason = reason_of(one)
                if reason:
                    told = reasons.setdefault(name, {})
                    told[reason] = told.get(reason, 0) + 1
                    continue
                rows.setdefault(name, []).append(self._row(tight(one.crop, one.square, one.points)))
                area[name] = area.get(name, 0.0) + float(np.sqrt(np.prod(box(one.points)[2:])))
        if not rows:
            counted = [item for told in reasons.values() for item in told.items()]
            return max(counted, key=lambda item: item[1])[0] if counted else "no_face"
        return np.concatenate(rows[max(area, key=area.__getitem__)])

    @staticmethod
    def _followed(frames: Iterable[_Frame], *, still: bool) -> Iterator[dict[str, Seen]]:
        short = Detector(weights.litert("face-detector-short"), full=False)
        full = Detector(weights.litert("face-detector-full"), full=True)
        tracker = Tracker(short, full, Mesher(MeshNet(weights.litert("face-landmarks"))), still=still)
        for time, end, frame in frames:
            for note in tracker.push(frame, time, end):
                yield note.seen
        for note in tracker.close():
            yield note.seen


def reason_of(seen: Seen) -> str:
    """Why a face gives no value, as in the analysis; empty where it does."""
    yaw, pitch, _ = head_pose(seen.points)
    sharpness, light = picture_quality(seen.crop)
    size = float(box(seen.points)[2:].max())
    return face_quality(size, sharpness, light, yaw, pitch, seen.presence)[1]


def largest_of(seen: Mapping[str, Seen]) -> Seen | None:
    """The face with the largest box."""
    return max(seen.values(), key=lambda s: float(np.prod(box(s.points)[2:])), default=None)


def _sampled(recording: Recording, example: Example) -> Iterator[_Frame]:
    start, end = example.start_s or 0.0, example.end_s
    following = -np.inf
    for chunk in recording.chunks("picture", start=start, end=end):
        assert isinstance(chunk, PictureChunk)
        for time, until, frame in zip(chunk.times.tolist(), chunk.ends.tolist(), chunk.frames, strict=True):
            if time >= following - 1e-6:
                following = time + 1 / RATE
                yield time, until, frame
