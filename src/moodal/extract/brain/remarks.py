"""What somebody who reads an EEG's result should know of its channels: lines for a person, made after measuring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from moodal.core.recording import Recording
from moodal.core.track import Track, TrackSet
from moodal.dsp.eeg import POSITIONS, position

from .tracks import LEAST_CHANNELS, QUALITY, WORKLOAD

__all__ = ["remarks"]

#: A channel that tells in less of the seconds than this is named.
_SELDOM = 0.1
#: Field of `QUALITY` → what it says of channels; it is named from this share of channels and seconds on.
_WHY = {
    "not_finite": "not numbers",
    "flat": "flat",
    "saturated": "held at an end of the range",
    "artefact": "larger than any EEG",
}
_NAMED = 0.02


def remarks(recording: Recording, tracks: Mapping[str, TrackSet]) -> list[str]:
    """Lines on electrodes of one place, without a known name or without EEG, and on a workload told from the heart
    alone; none where all is well."""
    name = " ".join(recording.name.split())
    eeg = recording.stream("eeg")
    lines = [] if eeg is None else _names(tuple(map(str, eeg.info.get("channels") or ())))
    quality, workload = _only(tracks.get(QUALITY.name)), _only(tracks.get(WORKLOAD.name))
    if eeg is not None and quality is not None and any(map(position, eeg.info.get("channels") or ())):
        lines += _channels(quality)
    told = workload is not None and len(workload) > 0
    places = {p for c in (eeg.info.get("channels") or () if eeg is not None else ()) if (p := position(c))}
    if workload is not None and not told and 0 < len(places) < LEAST_CHANNELS:
        lines.append(f"workload is told from {LEAST_CHANNELS} electrodes or more, and here are {len(places)}")
    if told and (eeg is None or quality is None or not len(quality)):
        lines.append("workload is told from the heart alone" + ("" if eeg is None else ", no EEG could be used"))
    return [f"{name}: {line}" for line in lines]


def _only(found: TrackSet | None) -> Track | None:
    return found[found.subjects[0]] if found is not None and found.subjects else None


def _names(channels: Sequence[str]) -> list[str]:
    """On what the channels are called."""
    places: dict[str, list[str]] = {}
    for channel in channels:
        if place := position(channel):
            places.setdefault(place, []).append(channel.strip())
    if not places and len(channels) == len(POSITIONS):
        return [f"EEG channels without known names are taken in the order {', '.join(list(POSITIONS)[:4])} …"]
    if not places and channels:
        few = ", ".join(c.strip() or "no name" for c in channels[:4])
        more = ", …" if len(channels) > 4 else ""
        return [
            f"none of the {len(channels)} EEG channels has a name of the 10-20 system (they are called {few}{more}), "
            "so nothing of the brain is told; rename them after their places (Fp1, F3, Cz …)"
        ]
    return [
        f"{' and '.join(dict.fromkeys(some))} are one place of the head; the first counts"
        for some in places.values()
        if len({s.lower() for s in some}) > 1
    ]


def _channels(quality: Track) -> list[str]:
    """On channels that tell next to nothing."""
    if not len(quality):
        if {g.reason for g in quality.gaps} <= {"too_short", "no_stream"}:
            return []  # nothing is wrong with the channels
        return [f"no EEG in any channel ({_reasons(quality)}); check the unit and the contacts"]
    here = np.stack([quality[p].astype(float) for p in POSITIONS], axis=1)
    there = np.isfinite(here).any(axis=0)
    share = np.nansum(here, axis=0) / np.maximum(np.isfinite(here).sum(axis=0), 1)
    dead = [p for p, seen, s in zip(POSITIONS, there, share, strict=True) if seen and s < _SELDOM]
    if not dead:
        return []
    why = [word for field, word in _WHY.items() if np.nanmean(quality[field]) >= _NAMED]
    return [
        f"{', '.join(dead)}: no EEG in over {1 - _SELDOM:.0%} of the recording ({', '.join(why) or 'seldom usable'})"
    ]


def _reasons(quality: Track) -> str:
    return ", ".join(dict.fromkeys(_WHY.get(g.reason, g.reason) for g in quality.gaps)) or "nothing there"
