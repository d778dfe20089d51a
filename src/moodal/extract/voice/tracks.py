"""The tracks of the voice: fields, units, rates and sources."""

from __future__ import annotations

from moodal.core.scheme import scheme
from moodal.core.track import Field, TrackSpec
from moodal.dsp.egemaps import DESCRIPTORS, LEVEL_NAME

__all__ = ["ACTIVITY", "CELL_S", "EGEMAPS", "EMOTION", "PITCH", "RATE", "RATE_CELL_S", "SUBJECT", "TRACKS"]

#: Whose tracks these are until somebody says whose voice it is.
SUBJECT = "voice"
#: Stretch that one sample of `voice.emotion` and of `voice.rate` stands for, s.
CELL_S, RATE_CELL_S = 0.5, 1.0

ACTIVITY = TrackSpec(
    "voice.activity",
    (
        Field("speech", "", 0, 1, "score that somebody speaks (not a calibrated probability)"),
        Field("level_db", "dBFS", -140, 10, "level of the sound; a full-scale square wave is 0"),
    ),
    31.25,
    "silero-vad 6.2.3; stretches by hysteresis: on at 0.5, off below 0.35 for 0.32 s, at least 0.256 s long",
    look_ahead_s=2.6,
    about="told inside stretches of speech; everything else is a gap",
)
EGEMAPS = TrackSpec(
    "voice.egemaps",
    (
        *(Field(name, unit, about=about) for name, unit, about in DESCRIPTORS),
        Field(LEVEL_NAME, "dBFS", -140, 10, "level of the frame (not one of the 25; for the equivalent sound level)"),
    ),
    100.0,
    "eGeMAPS v02, Eyben et al. 2016, IEEE Trans. Affective Computing 7(2); columns named as in openSMILE 2.6",
    look_ahead_s=4.0,
    about="told in speech and up to 0.5 s around it; fields of voiced frames are missing where unvoiced",
)
PITCH = TrackSpec(
    "voice.pitch",
    (
        Field("f0", "Hz", 55, 1000, "fundamental frequency; missing where unvoiced"),
        Field("voicing", "", 0, 1, "score that the frame is voiced (unvoiced below about 0.7)"),
    ),
    100.0,
    "subharmonic summation, Hermes 1988, J. Acoust. Soc. Am. 83(1), with a path through its candidates",
    look_ahead_s=4.0,
    about="told in speech and up to 0.5 s around it",
)
RATE = TrackSpec(
    "voice.rate",
    (
        Field("syllables_per_s", "1/s", 0, 20, "peaks of loudness that are voiced, per second of speech"),
        Field("pause_share", "", 0, 1, "share of the window that is pause between speech"),
        Field("mean_pause_s", "s", 0, 3, "mean length of those pauses; missing where there is none"),
    ),
    1.0,
    "loudness peaks on voiced stretches, after de Jong & Wempe 2009, Behavior Research Methods 41(2)",
    look_ahead_s=6.0,
    about="each second, over a sliding window of 3 s around it",
    ends=True,
)
EMOTION = TrackSpec(
    "voice.emotion",
    (
        *(
            Field(c, "", 0, 1, "probability of this class, calibrated on people; missing where no expert is installed")
            for c in scheme("ekman8").classes
        ),
        Field("arousal", "", -1, 1, "arousal that the voice displays, by a written rule"),
        Field("arousal_half_width", "", 0, 1, "hand-set half-width of its interval; not calibrated on people"),
    ),
    2.0,
    "written rule over pitch, spectral balance and rate (no level); Juslin & Laukka 2003, Psych. Bulletin 129(5)",
    look_ahead_s=5.0,
    with_expert_s=12.0,
    about="each half second: arousal over a window of 1 s around it; classes, where a voice expert is installed, over "
    "the talk of at most 6 s that it is part of, or windows of 4 s of longer talk",
    ends=True,
)
TRACKS = (ACTIVITY, EGEMAPS, PITCH, RATE, EMOTION)
