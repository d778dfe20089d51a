"""The voice in one pass: sound in blocks, labels, descriptors, and what is concluded from windows of them."""

from __future__ import annotations

from itertools import pairwise
from math import isfinite

import numpy as np
import numpy.typing as npt

from moodal.core.errors import UsageError
from moodal.core.extractor import MeasureContext
from moodal.core.stream import Chunk, SoundChunk
from moodal.core.track import Piece, TrackSpec
from moodal.dsp.egemaps_spectrum import FRAME as SHORT
from moodal.dsp.pitch import FRAME as LONG

from .activity import FRAME, RATE_HZ
from .blocks import BLOCK, BLOCK_FRAMES, SOUND, Block, Cutter
from .egemaps import BLOCK_HOPS, COLUMNS, CONTEXT, Descriptors, Rows
from .expert import chosen
from .labels import REASONS, SPEECH, Labeller, Labels
from .ledger import Ledger
from .scores import Scores
from .tracks import ACTIVITY, EGEMAPS, EMOTION, PITCH, RATE, SUBJECT
from .windows import Windows

__all__ = ["VoiceExtractor"]

_HOP = BLOCK // BLOCK_HOPS
_FRAME_OF_HOP = np.arange(BLOCK_HOPS) * _HOP // FRAME
#: Missing sound shorter than this at either end is no gap of its own, s.
_SLIVER_S = 0.1
#: A block whose mean is further from 0 than this (-46 dBFS) has it taken off: it would pass for low frequencies.
_OFFSET = 0.005
#: Reason inside a turn where a frame's window does not fit.
_SHORT = REASONS.index("too_short")


class VoiceExtractor:
    """`SoundChunk`s at 16 kHz in, pieces of the five voice tracks out."""

    def __init__(self, context: MeasureContext) -> None:
        self._span = context.span
        wanted = {t.name for t in (ACTIVITY, EGEMAPS, PITCH, RATE, EMOTION) if context.wants(t.name)}
        self._wanted = wanted
        self._measures = bool(wanted - {ACTIVITY.name})
        self._cutter = Cutter()
        self._labeller = Labeller()
        self._blocks: list[Block] = []
        self._chain = Descriptors()
        self._running = 0  # frames of the run that the chain still holds
        self._done = 0  # blocks labelled
        self._hop = 0  # 10-ms steps told or missing
        self._ledgers = {t.name: Ledger() for t in (ACTIVITY, EGEMAPS, PITCH)}
        expert = chosen(context) if EMOTION.name in wanted else None
        self._scores = Scores(expert.window) if expert else None
        self._windows = Windows(wanted, self._scores)
        self._pieces: list[Piece] = []
        self._labels: list[npt.NDArray[np.int8]] = []  # of the frames that the chain still holds

    def push(self, chunk: Chunk) -> list[Piece]:
        """Take a chunk; give what became final.

        Raises
        ------
        UsageError : the chunk is no sound at 16 kHz.
        """
        if not isinstance(chunk, SoundChunk) or chunk.rate_hz != RATE_HZ:
            raise UsageError(f"voice reads mono sound at {RATE_HZ} Hz", where=chunk.stream)
        first = self._cutter.start is None
        for block in self._cutter.push(np.asarray(chunk.samples, np.float32), chunk.start_sample):
            self._take(block)
        if first and self._cutter.start is not None:
            self._absent(self._span.start, self._cutter.start / RATE_HZ)
        return self._given()

    def close(self) -> list[Piece]:
        """The sound ended; give the rest, and name what is missing up to the end of the span."""
        for block in self._cutter.close():
            self._take(block)
        for labels in self._labeller.close():
            self._measure(labels)
        self._end_run()
        if self._scores is not None:
            self._scores.close()
        for piece in self._windows.close(self._end):
            self._pieces.append(piece)
        if isfinite(self._span.end):
            start = self._span.start if self._cutter.start is None else self._end
            self._absent(start, self._span.end)
        return self._given(everything=True)

    @property
    def _start(self) -> float:
        return (self._cutter.start or 0) / RATE_HZ

    @property
    def _end(self) -> float:
        return self._cutter.end / RATE_HZ

    def _time(self, hop: int) -> float:
        """Start of a 10-ms step, s; never after the sound's end."""
        return min((self._cutter.start or 0) + hop * _HOP, self._cutter.end) / RATE_HZ

    def _take(self, block: Block) -> None:
        self._blocks.append(block)
        for labels in self._labeller.push(block):
            self._measure(labels)

    def _measure(self, labels: Labels) -> None:
        """One block whose labels are final."""
        block = self._blocks.pop(0)
        if ACTIVITY.name in self._wanted:
            self._activity(labels)
        first = self._done * BLOCK_HOPS
        self._done += 1
        if not self._measures:
            return
        if self._scores is not None:
            self._scores.push(block.samples, labels.label == SPEECH, labels.near)
        steps = -(-(self._cutter.end - (self._cutter.start or 0)) // _HOP) - first
        count = min(BLOCK_HOPS, steps)
        label = labels.label[_FRAME_OF_HOP[:count]]
        near = labels.near[_FRAME_OF_HOP[:count]]
        if not near.any():
            self._end_run()
            self._skip(label)
            return
        after = self._blocks[0] if self._blocks else None
        sound = np.concatenate([block.samples, after.samples[:CONTEXT] if after else np.zeros(CONTEXT, np.float32)])
        state = np.concatenate([block.state, after.state[:CONTEXT] if after else np.full(CONTEXT, 3, np.uint8)])
        offset = float(block.samples.sum(dtype=np.float64)) / max(int((block.state == SOUND).sum()), 1)
        if abs(offset) > _OFFSET:
            sound = np.where(state == SOUND, sound - np.float32(offset), np.float32(0))
        usable = near & self._fits(state, SHORT)[:count]
        fits = self._fits(state, LONG)
        edges = np.concatenate([[0], np.flatnonzero(np.diff(usable)) + 1, [count]])
        for a, b in pairwise(edges):
            if usable[a]:
                self._labels.append(label[a:b])
                self._running += b - a
                self._tell(self._chain.push(sound[a * _HOP : (b - 1) * _HOP + CONTEXT], fits[a:b]))
            else:
                self._end_run()
                self._skip(np.where(near[a:b] & (label[a:b] == SPEECH), _SHORT, label[a:b]))

    def _fits(self, state: npt.NDArray[np.uint8], window: int) -> npt.NDArray[np.bool_]:
        """At which steps ``window`` samples are sound throughout."""
        broken = np.concatenate([[0], np.cumsum(state != SOUND)])
        at = np.arange(BLOCK_HOPS) * _HOP
        return np.asarray(broken[at + window] == broken[at])

    def _end_run(self) -> None:
        if self._running:
            self._tell(self._chain.close())

    def _tell(self, rows: Rows) -> None:
        """Frames that the chain has finished."""
        n = len(rows.f0)
        if not n:
            return
        self._running -= n
        waiting = np.concatenate(self._labels)
        label, self._labels = waiting[:n], [waiting[n:]]
        start = self._cutter.start or 0
        times = (start + (self._hop + np.arange(n)) * _HOP) / RATE_HZ
        quality = np.clip(np.nan_to_num(rows.voicing), 0, 1).astype(np.float32)
        if EGEMAPS.name in self._wanted:
            ledger = self._ledgers[EGEMAPS.name]
            ledger.told()
            self._pieces.append(Piece(EGEMAPS.name, SUBJECT, times, rows.values, quality, ledger.take()))
        if PITCH.name in self._wanted:
            pitch = np.column_stack([rows.f0, rows.voicing]).astype(np.float32)
            known = np.isfinite(rows.voicing)
            for a, b in pairwise(np.concatenate([[0], np.flatnonzero(np.diff(known)) + 1, [n]])):
                ledger = self._ledgers[PITCH.name]
                if known[a]:
                    ledger.told()
                    self._pieces.append(Piece(PITCH.name, SUBJECT, times[a:b], pitch[a:b], quality[a:b], ledger.take()))
                else:
                    ledger.missing(self._time(self._hop + int(a)), self._time(self._hop + int(b)), "too_short")
        self._hop += n
        self._pieces += self._windows.push(rows.values, label, self._time)

    def _skip(self, label: npt.NDArray[np.int8]) -> None:
        """Steps that are missing, for the reason that their label gives (silence where it gives none)."""
        n = len(label)
        label = np.where(label == SPEECH, _SHORT, label)
        edges = np.concatenate([[0], np.flatnonzero(np.diff(label)) + 1, [n]]) if n else np.zeros(1, int)
        for a, b in pairwise(edges):
            for name in (EGEMAPS.name, PITCH.name):
                self._ledgers[name].missing(
                    self._time(self._hop + int(a)), self._time(self._hop + int(b)), REASONS[label[a]]
                )
        self._hop += n
        self._pieces += self._windows.push(np.full((n, COLUMNS), np.nan, np.float32), label, self._time)

    def _activity(self, labels: Labels) -> None:
        ledger = self._ledgers[ACTIVITY.name]
        first = (self._cutter.start or 0) + self._done * BLOCK
        edges = np.minimum(first + np.arange(BLOCK_FRAMES + 1) * FRAME, self._cutter.end) / RATE_HZ
        change = np.concatenate([[0], np.flatnonzero(np.diff(labels.label)) + 1, [BLOCK_FRAMES]])
        for a, b in pairwise(change):
            if labels.label[a] != SPEECH:
                ledger.missing(float(edges[a]), float(edges[b]), REASONS[labels.label[a]])
                continue
            ledger.told()
            values = np.column_stack([labels.score[a:b], labels.level_db[a:b]]).astype(np.float32)
            quality = labels.score[a:b].astype(np.float32)
            self._pieces.append(Piece(ACTIVITY.name, SUBJECT, edges[a:b], values, quality, ledger.take()))

    def _absent(self, start: float, end: float) -> None:
        """The recording has no sound in ``[start, end)``."""
        for spec in self._specs():
            self._ledger(spec).missing(start, end, "no_stream")

    def _ledger(self, spec: TrackSpec) -> Ledger:
        return self._ledgers.get(spec.name) or self._windows.ledger(spec.name)

    def _specs(self) -> list[TrackSpec]:
        return [t for t in (ACTIVITY, EGEMAPS, PITCH, RATE, EMOTION) if t.name in self._wanted]

    def _given(self, *, everything: bool = False) -> list[Piece]:
        for spec in self._specs():
            gaps = self._ledger(spec).take(everything=everything)
            if gaps:
                self._pieces.append(Piece.gap(spec.name, SUBJECT, len(spec.fields), *gaps))
        given, self._pieces = self._pieces, []
        return given
