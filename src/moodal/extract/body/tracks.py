"""The tracks of the body: fields, units, rates and sources."""

from __future__ import annotations

from moodal.core.track import Field, TrackSpec

__all__ = ["ACC", "BEATS", "ECG", "EDA", "EMG", "HEART", "HRV", "PPG", "RESP", "SCR", "SUBJECT", "TEMP"]

#: Whose these tracks are until somebody says whose body it is.
SUBJECT = "body"

_TASK_FORCE = "Task Force of the ESC and NASPE 1996, Circulation 93(5)"
_MATCH = "template match of Orphanidou et al. 2015, IEEE JBHI 19(3)"

HEART = TrackSpec(
    "body.heart",
    (
        Field(
            "hr",
            "1/min",
            20,
            230,
            "over the 10 s around the second: intervals beyond doubt alone, at least 5 s and 12 of 30",
        ),
        Field("meannn", "ms", 0, None, "mean normal interval, last 300 s (at least 30 s)"),
        Field("sdnn", "ms", 0, None, "standard deviation of normal intervals, last 300 s (at least 60 s)"),
        Field("rmssd", "ms", 0, None, "root mean square of successive differences, last 300 s (at least 30 s)"),
        Field("pnn50", "%", 0, 100, "successive differences over 50 ms, last 300 s (at least 30 s)"),
        Field("sd1", "ms", 0, None, "across the Poincaré plot, last 300 s (at least 60 s)"),
        Field("sd2", "ms", 0, None, "along the Poincaré plot, last 300 s (at least 60 s)"),
        Field("hf", "ms²", 0, None, "power 0.15 to 0.4 Hz, last 300 s (at least 120 s)"),
        Field("lf", "ms²", 0, None, "power 0.04 to 0.15 Hz, last 300 s (withheld below)"),
        Field("lf_hf", "", 0, None, "lf over hf, last 300 s (withheld below)"),
    ),
    1.0,
    f"{_TASK_FORCE}; beats: Elgendi 2013 (two moving means); correction after Lipponen & Tarvainen 2019",
    look_ahead_s=50.0,
    about="heart rate and its variability on whole seconds; quality: share of the 10 s told times match of beats",
)
BEATS = TrackSpec(
    "body.beats",
    (
        Field("interval", "s", 0.25, 2.5, "from the beat before to this one, after correction"),
        Field("corrected", "", 0, 1, "1: one of its two beats was put in, moved, or had a false one beside it"),
    ),
    None,
    "Elgendi 2013 (two moving means); correction after Lipponen & Tarvainen 2019, J. Med. Eng. Technol. 43(3)",
    look_ahead_s=35.0,
    about=f"one row an interval between two beats, with its end; quality: {_MATCH}",
    ends=True,
)
HRV = TrackSpec(
    "body.hrv",
    (
        Field("hf", "ms²", 0, None, "power 0.15 to 0.4 Hz"),
        Field("lf", "ms²", 0, None, "power 0.04 to 0.15 Hz; withheld below 300 s"),
        Field("lf_hf", "", 0, None, "lf over hf; withheld below 300 s"),
        Field("sampen", "", 0, None, "sample entropy, m = 2, r = 0.2 standard deviations"),
        Field("dfa_alpha1", "", None, None, "scaling exponent of detrended fluctuations, 4 to 16 beats"),
    ),
    1 / 30,
    f"{_TASK_FORCE}; Richman & Moorman 2000; Peng et al. 1995",
    look_ahead_s=80.0,
    about="the 300 s that end with each half minute (at least 120 s); quality: share of it that is normal intervals",
)
ECG = TrackSpec(
    "body.ecg",
    (Field("ecg", "µV", -3e4, 3e4, "0.5 to 40 Hz, zero-phase"),),
    None,
    f"FIR, Hamming window of 4 s; quality: {_MATCH}",
    look_ahead_s=24.0,
    about="the cleaned ECG at its own rate, where there is a heart in it",
)
PPG = TrackSpec(
    "body.ppg",
    (Field("ppg", "", None, None, "0.5 to 8 Hz, zero-phase, in the unit of the sensor"),),
    None,
    f"FIR, Hamming window of 4 s; quality: {_MATCH}",
    look_ahead_s=24.0,
    about="the cleaned pulse wave at its own rate, where there is a pulse in it",
)
EDA = TrackSpec(
    "body.eda",
    (
        Field("eda", "µS", None, None, "mean of the cell"),
        Field("tonic", "µS", None, None, "level: zero-phase second-order Butterworth low-pass at 0.05 Hz"),
        Field("phasic", "µS", None, None, "what is left: eda - tonic"),
    ),
    None,
    "tonic and phasic split by filter: Boucsein et al. 2012, Psychophysiology 49(8); Biopac's 0.05 Hz high-pass",
    look_ahead_s=46.0,
    about="in cells of 1/32 s or one sample, the longer; quality after Kleckner et al. 2018, IEEE TBME 65(7)",
)
SCR = TrackSpec(
    "body.scr",
    (
        Field("amplitude", "µS", 0.01, None, "phasic peak minus its value at the onset"),
        Field("peak", "s", 0, None, "time of the peak"),
        Field("rise_time", "s", 0, None, "onset to peak"),
        Field("recovery_time", "s", 0, None, "peak to half recovery; missing where another response comes first"),
    ),
    None,
    "trough to peak, at least 0.01 µS: Boucsein et al. 2012, Psychophysiology 49(8), 1017-1034",
    look_ahead_s=46.0,
    about="one row a skin conductance response, from its onset to its half recovery (to its peak where there is none)",
    ends=True,
)
RESP = TrackSpec(
    "body.resp",
    (
        Field("rate", "1/min", 3, 60, "60 over the breath that holds the second"),
        Field("depth", "", 0, None, "from trough to peak of that breath, in the unit of the sensor"),
    ),
    1.0,
    "extrema of 0.05 to 1 Hz; quality: breath template match of Charlton et al. 2021, Physiol. Meas. 42(6)",
    look_ahead_s=46.0,
    about="breathing on whole seconds of its samples",
)
EMG = TrackSpec(
    "body.emg",
    (Field("envelope", "µV", 0, None, "root mean square of 20 to 450 Hz"),),
    10.0,
    "ISEK standards, Merletti 1999; De Luca et al. 2010, J. Biomech. 43(8) (20 Hz corner)",
    look_ahead_s=6.0,
    about="muscle activity in tenths of a second; quality falls as mains hum takes over",
)
TEMP = TrackSpec(
    "body.temp",
    (
        Field("temp", "°C", 10, 45, "mean of the second"),
        Field("slope", "°C/min", None, None, "least squares over the last 60 s (at least 30 s)"),
    ),
    1.0,
    "least squares; limits of skin: 10 to 45 °C",
    look_ahead_s=11.0,
    about="skin temperature on whole seconds of its samples",
)
ACC = TrackSpec(
    "body.acc",
    (
        Field("mad", "g", 0, None, "mean absolute deviation of the norm: movement, whatever the posture"),
        Field("enmo", "g", 0, None, "norm minus one, negative values taken as zero"),
        Field("norm", "g", 0, None, "mean of the norm: 1 at rest"),
    ),
    1.0,
    "MAD: Vähä-Ypyä et al. 2015, Clin. Physiol. Funct. Imaging 35(1); ENMO: van Hees et al. 2013, PLOS ONE 8(4)",
    look_ahead_s=11.0,
    about="movement on whole seconds of its samples",
)
