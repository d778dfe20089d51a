"""Files that a split's tables name, where they are there: duplicates by their bytes, near-duplicates by ear."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt

from moodal.core.content import of_file
from moodal.core.errors import MoodalError
from moodal.dsp.fingerprint import Print, fingerprint, near_duplicates
from moodal.lab.bench.leaks import Leak

from .split import SplitFold

__all__ = ["Media"]

Progress = Callable[[float], None]

#: Sound of which a fingerprint is taken, s: duplicates show early.
_LONGEST_S = 60.0


class Media:
    """Looks each file up once, in the folders given, whatever number of folds name it."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self.roots = tuple(dict.fromkeys(roots))
        self.counts = {"hashed": 0, "compared_by_ear": 0, "unreadable": 0}
        self._paths: dict[str, Path | None] = {}
        self._hashes: dict[Path, str] = {}
        self._prints: dict[tuple[Path, float, float], Print | None] = {}

    def contents(self, fold: SplitFold, progress: Progress | None) -> list[str]:
        """The content hash of each row's file and stretch; empty where there is no file."""
        told = list(fold.index["content"])
        files = fold.index["told_file"]
        start, end = fold.index["start_s"], fold.index["end_s"]
        for i, name in enumerate(files):
            path = self._path(name)
            if path is None:
                continue
            if path not in self._hashes:
                try:
                    self._hashes[path] = of_file(path)
                    self.counts["hashed"] += 1
                except MoodalError:
                    self._hashes[path] = ""
                    self.counts["unreadable"] += 1
            if hashed := self._hashes[path]:
                # Stretches of one file are no duplicates of each other.
                told[i] = hashed + (f"@{start[i]:g}-{end[i]:g}" if np.isfinite(start[i]) else "")
            if progress is not None:
                progress(0.3 * (i + 1) / len(files))
        return told

    def near(self, fold: SplitFold, progress: Progress | None) -> Iterator[Leak]:
        """Sound that two parts share, a `Leak` a pair of parts; equal files are duplicates already."""
        files = fold.index["told_file"]
        if not any(self._path(name) for name in files):
            return
        prints: dict[int, Print] = {}
        for i in range(len(files)):
            told = self._print(fold, i)
            if told is not None and told.heard.any():
                prints[i] = told
            if progress is not None:
                progress(0.3 + 0.6 * (i + 1) / len(files))
        content = fold.index["content"]
        # Held-out clips are looked up among those of training, which are more.
        for b, a in combinations(fold.parts, 2):
            left = [int(r) for r in fold.parts[a] if int(r) in prints]
            right = [int(r) for r in fold.parts[b] if int(r) in prints]
            if not left or not right:
                continue
            pairs = [
                (left[m.a], right[m.b], m.wrong)
                for m in near_duplicates([prints[r] for r in left], [prints[r] for r in right])
                if not content[left[m.a]] or content[left[m.a]] != content[right[m.b]]
            ]
            pairs = [p for p in pairs if fold.index["example"][p[0]] != fold.index["example"][p[1]]]
            if pairs:
                named = [f"{Path(files[y]).name} ~ {Path(files[x]).name}" for x, y, _ in pairs]
                more = f" and {len(pairs) - 2} more" if len(pairs) > 2 else ""
                some = "1 pair of clips of" if len(pairs) == 1 else f"{len(pairs)} pairs of clips of"
                what = f"{some} {b} and {a} sound the same: {', '.join(named[:2])}{more}"
                yield Leak("sound", (b, a), (what, *named), tuple(r for x, y, _ in pairs for r in (y, x)))
        if progress is not None:
            progress(1.0)

    def _path(self, name: str) -> Path | None:
        if not name:
            return None
        if name not in self._paths:
            tried = [Path(name)] if Path(name).is_absolute() else [root / name for root in self.roots]
            try:
                self._paths[name] = next((p for p in tried if p.is_file()), None)
            except (OSError, ValueError):
                self._paths[name] = None
        return self._paths[name]

    def _print(self, fold: SplitFold, row: int) -> Print | None:
        path = self._path(fold.index["told_file"][row])
        if path is None:
            return None
        start, end = float(fold.index["start_s"][row]), float(fold.index["end_s"][row])
        start = start if np.isfinite(start) else 0.0
        end = min(end if np.isfinite(end) else start + _LONGEST_S, start + _LONGEST_S)
        key = (path, start, end)
        if key not in self._prints:
            self._prints[key] = None
            try:
                samples = _sound(path, start, end)
            except MoodalError:
                self.counts["unreadable"] += 1
            else:
                if samples is not None:
                    self._prints[key] = fingerprint(samples)
                    self.counts["compared_by_ear"] += 1
        return self._prints[key]


def _sound(path: Path, start: float, end: float) -> npt.NDArray[np.float32] | None:
    from moodal import media

    recording = media.read(path)
    stream = recording.stream("sound")
    if stream is None:
        return None
    chunks = recording.chunks(stream.name, start=start, end=min(end, recording.duration_s))
    parts = [c.samples for c in chunks]  # type: ignore[union-attr]
    return np.concatenate(parts) if parts else None
