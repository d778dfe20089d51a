"""What is drawn together in pre-training, and the promises that hold for it.

- Moments are keyed by (stimulus, onset in ms): people without that moment are left out of it.
- A group never holds a person that the other group of its moment holds, and nobody twice.
- ``time``: both halves are one person's, not farther apart than ``near_s``; batches are of one person.
- ``cross_modal``: both halves are the same example; ``random``: halves have nothing to do with each other.
- As many batches in each epoch, the same for a seed: a run that was killed goes on as it would have.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from moodal.core.errors import InputError
from moodal.lab.data.index import Index
from moodal.lab.models.physiosync.contrast import Drawn
from moodal.lab.train.stages import Rows

from .settings import PretrainSettings

__all__ = ["Moment", "Sampler", "moments"]


@dataclass(frozen=True)
class Moment:
    """One moment of a stimulus: its name, onset in ms, and the rows of each person who met it."""

    stimulus: str
    onset_ms: int
    rows: dict[str, list[int]]


def moments(index: Index, column: str = "stimulus", rows: Rows | None = None) -> list[Moment]:
    """Every moment that two people at least have met, of those rows.

    The onset is column ``onset_s`` where the index has one, else the time since the trial's first row in the index.

    Raises
    ------
    InputError : rows of a stimulus without times.
    """
    names, start = index[column], index["start_s"]
    at = np.arange(len(index)) if rows is None else rows
    at = at[(names[at] != "") & (index["subject"][at] != "")]
    if len(at) and not np.isfinite(start[at]).all():
        raise InputError("rows of a stimulus have no start", where=f"{index.name}, physiosync",
                         fix="Moments are told by time: give start_s.")  # fmt: skip
    if "onset_s" in index.columns:
        onset = np.array([float(o) if o else np.nan for o in index["onset_s"]])
    else:
        first: dict[tuple[str, str], float] = {}
        for key, s in zip(zip(index["recording"], index["trial"], strict=True), start, strict=True):
            first[key] = min(s, first.get(key, np.inf))
        onset = np.array([s - first[k] for k, s in zip(zip(index["recording"], index["trial"], strict=True), start,
                                                       strict=True)])  # fmt: skip
    found: dict[tuple[str, int], dict[str, list[int]]] = {}
    for i in at.tolist():
        if np.isfinite(onset[i]):
            here = found.setdefault((names[i], round(1000 * onset[i])), {})
            here.setdefault(index["subject"][i], []).append(i)
    return [Moment(s, ms, people) for (s, ms), people in sorted(found.items()) if len(people) > 1]


class Sampler:
    """Items (a moment, or a row, and a copy of it), drawn into batches; ``pieces`` are the short windows of an example.

    ``sources`` are the kinds of positives in use: ``stimulus`` becomes ``time`` where no moment is shared.

    Raises
    ------
    InputError : nothing to draw.
    """

    def __init__(
        self, index: Index, rows: Rows, s: PretrainSettings, *, copies: int = 0, pieces: int = 1, seed: int = 0
    ) -> None:
        self.s, self.seed, self.pieces = s, seed, pieces
        self.index = index
        self.rows = rows[index["subject"][rows] != ""]
        self.moments = moments(index, s.key, rows)
        self.subject, self.start, self.recording = index["subject"], index["start_s"], index["recording"]
        told = [("time" if k == "stimulus" and len(self.moments) < 2 else k) for k in s.sources]
        self.sources = tuple(dict.fromkeys(told))
        if len(self.rows) < 2:
            raise InputError(f"has {len(self.rows)} examples of named people to pre-train on", where=index.name,
                             fix="Fill the column subject.")  # fmt: skip
        item = []
        for k, source in enumerate(self.sources):
            of_moments = source in ("stimulus", "random") and len(self.moments) > 1
            many = range(len(self.moments)) if of_moments else self.rows.tolist()
            item += [(k, ref, copy) for ref in many for copy in range(1 + copies)]
        self.items = np.array(item, np.int64)

    def batches(self, epoch: int) -> list[Rows]:
        """Numbers of items, by batch; each of one source, and of one person where positives are a person's own."""
        rng = np.random.default_rng([self.seed, epoch, 17])
        out: list[Rows] = []
        for k, source in enumerate(self.sources):
            mine = np.flatnonzero(self.items[:, 0] == k)
            if source in ("time", "cross_modal"):
                who = self.subject[self.items[mine, 1]]
                parts = [mine[who == s] for s in sorted(set(who))]
            else:
                parts = [mine]
            size = self.s.moments_per_batch
            for part in parts:
                order = rng.permutation(part)
                chunks = [order[a : a + size] for a in range(0, len(order), size)]
                out += [c for c in chunks if len(c) > 1]
        return [out[i] for i in rng.permutation(len(out))]

    def source(self, items: Rows) -> str:
        """Of a batch."""
        return self.sources[int(self.items[items[0], 0])]

    def draw(self, items: Rows) -> tuple[Drawn, Tensor]:
        """The people of both groups of each item (torch's random numbers), and the piece ``(M,)`` of each."""
        source, s = self.source(items), self.s
        paired = source in ("stimulus", "random") and len(self.moments) > 1
        size = s.group_size if paired or source == "random" else 1
        rows = np.full((len(items), 2, size), -1, np.int64)
        for k, (_, ref, _) in enumerate(self.items[items].tolist()):
            if source == "random":
                rows[k] = self.rows[torch.randint(len(self.rows), (2, size)).numpy()]
            elif paired:
                people = list(self.moments[ref].rows.values())
                order = torch.randperm(len(people)).tolist()
                count = min(size, len(order) // 2)
                for half in range(2):
                    for n, person in enumerate(order[half * count : (half + 1) * count]):
                        several = people[person]
                        rows[k, half, n] = several[int(torch.randint(len(several), ()))]
            else:
                rows[k, 0, 0] = ref
                rows[k, 1, 0] = self._beside(ref) if source == "time" else ref
        piece = torch.randint(self.pieces, (len(items),))
        ref, copy = self.items[items, 1], self.items[items, 2]
        key = torch.from_numpy(ref * self.pieces) + piece
        near = self._near(ref) if s.false_negative_mask and source in ("time", "cross_modal") else None
        return Drawn(torch.from_numpy(rows), key, torch.from_numpy(copy), near), piece

    def _beside(self, row: int) -> int:
        """Another row of the same person's recording within reach, or the row itself where there is none."""
        near = self.rows[
            (self.subject[self.rows] == self.subject[row]) & (self.recording[self.rows] == self.recording[row])
            & (np.abs(self.start[self.rows] - self.start[row]) <= self.s.near_s + 1e-6) & (self.rows != row)
        ]  # fmt: skip
        return int(near[int(torch.randint(len(near), ()))]) if len(near) else row

    def _near(self, ref: npt.NDArray[np.int64]) -> Tensor:
        """Pairs of rows that could have been each other's positives."""
        apart = np.abs(self.start[ref][:, None] - self.start[ref])
        same = (self.recording[ref][:, None] == self.recording[ref]) & (self.subject[ref][:, None] == self.subject[ref])
        return torch.from_numpy(np.asarray(same & (apart <= self.s.near_s + 1e-6)))
