"""Floor 5: recordings as they happen. Chunks in, points out as soon as nothing can change them any more."""

from __future__ import annotations

from .engine import Live, Point, stream

__all__ = ["Live", "Point", "stream"]
