"""Floor 1: Moods and tracks as files, out and in again without loss."""

from __future__ import annotations

from .folder import load, save
from .tables import TrackReader, TrackWriter, write_table

__all__ = ["TrackReader", "TrackWriter", "load", "save", "write_table"]
