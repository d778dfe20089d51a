"""The tracks of the brain: fields, units, rates and sources."""

from __future__ import annotations

from moodal.core.track import Field, TrackSpec
from moodal.dsp.eeg import BANDS, POSITIONS
from moodal.dsp.eeg_entropy import BAND_SETS, side_pairs

__all__ = [
    "ASYMMETRY",
    "BANDS_TRACK",
    "ENTROPY",
    "HJORTH",
    "LEAST_CHANNELS",
    "PAIRS",
    "QUALITY",
    "SUBJECT",
    "TRACKS",
    "WORKLOAD",
]

#: Whose these tracks are until somebody says whose head it is: one person wears cap and wristband.
SUBJECT = "body"
#: Cores of 2 s, half a second beyond, and a sample.
LOOK_AHEAD_S = 4.0
#: Least electrodes that workload is told from.
LEAST_CHANNELS = 4
#: Left and right electrodes of the 10-20 system.
PAIRS = tuple(side_pairs(list(POSITIONS)))

BANDS_TRACK = TrackSpec(
    "brain.bands",
    tuple(
        Field(f"{band}_{name}", "µV²", 0, None, f"{low:g} to {high:g} Hz at {name}, against the mean of all channels")
        for band, (low, high) in BANDS.items()
        for name in POSITIONS
    ),
    1.0,
    "Welch 1967, Hann window of 2 s; positions: 10-20 system (Jasper 1958), T3 T4 T5 T6 read as T7 T8 P7 P8",
    look_ahead_s=LOOK_AHEAD_S,
    about="EEG power in bands on whole seconds of its samples, if none is at one of these at the nearest; "
    "quality: share of the channels that tell",
)
ENTROPY = TrackSpec(
    "brain.de",
    tuple(
        Field(
            f"{band}_{name}", "nat", None, None, f"{low:g} to {high:g} Hz at {name}, against the mean of all channels"
        )
        for band, (low, high) in BAND_SETS["seed"].items()
        for name in POSITIONS
    ),
    1.0,
    "differential entropy 0.5 ln(2πe variance), µV: Duan et al. 2013, IEEE NER; bands of Zheng and Lu 2015, IEEE TAMD",
    look_ahead_s=LOOK_AHEAD_S,
    about="from the spectra of brain.bands, not smoothed; a band that the rate does not hold whole is missing",
)
ASYMMETRY = TrackSpec(
    "brain.asymmetry",
    tuple(
        Field(f"{band}_{left}_{right}", "nat", None, None, f"brain.de {band}: {left} minus {right}")
        for band in BAND_SETS["seed"]
        for left, right in PAIRS
    ),
    1.0,
    "DASM of Zheng and Lu 2015, IEEE TAMD 7(3); ln power F4 - ln power F3 (Allen et al. 2004) is -2 times alpha_F3_F4",
    look_ahead_s=LOOK_AHEAD_S,
    about="left minus right; positive: more power on the left; missing where either electrode tells nothing",
)
HJORTH = TrackSpec(
    "brain.hjorth",
    tuple(
        Field(f"{what}_{name}", unit, 0, None, f"{about} at {name}")
        for what, unit, about in (
            ("activity", "µV²", "variance"), ("mobility", "1/s", "mean angular frequency"),
            ("complexity", "", "bandwidth; 1 for a sine"),
        )
        for name in POSITIONS
    ),
    1.0,
    "Hjorth 1970, Electroencephalogr. Clin. Neurophysiol. 29(3), 306-310",
    look_ahead_s=LOOK_AHEAD_S,
    about="of the 2 s around each second, against the mean of all channels",
)  # fmt: skip
QUALITY = TrackSpec(
    "brain.quality",
    (
        *(Field(name, "", 0, 1, f"1: {name} tells; 0: it does not; missing: no such channel") for name in POSITIONS),
        Field("not_finite", "", 0, 1, "share of the channels that are not numbers"),
        Field("flat", "", 0, 1, "share of the channels that do not move"),
        Field("saturated", "", 0, 1, "share of the channels that are held at an end of their range"),
        Field("artefact", "", 0, 1, "share of the channels that are larger than any EEG"),
        Field("blink", "", 0, 1, "1: an eye blinks in this second (frontal channels)"),
    ),
    1.0,
    "limits: 0.05 and 300 µV deviation; half a second of one value; blinks: 60 µV for 50 to 600 ms on Fp1 or Fp2",
    look_ahead_s=LOOK_AHEAD_S,
    about="which channels tell, and why others do not; a blink is named and not taken out",
)
WORKLOAD = TrackSpec(
    "brain.workload",
    (
        Field("task", "", 0, 1, "how likely the person works in the head rather than rests"),
        Field("set_rest", "", 0, 1, "1: rest belongs to the label set at 90 %"),
        Field("set_task", "", 0, 1, "1: task belongs to the label set at 90 %"),
        Field("eeg", "", None, None, "log odds of task that the EEG adds; missing where it tells nothing"),
        Field("ecg", "", None, None, "log odds of task that the ECG adds; missing where it tells nothing"),
    ),
    0.1,
    "moodal's bundle workload: covariances of EEG in bands and heart rate, trained on EEGMAT",
    look_ahead_s=10.0,
    about="rest or mental work, every 10 s; quality: share of the EEG's channels that tell",
)
TRACKS = (BANDS_TRACK, ENTROPY, ASYMMETRY, HJORTH, QUALITY)
