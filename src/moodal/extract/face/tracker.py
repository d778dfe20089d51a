"""Who is in each frame: found once, followed by landmarks, known again after an absence.

A face is followed from frame to frame by the mesh alone; detectors run twice a second for newcomers,
and many times a second while nobody is there or somebody has just been lost. Everything is causal and
depends on the frames and their times only, so that chunks leave no trace.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray
from moodal.dsp.face_geometry import picture_quality

from .ahead import Mesher
from .crops import Frame, crop_of_box, crop_of_points, expected
from .nets import Detector, overlap

__all__ = ["Coming", "FrameNote", "Seen", "Tracker", "box_of"]

#: The time of a frame that is still to be followed, and the frame.
Coming = tuple[float, Frame]

#: Presence logits of the mesh: clear faces give 15 to 24, a hand over the mouth 4 to 12, cartoons up to 10.
FOUND, FOLLOWED, AGAIN = 10.0, 0.0, 5.0
#: A newcomer is a person after this long without a break.
CONFIRM_S = 0.2
#: Newcomers are looked for this often while everybody known is being followed.
LOOK_S = 0.5
#: Where nobody is in view or somebody was just lost, this often: at every frame of a slow film.
SEARCH_S = 0.08
#: Where somebody was lost, a face within this time and about a face's width is the same one.
SHORT_S = 2.0
#: Frames further apart than this are read where the last one says, not the one before it (see `Tracker`).
SLOW_S = 0.06
#: Distance of shape descriptors (see `descriptor`) below which a face is a known person's.
SAME_SHAPE, SAME_SHAPE_ALONE = 0.055, 0.09
#: Sharpness (grey levels) below which a face that was lost was lost to blur.
SHARP = 2.0
#: Mean change of a 16 × 9 thumbnail (0 to 1) that is a cut of the film, not a movement in it.
CUT = 0.18
#: Points that hardly move with expression: eye corners, bridge and tip of the nose, temples, cheekbones, jaw.
_STIFF = np.array(
    [33, 133, 362, 263, 168, 6, 197, 195, 5, 4, 1, 98, 327, 234, 454, 127, 356, 10, 109, 338, 152, 58, 288]
)
#: Every two of them.
_PAIRS = np.triu_indices(len(_STIFF), 1)


@dataclass
class Seen:
    """One person in one frame: points ``(478, 3)`` px, presence logit, the pixels they were read from, and the square
    (x, y, side, angle) of the frame that these are."""

    points: FloatArray
    presence: float
    crop: Frame
    square: FloatArray


@dataclass
class _Face:
    """A face being followed; ``person`` is empty until it is confirmed.

    ``square`` is where the next frame is read, ``ahead`` where the one after it, once that is known.
    """

    points: FloatArray
    square: FloatArray
    since: float
    person: str = ""
    before: FloatArray | None = None  #: points one frame earlier
    ahead: FloatArray | None = None
    held: list[tuple[int, Seen]] = field(default_factory=list)


@dataclass
class _Person:
    """A person known: where and when last seen, mean shape and how often it was measured."""

    box: FloatArray
    last: float
    shape: FloatArray
    n: int


@dataclass
class FrameNote:
    """What one frame says: who is followed, where those were who are not, and whether the film was cut."""

    time: float
    end: float
    luma: float
    cut: bool
    size: tuple[int, int] = (1, 1)  #: width and height of the frame
    scale: float = 1.0  #: by how much the picture was larger than the frame
    seen: dict[str, Seen] = field(default_factory=dict)
    blurred: set[str] = field(default_factory=set)  #: lost in this frame because all detail went


def box_of(points: FloatArray) -> FloatArray:
    """``(x, y, width, height)`` px around the points."""
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    return np.concatenate([low, high - low])


def descriptor(points: FloatArray) -> FloatArray:
    """Shape of a face without its place, size and turn: sorted-out distances ``(m,)``.

    Distances in 3D between stiff points over their mean: a turn of the head changes none of them.
    """
    stiff = np.asarray(points[_STIFF], float)
    gap = stiff[:, None] - stiff[None]
    distances = np.sqrt((gap**2).sum(-1))[_PAIRS]
    return np.asarray(distances / distances.mean())


def _distance(a: FloatArray, b: FloatArray) -> float:
    return float(np.abs(a - b).mean())


class Tracker:
    """Frames in, `FrameNote` out; a note is held back until every newcomer in it is confirmed or gone.

    Where a face is read in a frame follows from the frames up to the one before the last, so that two
    frames can be read at once; in a slow film, in which a face may have gone far by then, from the last.
    """

    def __init__(self, short: Detector, full: Detector, mesh: Mesher, *, still: bool = False) -> None:
        self.short, self.full, self.mesh, self.still = short, full, mesh, still
        self.faces: list[_Face] = []
        self.people: dict[str, _Person] = {}
        self._notes: list[FrameNote] = []
        self._first = 0  # index of the first note still held
        self._look_at = -np.inf
        self._searched_at = -np.inf
        self._lost_at = -np.inf
        self._last = -np.inf
        self._worker = ThreadPoolExecutor(1)
        self._thumb: npt.NDArray[np.float32] | None = None

    def push(
        self, frame: Frame, time: float, end: float, *, scale: float = 1.0, coming: Sequence[Coming] = ()
    ) -> list[FrameNote]:
        """Follow, look for newcomers, and give the notes that became final.

        ``scale`` is noted with the frame (see `FrameNote`); ``coming`` are the next two frames where they are there
        already: work begins on them meanwhile.
        """
        first, second = (*coming[:2], None, None)[:2]
        if time - self._last <= SLOW_S:
            self._look_ahead(first)
        else:
            for face in self.faces:
                face.ahead = None
        self._last = time
        thumb = _thumbnail(frame)
        cut = self._thumb is not None and float(np.abs(thumb - self._thumb).mean()) > CUT
        self._thumb = thumb
        note = FrameNote(time, end, float(thumb.mean()), cut, (frame.shape[1], frame.shape[0]), scale)
        index = self._first + len(self._notes)
        self._notes.append(note)
        self._follow(frame, note, index)
        if first is not None and first[0] - time <= SLOW_S:
            # Before newcomers are looked for, so that both cores have something to read meanwhile.
            self._look_ahead(second)
        searching = (not self.faces or time - self._lost_at < SHORT_S) and time - self._searched_at >= SEARCH_S
        if self.still or time >= self._look_at or searching or cut:
            self._search(frame, note, index, thorough=self.still or time >= self._look_at)
        self.mesh.forget(frame)
        self._confirm(time)
        return self._final()

    def close(self) -> list[FrameNote]:
        """The rest; a newcomer who was not there long enough never was."""
        self.mesh.close()
        self._worker.shutdown(wait=False)
        for face in self.faces:
            if not face.person and self.still:
                self._admit(face, self._notes[-1].time)
        self.faces = [f for f in self.faces if f.person]
        return self._final()

    def _look_ahead(self, coming: Coming | None) -> None:
        """Say where each face is read in the frame after the next one, and begin on that frame if it is there."""
        fresh = [face for face in self.faces if face.ahead is None]
        for face in fresh:
            face.ahead = crop_of_points(expected(face.points, face.before), face.square)
        if coming is not None:
            self.mesh.begin(coming[1], [face.ahead for face in fresh if face.ahead is not None])

    def _follow(self, frame: Frame, note: FrameNote, index: int) -> None:
        kept: list[_Face] = []
        for face in self.faces:
            if note.cut:
                self._lost_at = note.time
                continue
            points, presence, crop = self.mesh(frame, face.square)
            box = box_of(points)
            twice = any(overlap(box, box_of(other.points)) > 0.5 for other in kept)
            if presence <= FOLLOWED or twice or not _inside(box, frame):
                self._lost_at = note.time
                if _blurred(crop):
                    note.blurred.add(face.person)
                continue
            self._keep(face, note, index, Seen(points, presence, crop, face.square))
            face.before, face.points = face.points, points
            face.square = crop_of_points(points, face.square) if face.ahead is None else face.ahead
            face.ahead = None
            kept.append(face)
        self.faces = kept

    def _keep(self, face: _Face, note: FrameNote, index: int, seen: Seen) -> None:
        if not face.person:
            face.held.append((index, seen))
            return
        note.seen[face.person] = seen
        person = self.people[face.person]
        person.box, person.last = box_of(seen.points), note.time
        if seen.presence > FOUND:
            # A running mean that forgets slowly: the descriptor drifts with the camera, not with a frame.
            person.n = min(person.n + 1, 200)
            person.shape = person.shape + (descriptor(seen.points) - person.shape) / person.n

    def _search(self, frame: Frame, note: FrameNote, index: int, *, thorough: bool) -> None:
        # With nobody in view the second detector is nearly always asked, so it need not wait for the first.
        second = self._worker.submit(self.full, frame) if thorough or not self.faces else None
        found = self.short(frame)
        if thorough or not found:
            # Always in the one thread: a reading that nobody waited for may still be going on there.
            found = found + (second or self._worker.submit(self.full, frame)).result()
        if self.still and not found:
            found = self._tiles(frame)
        self._searched_at = note.time
        if thorough:
            self._look_at = note.time + LOOK_S
        for _, box, points in found:
            if any(overlap(box, box_of(f.points)) > 0.2 for f in self.faces):
                continue
            square = crop_of_box(box, points)
            square = crop_of_points(self.mesh(frame, square)[0])
            mesh, presence, crop = self.mesh(frame, square)
            place = box_of(mesh)
            near = self._near(place, note.time)
            if presence < (AGAIN if near else FOUND) or any(overlap(place, box_of(f.points)) > 0.2 for f in self.faces):
                continue
            face = _Face(mesh, crop_of_points(mesh, square), note.time, near or "")
            self.faces.append(face)
            self._keep(face, note, index, Seen(mesh, presence, crop, square))

    def _tiles(self, frame: Frame) -> list[tuple[float, FloatArray, FloatArray]]:
        """The full-range detector on overlapping quarters, for small faces in a still."""
        height, width = frame.shape[:2]
        found = []
        for top in (0, height // 4, height // 2):
            for left in (0, width // 4, width // 2):
                tile = frame[top : top + height // 2, left : left + width // 2]
                for score, box, points in self.full(tile):
                    found.append((score, np.add(box, [left, top, 0, 0]), np.add(points, [left, top])))
        return found

    def _near(self, box: FloatArray, time: float) -> str | None:
        """The person lost here a moment ago."""
        active = {f.person for f in self.faces}
        for name, person in self.people.items():
            if name in active or time - person.last > SHORT_S:
                continue
            size, before = max(box[2:4]), max(person.box[2:4])
            apart = np.hypot(*(box[:2] + box[2:4] / 2 - person.box[:2] - person.box[2:4] / 2))
            if apart < before and 0.6 < size / before < 1.7:
                return name
        return None

    def _confirm(self, time: float) -> None:
        for face in self.faces:
            if not face.person and (self.still or time - face.since >= CONFIRM_S):
                self._admit(face, time)

    def _admit(self, face: _Face, time: float) -> None:
        """Give a newcomer the name of a known person of the same shape, or the next new one."""
        shape = np.mean([descriptor(s.points) for _, s in face.held], axis=0)
        active = {f.person for f in self.faces}
        free = {n: _distance(shape, p.shape) for n, p in self.people.items() if n not in active}
        best = min(free, key=free.__getitem__, default=None)
        limit = SAME_SHAPE_ALONE if len(self.people) == 1 else SAME_SHAPE
        if best is not None and not self.still and free[best] < limit:
            face.person = best
        else:
            face.person = f"p{len(self.people) + 1}"
            self.people[face.person] = _Person(box_of(face.points), time, shape, 0)
        for index, seen in face.held:
            self._keep(face, self._notes[index - self._first], index, seen)
        face.held.clear()

    def _final(self) -> list[FrameNote]:
        waiting = [f.held[0][0] for f in self.faces if f.held]
        count = (min(waiting) if waiting else self._first + len(self._notes)) - self._first
        final, self._notes = self._notes[:count], self._notes[count:]
        self._first += count
        return final


def _inside(box: FloatArray, frame: Frame) -> bool:
    """Whether the middle of a face is still in the picture."""
    x, y = box[0] + box[2] / 2, box[1] + box[3] / 2
    return bool(0 <= x < frame.shape[1] and 0 <= y < frame.shape[0] and box[2] > 8)


def _blurred(crop: Frame) -> bool:
    """Soft but not flat: a cover over the face has no detail either, but no light and shade."""
    sharpness, _ = picture_quality(crop)
    return sharpness < SHARP and float(crop[56:200:4, 56:200:4].std()) > 20


@lru_cache(maxsize=8)
def _places(height: int, width: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    rows, columns = np.linspace(0, height - 1, 36).astype(int), np.linspace(0, width - 1, 64).astype(int)
    return rows[:, None], columns


def _thumbnail(frame: Frame) -> npt.NDArray[np.float32]:
    """A coarse grey picture ``(9, 16)`` in [0, 1] of every frame, for light and cuts."""
    rows, columns = _places(*frame.shape[:2])
    told = frame[rows, columns]
    # Sums of whole numbers below 766 are exact in any order; a mean over an axis of three is slow.
    grey = np.add(told[..., 0], told[..., 1], dtype=np.float32)
    grey = (grey + told[..., 2]) / np.float32(3) / np.float32(255)
    return np.asarray(grey.reshape(9, 4, 16, 4).mean(axis=(1, 3)))
