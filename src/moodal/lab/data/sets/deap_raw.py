"""DEAP's original recordings: trials as they were shown, found by their markers and named by the table of ratings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from moodal.core.clock import FloatArray
from moodal.core.errors import InputError
from moodal.lab.data.skin import SKIN_UNITS, stated
from moodal.lab.data.watched import Trial
from moodal.lab.data.windows import Channels
from moodal.media.edf_channels import EdfChannels

from .deap_layout import CLIP_S, FIELDS, RAW_HZ, REST_S, Rated, skin_unit

if TYPE_CHECKING:
    from .deap import _Asked

__all__ = ["original"]

#: Codes of the status channel: a video begins, and what follows it.
STARTS, ENDS = 4, 5
#: Pairs of electrodes and single channels of the periphery, under the names that files give them.
_PAIRS: dict[str, tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]] = {
    "eog": ((("EXG1", "hEOG1"), ("EXG2", "hEOG2")), (("EXG3", "vEOG1"), ("EXG4", "vEOG2"))),
    "emg": ((("EXG5", "zEMG1"), ("EXG6", "zEMG2")), (("EXG7", "tEMG1"), ("EXG8", "tEMG2"))),
}
_SINGLE = {"eda": ("GSR1", "GSR"), "resp": ("Resp",), "ppg": ("Plet", "Pleth"), "temp": ("Temp",)}
#: Seconds a tick of the presenting program may last: the documentation says microseconds, other logs of it hold tenths
#: of a millisecond.
_TICKS = (1e-6, 1e-4, 1e-3)
#: How far a marker may be from the time in the table, s.
_LATE_S = 1.0


def original(file: Path, n: int, ratings: Mapping[int, Rated], asked: _Asked) -> Iterator[Trial]:
    """The trials of a person's recording, videos in order; rest and clip are read one trial after another.

    Raises
    ------
    InputError : markers and table do not belong together, or a channel is not there.
    """
    bdf = EdfChannels(file)
    asked.said += bdf.warnings
    onsets = _onsets(bdf, ratings)
    _timed(onsets, ratings, asked, file)
    order = {told.order: video for video, told in ratings.items()}
    shown = {order[k + 1]: float(t) for k, t in enumerate(onsets) if k + 1 in order}
    skin = ""
    if "eda" in asked.signals and "eda" not in asked.as_published:
        at = [bdf.find(*_SINGLE["eda"])]
        some = np.concatenate([bdf.values(at, t, t + CLIP_S)[::256] for t in shown.values()])
        skin = asked.skin.unit(n, some, file, stated(bdf.told(at[0], "eda"), skin_unit(n)))
    for video in sorted(shown):
        first = round((shown[video] - REST_S) * RAW_HZ)
        begin = first / RAW_HZ
        streams = {}
        for m in asked.signals:
            values = _values(bdf, m, begin, begin + REST_S + CLIP_S, "" if m in asked.as_published else m)
            if m == "eda" and skin:
                values = SKIN_UNITS[skin](values).astype(np.float32)
            # Recordings have no reference but the amplifier's: what all electrodes share says nothing of the unit.
            seen = values - values.mean(axis=1, keepdims=True) if m == "eeg" and len(values) else values
            asked.look(m, seen, _rate(bdf, m), f"{file.name}, video {video}", expected_s=REST_S + CLIP_S)
            streams[m] = Channels(values, RAW_HZ, begin)
        told = ratings[video]
        yield asked.trial(n, video, str(file), streams, begin + REST_S, told.ratings, told)


def _values(bdf: EdfChannels, m: str, begin: float, end: float, kind: str) -> npt.NDArray[np.float32]:
    if m == "eeg":
        return bdf.values([bdf.find(c) for c in FIELDS["eeg"]], begin, end, kind)
    if m in _SINGLE:
        # The unit of skin conductance is proved; it is read as it stands.
        return bdf.values([bdf.find(*_SINGLE[m])], begin, end, "" if m == "eda" else kind)
    several = bdf.values([bdf.find(*names) for pair in _PAIRS[m] for names in pair], begin, end, kind)
    return several[:, 0::2] - several[:, 1::2]


def _rate(bdf: EdfChannels, m: str) -> float:
    return bdf.rate_hz(bdf.find(*(_SINGLE.get(m) or (_PAIRS[m][0][0] if m in _PAIRS else ("Fp1",)))))


def _onsets(bdf: EdfChannels, ratings: Mapping[int, Rated]) -> FloatArray:
    """When each video began, s. Some recordings made in Geneva give their trigger channel no name, or two of them."""
    places = [k for k, name in enumerate(bdf.names) if name.lower() in ("status", "")]
    if not places:
        bdf.find("Status")
    counts = []
    for k in places:
        times, codes = bdf.codes(k)
        starts = times[codes == STARTS]
        counts.append(len(starts))
        if len(starts) == len(ratings):
            return starts
    raise InputError(
        f"marks {max(counts)} starts of a video (code {STARTS}), its person rated {len(ratings)}", where=str(bdf.path),
        fix="Get the recording and participant_ratings.csv again.",
    )  # fmt: skip


def _timed(onsets: FloatArray, ratings: Mapping[int, Rated], asked: _Asked, file: Path) -> None:
    """Raise `InputError` where the markers do not lie as far apart as the table says."""
    told = np.array([r.start for r in sorted(ratings.values(), key=lambda r: r.order)])
    if len(told) < 2 or not np.isfinite(told).all():
        return
    apart, marked = np.diff(told), np.diff(onsets)
    off = min(float(np.abs(marked - tick * apart).max()) for tick in _TICKS)
    if off > _LATE_S and "length" not in asked.checks.accept:
        raise InputError(
            f"its videos begin up to {off:.1f} s from where the table says", where=str(file),
            fix='Get both files again, or accept = ["length"].',
        )  # fmt: skip
