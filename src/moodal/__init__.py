"""moodal: a recording in, displayed emotion with honest uncertainty out."""

from __future__ import annotations

__version__ = "0.1.0"
