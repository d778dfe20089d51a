"""Pictures in, tracks of every face out.

Two stages in two threads: the first follows faces from frame to frame, the second measures what was
followed (blendshapes and everything computed from them). What a face gives depends on its own frame
and its own past, never on how frames came grouped.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from moodal import weights
from moodal.core.clock import FloatArray
from moodal.core.extractor import MeasureContext
from moodal.core.stream import Chunk, PictureChunk
from moodal.core.track import NOBODY, Gap, Piece
from moodal.dsp.face_expression import action_units, expression
from moodal.dsp.face_geometry import box, eye_openness, gaze, head_pose, picture_quality

from .ahead import Mesher
from .crops import Frame
from .nets import BLENDSHAPES, BlendshapeNet, Detector, MeshNet
from .scorer import scorer_of
from .tracker import FrameNote, Seen, Tracker
from .tracks import TRACKS

__all__ = ["FaceExtractor", "face_quality"]

#: Time and end (s) of a frame, its pixels, and by how much the picture was larger.
_Row = tuple[float, float, Frame, float]
_FIELDS = {spec.name: len(spec.fields) for spec in TRACKS}

#: Frames of which the next ones must be there before they are followed, so that these can be begun on.
AHEAD = 2
#: A picture darker than this (mean luma) shows nothing.
DARK = 0.06
#: Lost inside the picture without a cut: taken for covered this long, then for gone.
COVERED_S = 3.0
#: A stretch without any picture at least this long is a hole.
HOLE_S = 0.5
#: Limits beyond which a face gives no value: presence logit, px, grey levels, luma, degrees.
LEAST_PRESENCE, LEAST_SIZE, LEAST_SHARP, LEAST_LIGHT, MOST_YAW, MOST_PITCH = 3.0, 24.0, 1.2, 0.06, 60.0, 50.0
#: Window of blink rate and PERCLOS, and what must have been seen before they are told, s.
WINDOW_S, WARM_UP_S = 60.0, 10.0


def _ramp(value: float, low: float, high: float) -> float:
    return min(max((value - low) / (high - low), 0.0), 1.0)


def face_quality(
    size: float, sharpness: float, light: float, yaw: float, pitch: float, presence: float
) -> tuple[float, str]:
    """Quality in [0, 1] and, where a face gives no value at all, the reason (else empty).

    The product of five ramps: from useless to good at 24 to 80 px, 1.2 to 6 grey levels, luma 0.06 to
    0.2, presence logit 3 to 14, and from good to useless at 35 to 60° of yaw and 30 to 50° of pitch.
    """
    reason = ""
    if presence < LEAST_PRESENCE:
        reason = "occluded"
    elif size < LEAST_SIZE:
        reason = "face_small"
    elif light < LEAST_LIGHT:
        reason = "dark"
    elif abs(yaw) > MOST_YAW or abs(pitch) > MOST_PITCH:
        reason = "face_turned"
    elif sharpness < LEAST_SHARP:
        reason = "face_blurred"
    quality = (
        (0.1 + 0.9 * _ramp(size, LEAST_SIZE, 80))
        * (0.1 + 0.9 * _ramp(sharpness, LEAST_SHARP, 6))
        * (0.1 + 0.9 * _ramp(light, LEAST_LIGHT, 0.2))
        * (0.1 + 0.9 * _ramp(presence, LEAST_PRESENCE, 14))
        * (1 - 0.9 * max(_ramp(abs(yaw), 35, MOST_YAW), _ramp(abs(pitch), 30, MOST_PITCH)))
    )
    return quality, reason


@dataclass
class _Lids:
    """One person's last minute: (time, length, closed) of each frame, and when blinks began."""

    frames: deque[tuple[float, float, bool]] = field(default_factory=deque)
    blinks: deque[float] = field(default_factory=deque)
    seen: float = 0.0
    closed_for: float = 0.0
    closed: bool = False

    def push(self, time: float, length: float, closed: bool) -> tuple[float, float]:
        """Blink rate (1/min) and PERCLOS of the last minute, NaN while warming up."""
        if closed and not self.closed:
            self.blinks.append(time)
        self.closed = closed
        self.frames.append((time, length, closed))
        self.seen += length
        self.closed_for += length * closed
        while self.frames and self.frames[0][0] <= time - WINDOW_S:
            _, gone, was = self.frames.popleft()
            self.seen -= gone
            self.closed_for -= gone * was
        while self.blinks and self.blinks[0] <= time - WINDOW_S:
            self.blinks.popleft()
        if self.seen < WARM_UP_S:
            return np.nan, np.nan
        return len(self.blinks) * 60.0 / self.seen, max(self.closed_for, 0.0) / self.seen


@dataclass
class _Run:
    """Where a person stands: since when which reason holds (empty: told), and when last in view."""

    reason: str
    since: float
    last_seen: float = -np.inf
    left: bool = True  #: gone over the edge, or by a cut
    blurred: bool = False  #: lost to blur


class FaceExtractor:
    """See `moodal.core.extractor.Extractor`."""

    def __init__(self, context: MeasureContext) -> None:
        self.context = context
        short = Detector(weights.litert("face-detector-short"), full=False)
        full = Detector(weights.litert("face-detector-full"), full=True)
        mesh = Mesher(*(MeshNet(weights.litert("face-landmarks")) for _ in range(2)))
        self.tracker = Tracker(short, full, mesh, still=context.still)
        self.blendshapes = BlendshapeNet(weights.litert("face-blendshapes"))
        self.scorer = scorer_of(context)
        self.runs: dict[str, _Run] = {NOBODY: _Run("", context.span.start)}
        self.lids: dict[str, _Lids] = {}
        self._next = -np.inf
        self._held: deque[_Row] = deque()  # the last frames so far: followed once the next ones are there
        self._live = bool(context.options.get("live"))
        self._until: float | None = None
        self._past: list[tuple[float, float, str]] = []  # stretches so far, for people who come later
        self._worker = ThreadPoolExecutor(1)
        self._waiting: deque[Future[list[Piece]]] = deque()

    def push(self, chunk: Chunk) -> list[Piece]:
        """Follow the chunk's faces; give what the second thread has finished."""
        assert isinstance(chunk, PictureChunk)
        rate = self.context.options.get("fps")
        for row in zip(chunk.times.tolist(), chunk.ends.tolist(), chunk.frames, strict=True):
            if rate is None or row[0] >= self._next - 1e-6:
                self._next = row[0] + (1 / rate if rate is not None else 0.0)
                self._held.append((*row, chunk.scale))
        # Live, nobody knows when the next frame comes: all are read at once.
        self._hand_over(self._follow(keep=0 if self._live else AHEAD))
        done: list[Piece] = []
        # Never far behind: two chunks of crops are all that may wait.
        while self._waiting and (self._live or self._waiting[0].done() or len(self._waiting) > 2):
            done += self._waiting.popleft().result()
        return done

    def close(self) -> list[Piece]:
        """The rest of the notes, and gaps up to the end of the span."""
        self._hand_over(self._follow(keep=0) + self.tracker.close())
        done = [p for future in self._waiting for p in future.result()]
        self._waiting.clear()
        self._worker.shutdown()
        end = self.context.span.end
        last = self._until if self._until is not None else self.context.span.start
        gaps: dict[str, list[Gap]] = {name: [] for name in self.runs}
        for name, run in self.runs.items():
            if end - last > HOLE_S:
                # The picture stopped before the recording did.
                self._close_run(run, last, gaps[name])
                gaps[name].append(Gap(last, end, "no_stream"))
            else:
                self._close_run(run, end, gaps[name])
        return done + self._gap_pieces(gaps)

    def _follow(self, keep: int) -> list[FrameNote]:
        """Frames that were held to the tracker, all but the last ``keep``."""
        notes: list[FrameNote] = []
        while len(self._held) > keep:
            time, end, frame, scale = self._held.popleft()
            coming = [(at, following) for at, _, following, _ in islice(self._held, AHEAD)]
            notes += self.tracker.push(frame, time, end, scale=scale, coming=coming)
        return notes

    def _hand_over(self, notes: list[FrameNote]) -> None:
        if notes:
            self._waiting.append(self._worker.submit(self._measure, notes))

    # The second thread, from here on.

    def _measure(self, notes: list[FrameNote]) -> list[Piece]:
        gaps: dict[str, list[Gap]] = {}
        rows: dict[str, list[tuple[float, float, dict[str, FloatArray]]]] = {}
        for note in notes:
            self._hole(note, gaps)
            self._until = note.end
            told_to: set[str] = set()
            for name, seen in note.seen.items():
                values, quality, reason = self._face(name, note, seen)
                run = self._run_of(name, note.time)
                run.last_seen = note.time
                run.left, run.blurred = _at_edge(values["face.quality"]), False
                self._switch(run, reason, note.time, gaps.setdefault(name, []))
                if not reason:
                    rows.setdefault(name, []).append((note.time, quality, values))
                    told_to.add(name)
            for name, run in self.runs.items():
                if name not in note.seen and name != NOBODY:
                    run.left |= note.cut
                    run.blurred |= name in note.blurred
                    self._switch(run, _why_gone(note, run), note.time, gaps.setdefault(name, []))
            nobody = "" if note.seen else ("dark" if note.luma < DARK else "no_face")
            self._past_add(note, nobody)
            self._switch(self.runs[NOBODY], nobody, note.time, gaps.setdefault(NOBODY, []))
        return self._pieces(rows) + self._gap_pieces(gaps)

    def _face(self, name: str, note: FrameNote, seen: Seen) -> tuple[dict[str, FloatArray], float, str]:
        width, height = note.size
        yaw, pitch, roll = head_pose(seen.points)
        sharpness, light = picture_quality(seen.crop)
        x, y, w, h = box(seen.points).tolist()
        size = max(w, h) * note.scale
        quality, reason = face_quality(size, sharpness, light, yaw, pitch, seen.presence)
        angle = float(np.degrees(np.arccos(np.clip(np.cos(np.radians(yaw)) * np.cos(np.radians(pitch)), -1, 1))))
        values = {
            "face.quality": np.array(
                [x / width, y / height, w / width, h / height, size, sharpness, light, angle, seen.presence]
            )
        }
        if reason:
            return values, quality, reason
        scores = self.blendshapes(seen.points)
        shapes = dict(zip(BLENDSHAPES, scores.tolist(), strict=True))
        closed = (shapes["eyeBlinkLeft"] + shapes["eyeBlinkRight"]) / 2 > 0.5
        rate, perclos = self.lids.setdefault(name, _Lids()).push(note.time, note.end - note.time, closed)
        classes, intensity = expression(shapes)
        if self.scorer is not None:
            classes = self.scorer(name, note.time, seen, classes)
        values["face.blendshapes"] = scores
        values["face.action_units"] = action_units(shapes)
        values["face.pose"] = np.array([yaw, pitch, roll])
        values["face.gaze"] = np.array(gaze(seen.points))
        values["face.eyes"] = np.array([*eye_openness(seen.points), float(closed), rate, perclos])
        values["face.expression"] = np.append(classes, intensity)
        if self.context.wants("face.landmarks"):
            values["face.landmarks"] = (seen.points / np.array([width, height, width], np.float32)).ravel()
        return values, quality, ""

    def _run_of(self, name: str, time: float) -> _Run:
        """The person's run; at first sight, what was before is a gap for them too."""
        if name not in self.runs:
            self.runs[name] = _Run("new", time)
        return self.runs[name]

    def _past_add(self, note: FrameNote, reason: str) -> None:
        reason = reason or "no_face"
        if self._past and self._past[-1][2] == reason and note.time <= self._past[-1][1] + HOLE_S:
            start, _, _ = self._past.pop()
            self._past.append((start, note.end, reason))
        else:
            self._past.append((self._past[-1][1] if self._past else self.context.span.start, note.end, reason))

    def _switch(self, run: _Run, reason: str, time: float, gaps: list[Gap]) -> None:
        if run.reason == "new":
            # Until now this person was not in view: dark where it was dark, else no face.
            gaps += [Gap(a, min(b, time), r) for a, b, r in self._past if a < time]
            if not self._past and time > self.context.span.start:
                gaps.append(Gap(self.context.span.start, time, "no_face"))
            elif self._past and self._past[-1][1] < time:
                gaps.append(Gap(self._past[-1][1], time, "no_face"))
            run.reason, run.since = reason, time
        elif run.reason != reason:
            self._close_run(run, time, gaps)
            run.reason, run.since = reason, time

    @staticmethod
    def _close_run(run: _Run, time: float, gaps: list[Gap]) -> None:
        if run.reason and time > run.since:
            gaps.append(Gap(run.since, time, run.reason))
        run.since = time

    def _hole(self, note: FrameNote, gaps: dict[str, list[Gap]]) -> None:
        """No picture for a while: nothing was read there, for anybody."""
        last = self._until if self._until is not None else self.context.span.start
        if note.time - last <= HOLE_S or (self.context.options.get("fps") or 100) < 1 / HOLE_S:
            return
        reason = "unreadable" if self._until is not None else "no_stream"
        for name, run in self.runs.items():
            self._close_run(run, last, gaps.setdefault(name, []))
            gaps[name].append(Gap(last, note.time, reason))
            run.since = note.time
        self._past.append((last, note.time, reason))

    def _pieces(self, rows: dict[str, list[tuple[float, float, dict[str, FloatArray]]]]) -> list[Piece]:
        pieces = []
        for name, samples in rows.items():
            times = np.array([t for t, _, _ in samples])
            quality = np.array([q for _, q, _ in samples], np.float32)
            for track in samples[0][2]:
                if self.context.wants(track):
                    values = np.stack([v[track] for _, _, v in samples]).astype(np.float32)
                    pieces.append(Piece(track, name, times, values, quality))
        return pieces

    def _gap_pieces(self, gaps: dict[str, list[Gap]]) -> list[Piece]:
        pieces = []
        for name, found in gaps.items():
            for track, fields in _FIELDS.items():
                # What holds for the whole stream is told once, beside the quality.
                if found and self.context.wants(track) and (name != NOBODY or track == "face.quality"):
                    pieces.append(Piece.gap(track, name, fields, *found))
        return pieces


def _at_edge(quality: FloatArray) -> bool:
    """Whether a face touches the edge of the picture: it may be leaving."""
    x, y, width, height = quality[:4]
    return bool(x < 0.02 or y < -0.05 or x + width > 0.98 or y + height > 1.05)


def _why_gone(note: FrameNote, run: _Run) -> str:
    if note.luma < DARK:
        return "dark"
    if run.left or note.time - run.last_seen > COVERED_S:
        return "no_face"
    return "face_blurred" if run.blurred else "occluded"
