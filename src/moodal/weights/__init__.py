"""Floor 1: model files. One manifest, one cache folder, checked hashes, ready sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .cache import home, path, state
from .manifest import Entry, Member, Package, entries, entry, require_commercial
from .sessions import litert, onnx

if TYPE_CHECKING:
    from .fetch import Pulled, pull

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


def __getattr__(name: str) -> Any:
    """Fetching brings network modules along, which nothing else needs: imported when first asked for."""
    if name in ("Pulled", "pull"):
        from . import fetch

        return getattr(fetch, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
