"""Floor 2, the verb *conclude*: whole tracks in, a Mood out."""

from __future__ import annotations

from .conclude import Facts, cell_s, conclude

__all__ = ["Facts", "cell_s", "conclude"]
