"""moodal: a recording in, displayed emotion with honest uncertainty out.

>>> import moodal
>>> mood = moodal.analyze("talk.mp4")  # doctest: +SKIP
>>> mood.summary()["subjects"][0]["overall"]["label_set"]  # doctest: +SKIP
['neutral', 'happiness']
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = [
    "Bundle",
    "Mood",
    "MoodalError",
    "Recording",
    "Span",
    "Timeline",
    "Track",
    "TrackSet",
    "__version__",
    "analyze",
    "extract",
    "load",
    "people",
    "read",
    "stream",
]

#: Front-page names and the modules they live in: fetched at first use, so that importing moodal is quick.
_WHERE = {
    "Bundle": "moodal.core.bundle",
    "Mood": "moodal.core.mood",
    "MoodalError": "moodal.core.errors",
    "Recording": "moodal.core.recording",
    "Span": "moodal.core.clock",
    "Timeline": "moodal.core.clock",
    "Track": "moodal.core.track",
    "TrackSet": "moodal.core.track",
    "analyze": "moodal.front",
    "extract": "moodal.analyze",
    "load": "moodal.formats",
    "people": "moodal.people",
    "read": "moodal.media",
    "stream": "moodal.live",
}

if TYPE_CHECKING:
    from moodal.analyze import extract
    from moodal.core.bundle import Bundle
    from moodal.core.clock import Span, Timeline
    from moodal.core.errors import MoodalError
    from moodal.core.mood import Mood
    from moodal.core.recording import Recording
    from moodal.core.track import Track, TrackSet
    from moodal.formats import load
    from moodal.front import analyze
    from moodal.live import stream
    from moodal.media import read
    from moodal.people import people


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'moodal' has no attribute {name!r}")
    value = getattr(import_module(_WHERE[name]), name)
    globals()[name] = value
    return value


class _Front(ModuleType):
    """Keeps `moodal.analyze` and `moodal.extract` the functions.

    Importing a room puts it on the front page under its own name, which would hide the function of
    the same name. Rooms stay importable (``from moodal.extract.face import SPEC``).
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in _WHERE or not isinstance(value, ModuleType):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Front


def __dir__() -> list[str]:
    return sorted(__all__)
