"""The tracks of the brain: fields, units, rates and sources."""

from __future__ import annotations

from moodal.core.track import Field, TrackSpec
from moodal.dsp.eeg import BANDS, POSITIONS

__all__ = ["BANDS_TRACK", "SUBJECT", "TRACKS", "WORKLOAD"]

#: Whose these tracks are until somebody says whose head it is: one person wears cap and wristband.
SUBJECT = "body"

BANDS_TRACK = TrackSpec(
    "brain.bands",
    tuple(
        Field(f"{band}_{name}", "µV²", 0, None, f"{low:g} to {high:g} Hz at {name}, against the mean of all channels")
        for band, (low, high) in BANDS.items()
        for name in POSITIONS
    ),
    1.0,
    "Welch 1967, Hann window of 2 s; positions: 10-20 system (Jasper 1958), T3 T4 T5 T6 read as T7 T8 P7 P8",
    look_ahead_s=12.0,
    about="EEG power in bands on whole seconds of its samples, if none is at one of these at the nearest; "
    "quality: share of the channels that tell",
)
WORKLOAD = TrackSpec(
    "brain.workload",
    (
        Field("task", "", 0, 1, "how likely the person works in the head rather than rests"),
        Field("set_rest", "", 0, 1, "1: rest belongs to the label set at 90 %"),
        Field("set_task", "", 0, 1, "1: task belongs to the label set at 90 %"),
    ),
    0.1,
    "moodal's bundle workload: covariances of EEG in bands and heart rate, trained on EEGMAT",
    look_ahead_s=10.0,
    about="rest or mental work, every 10 s; quality: share of the EEG's channels that tell",
)
TRACKS = (BANDS_TRACK,)
