"""One clock from two, by what both of them saw: lists of events matched by a line, offset and drift.

Nothing is taken that chance could have made: a match must hold more events than a random one would, and no other
offset may do nearly as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from moodal.core.clock import FloatArray
from moodal.core.recording import Recording
from moodal.core.stream import SignalChunk, SoundChunk, WordsChunk

__all__ = ["Line", "line", "markers", "taps"]

#: No two clocks of devices that work drift apart by more than this.
MOST_DRIFT = 300e-6
#: Drift is told from events this far apart (s) or farther, and from three of them.
SPAN_S = 60.0
#: Events of each side that are looked at, and lines that are tried.
MOST_EVENTS, MOST_LINES = 120, 12_000
#: Two markers of one cause, and two sensors' views of one tap, stand this near to each other (s).
MARKER_S, TAP_S = 0.1, 0.045
#: Odds that chance made the match, at most.
ODDS = 5e-3


@dataclass(frozen=True, slots=True)
class Line:
    """A time t of the second clock is ``offset_s + t (1 + drift)`` on the first, to within ``± error_s``."""

    offset_s: float
    drift: float
    error_s: float
    n: int


def line(
    first: FloatArray,
    second: FloatArray,
    same: np.ndarray,
    near: float,
    least: int,
    bounds: tuple[float, float],
    length: float,
    odds: float = ODDS,
) -> Line | None:
    """The line that puts most of ``second (m,)`` onto ``first (n,)``, both rising, s; or ``None`` where none is sure.

    ``same (n, m)`` says which pairs can be one event; ``bounds`` what the offset may be; ``least`` how many pairs
    there must be; ``length`` how long (s) the shorter recording is, over which chance would strew its events; ``odds``
    how likely chance may be to have made the match.
    """
    i, j = np.nonzero(same)
    gaps = first[i] - second[j]
    keep = (gaps >= bounds[0] - near) & (gaps <= bounds[1] + near)
    i, j, gaps = i[keep], j[keep], gaps[keep]
    if not len(i):
        return None
    offsets, drifts = _tried(second[j], gaps, near)
    scores = np.zeros(len(offsets), int)
    for k in range(0, len(offsets), 512):
        cut = slice(k, k + 512)
        scores[cut] = _hits(first, second, same, offsets[cut], drifts[cut], near).sum(axis=1)
    best = int(np.argmax(scores))
    if scores[best] < least:
        return None
    # A rival puts every event elsewhere; one that agrees on some of them is the same line, tilted.
    at = second[_hits(first, second, same, offsets[best : best + 1], drifts[best : best + 1], near)[0]]
    shift = (offsets - offsets[best])[:, None] + (drifts - drifts[best])[:, None] * at[None, :]
    away = np.abs(shift).min(axis=1) > max(0.5, 4 * near)
    rival = int(scores[away].max()) if away.any() else 0
    # One pair (two, where the line is tilted) is put together by the choice of the line: chance must make the others.
    flat = best < len(gaps)
    mean, others = float(same.sum()) * 2 * near / length, int(scores[best]) - (1 if flat else 2)
    if rival > 0.6 * scores[best] or _odds(mean, others, len(gaps) if flat else len(offsets)) > odds:
        return None
    return _fitted(first, second, same, float(offsets[best]), float(drifts[best]), near)


def _tried(times: FloatArray, gaps: FloatArray, near: float) -> tuple[FloatArray, FloatArray]:
    """Offsets and drifts of the lines through one pair, and through two that drift could put on one."""
    offsets, drifts = [gaps], [np.zeros(len(gaps))]
    order = np.argsort(gaps, kind="stable")
    sorted_gaps = gaps[order]
    total = 0
    for k in range(len(gaps)):
        reach = MOST_DRIFT * np.ptp(times) + near
        low, high = np.searchsorted(sorted_gaps, (gaps[k] - reach, gaps[k] + reach))
        others = order[low:high]
        apart = times[others] - times[k]
        others = others[(apart >= SPAN_S) & (np.abs(gaps[others] - gaps[k]) <= MOST_DRIFT * apart + near)]
        drift = np.clip((gaps[others] - gaps[k]) / (times[others] - times[k]), -MOST_DRIFT, MOST_DRIFT)
        offsets.append(gaps[k] - drift * times[k])
        drifts.append(drift)
        total += len(others)
        if total > MOST_LINES:
            break
    return np.concatenate(offsets), np.concatenate(drifts)


def _hits(
    first: FloatArray, second: FloatArray, same: np.ndarray, offsets: FloatArray, drifts: FloatArray, near: float
) -> np.ndarray:
    """Which of ``second`` each line puts on an event that can be the same: ``(lines, m)`` bool."""
    put = offsets[:, None] + second[None, :] * (1 + drifts[:, None])
    hits = np.zeros(put.shape, bool)
    right = np.searchsorted(first, put)
    for side in (right - 1, right):
        index = np.clip(side, 0, len(first) - 1)
        hits |= (np.abs(first[index] - put) <= near) & same[index, np.arange(len(second))[None, :]]
    return hits


def _odds(mean: float, n: int, tries: int) -> float:
    """How likely the best of ``tries`` random lines holds ``n`` pairs where one holds ``mean``, by Poisson's law."""
    if n < 1:
        return float(tries > 1)
    terms = mean ** np.arange(n) / np.cumprod(np.concatenate([[1.0], np.arange(1, n)]))
    return float(tries * max(1 - np.exp(-mean) * terms.sum(), 0.0))


def _fitted(
    first: FloatArray, second: FloatArray, same: np.ndarray, offset: float, drift: float, near: float
) -> Line | None:
    """The line of least squares through the pairs, each event used once."""
    for _ in range(3):
        put = offset + second * (1 + drift)
        distance = np.where(same, np.abs(first[:, None] - put[None, :]), np.inf)
        mate = distance.argmin(axis=0)
        good = (distance.min(axis=0) <= near) & (distance.argmin(axis=1)[mate] == np.arange(len(second)))
        x, y = second[good], first[mate[good]]
        if not len(x):
            return None
        drift = 0.0
        if len(x) >= 3 and np.ptp(x) >= SPAN_S:
            drift = float(np.polyfit(x - x.mean(), y - x - (y - x).mean(), 1)[0])
        offset = float((y - x * (1 + drift)).mean())
    rest = y - offset - x * (1 + drift)
    error = 2 * float(np.sqrt((rest**2).sum() / max(len(x) - 2, 1)))
    return Line(offset, drift, error, len(x))


def markers(first: Recording, second: Recording, bounds: tuple[float, float]) -> Line | None:
    """The line through markers of the same text in both, or ``None``."""
    rows = [_notes(r)[:MOST_EVENTS] for r in (first, second)]
    if not all(rows):
        return None
    texts = [np.array([text for _, text in part]) for part in rows]
    times = [np.array([t for t, _ in part]) for part in rows]
    same = texts[0][:, None] == texts[1][None, :]
    length = min(first.duration_s, second.duration_s)
    found = line(times[0], times[1], same, MARKER_S, 2, bounds, length)
    if found is None and same.sum() == 1 and np.isfinite(bounds).all():
        found = line(times[0], times[1], same, MARKER_S, 1, bounds, length)
    return found


def _notes(recording: Recording) -> list[tuple[float, str]]:
    names = [s.name for s in recording.streams if s.kind == "notes"]
    chunks = (c for name in names for c in recording.chunks(name))
    return sorted(
        (c.start, c.text.strip().lower()) for chunk in chunks if isinstance(chunk, WordsChunk) for c in chunk.cues
    )


def taps(first: Recording, second: Recording, bounds: tuple[float, float]) -> Line | None:
    """The line through claps and taps that both heard or felt, or ``None`` where there are not three that fit alone."""
    (a, hard_a, fine_a), (b, hard_b, fine_b) = _events(first), _events(second)
    if min(len(a), len(b)) < 3:
        return None
    length = min(first.duration_s, second.duration_s)
    # Taps are meant to be felt: the hardest events are tried first, alone.
    sizes = (6, 20, MOST_EVENTS)
    tried = sorted({(min(n, len(a)), min(m, len(b))) for n in sizes for m in sizes}, key=sum)
    for n, m in tried:
        some_a, some_b = (
            np.sort(t[np.argsort(-hard, kind="stable")[:k]]) for t, hard, k in ((a, hard_a, n), (b, hard_b, m))
        )
        found = line(some_a, some_b, np.ones((n, m), bool), TAP_S, 3, bounds, length, ODDS / len(tried))
        if found is not None:
            # An event between two samples of the slower sensor can stand anywhere between them.
            grain = max(fine_a, fine_b) / 2 / np.sqrt(found.n)
            return Line(found.offset_s, found.drift, max(found.error_s, grain), found.n)
    return None


def _events(recording: Recording) -> tuple[FloatArray, FloatArray, float]:
    """Times of sharp events of acceleration, else of sound; how sharp; how finely they are timed (s)."""
    for kind, find in (("acc", _jolts), ("sound", _claps)):
        stream = recording.stream(kind)
        if stream is not None:
            times, strength = find(recording.chunks(stream.name))
            return times, strength, 0.005 if kind == "sound" else 1 / (stream.rate_hz or 32.0)
    return np.empty(0), np.empty(0), 0.0


def _jolts(chunks: Iterable[object]) -> tuple[FloatArray, FloatArray]:
    """Where acceleration jumps by far more than before: each jolt at the middle of its energy."""
    times, sizes = [], []
    last: FloatArray | None = None
    for chunk in chunks:
        if isinstance(chunk, SignalChunk):
            length = np.sqrt(np.nansum(chunk.samples**2, axis=1))
            before = length[:1] if last is None else last
            times.append(chunk.times)
            sizes.append(np.abs(np.diff(np.concatenate([before, length]))))
            last = length[-1:]
    if not times:
        return np.empty(0), np.empty(0)
    t, size = np.concatenate(times), np.concatenate(sizes)
    floor = max(0.4, 10 * float(np.median(size)))
    return _peaks(t, size, floor, 0.15)


def _claps(chunks: Iterable[object]) -> tuple[FloatArray, FloatArray]:
    """Where sound rises out of what was before within 10 ms and falls again: times of the rise and its height in dB."""
    times, levels = [], []
    for chunk in chunks:
        if isinstance(chunk, SoundChunk):
            hop = chunk.rate_hz // 200
            n = len(chunk.samples) // hop
            # The difference of neighbours lifts what is sharp out of what hums.
            edges = np.diff(np.nan_to_num(chunk.samples[: n * hop]), prepend=chunk.samples[:1])
            power = (edges.reshape(n, hop) ** 2).mean(axis=1)
            times.append((chunk.start_sample + hop * np.arange(n)) / chunk.rate_hz)
            levels.append(10 * np.log10(power + 1e-10))
    if not times or sum(map(len, times)) < 100:
        return np.empty(0), np.empty(0)
    t, level = np.concatenate(times), np.concatenate(levels)
    before = np.maximum.reduce([np.roll(level, k) for k in range(3, 13)])
    rise = level - before
    rise[:13] = 0
    loud = level > float(np.percentile(level, 90)) + 3
    # What goes on sounding is a voice or a tone: a clap is 8 dB down a tenth of a second later.
    after = np.maximum.reduce([np.roll(level, -k) for k in range(20, 30)])
    top = np.maximum.reduce([np.roll(level, -k) for k in range(4)])
    return _peaks(t, np.where(loud & (after < top - 8), rise, 0.0), 18.0, 0.15, middle=False)


def _peaks(
    t: FloatArray, size: FloatArray, floor: float, apart: float, *, middle: bool = True
) -> tuple[FloatArray, FloatArray]:
    """Groups of values over the floor within ``apart`` s: the middle of their energy, or the first; the highest."""
    over = np.flatnonzero(size >= floor)
    if not len(over):
        return np.empty(0), np.empty(0)
    groups: Sequence[np.ndarray] = np.split(over, np.flatnonzero(np.diff(t[over]) > apart) + 1)
    at = [float(np.average(t[g], weights=size[g] ** 2)) if middle else float(t[g[0]]) for g in groups]
    return np.array(at), np.array([float(size[g].max()) for g in groups])
