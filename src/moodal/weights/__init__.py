"""Floor 1: model files. One manifest, one cache folder, checked hashes, ready sessions."""

from __future__ import annotations

from .cache import home, path, state
from .fetch import Pulled, pull
from .manifest import Entry, Member, Package, entries, entry, require_commercial
from .sessions import litert, onnx

__all__ = [
    "Entry",
    "Member",
    "Package",
    "Pulled",
    "entries",
    "entry",
    "home",
    "litert",
    "onnx",
    "path",
    "pull",
    "require_commercial",
    "state",
]
