"""Several files on one clock."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from moodal.core.recording import Recording

from . import transcript
from .units import Units

__all__ = ["join"]


def join(recording: Recording, with_: Sequence[str | os.PathLike[str]], units: Units) -> Recording:
    """The recording with each of ``with_`` on its clock."""
    for item in with_:
        recording = transcript.join(recording, Path(item))
    return recording
