"""What the words room says: its tracks and their fields."""

from __future__ import annotations

from moodal.core.scheme import scheme
from moodal.core.track import Field, TrackSpec

__all__ = ["EMOTION", "TRANSCRIPT"]

#: A sentence is final once the window of speech that holds it has been recognised.
_LOOK_AHEAD_S = 34.0

TRANSCRIPT = TrackSpec(
    "words.transcript",
    (Field("probability", "", 0.0, 1.0, "the recogniser's own score of the word; missing for a given transcript"),),
    None,
    "faster-whisper (Radford et al. 2022) on stretches of speech, or the transcript given",
    _LOOK_AHEAD_S,
    "words with their times",
    ends=True,
    texts=True,
)

EMOTION = TrackSpec(
    "words.emotion",
    (
        *(
            Field(
                c, "", 0.0, 1.0, "share of this class, not a calibrated probability; with --model as the model tells it"
            )
            for c in scheme("ekman8").classes
        ),
        Field("valence", "", -1.0, 1.0, "displeasure to pleasure that the sentence shows"),
        Field("arousal", "", -1.0, 1.0, "calm to excitement"),
        Field("dominance", "", -1.0, 1.0, "being controlled to being in control; missing with --model"),
        Field(
            "valence_half_width",
            "",
            0.0,
            2.0,
            "half the interval at 90 %, from sentences held out; with --model stated, not found",
        ),
        Field(
            "arousal_half_width",
            "",
            0.0,
            2.0,
            "half the interval at 90 %, from sentences held out; with --model stated, not found",
        ),
        Field(
            "dominance_half_width",
            "",
            0.0,
            2.0,
            "half the interval at 90 %, from sentences held out; with --model stated, not found",
        ),
    ),
    None,
    "bundle words-v0: hashed n-grams on GoEmotions (Demszky et al. 2020) and EmoBank (Buechel and Hahn 2017); "
    "or the bundle named by --model",
    _LOOK_AHEAD_S,
    "displayed emotion of each sentence",
    ends=True,
    texts=True,
)
