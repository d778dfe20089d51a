"""Floor 2, the verb *conclude*: whole tracks in, a Mood out."""

from __future__ import annotations

from .conclude import STEP_S, Facts, conclude

__all__ = ["STEP_S", "Facts", "conclude"]
