"""Models of any subset of modalities, one file each, found through the registry by their ``SPEC``.

Every one is ``build(widths, classes, kind, **settings)`` and is held to the same laws
(``tests/laws/test_model_laws.py``): hidden is absent, padded is cropped, order in the batch does not
matter, any non-empty subset of modalities runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from moodal.core import registry
from moodal.core.errors import UsageError

if TYPE_CHECKING:
    from .base import Model

__all__ = ["build", "names"]


def names() -> tuple[str, ...]:
    """Names of the registered models; loads none of them."""
    return registry.names("models")


def build(name: str, widths: Mapping[str, int], classes: int, kind: str = "class", **settings: Any) -> Model:
    """A model of that name, freshly drawn from torch's generator.

    Parameters
    ----------
    widths : channels of each modality, in order.
    classes : outputs: classes, labels, or dimensions.
    kind : ``class``, ``multilabel``, ``continuous`` or ``distribution``.

    Raises
    ------
    UsageError : no such model, setting or kind; no modality.
    """
    module = registry.load("models", name)
    if kind not in module.SPEC.kinds:
        raise UsageError(f"does not learn {kind} labels", where=name, fix=f"It learns: {', '.join(module.SPEC.kinds)}.")
    if not widths or min(widths.values()) < 1:
        raise UsageError(f"needs a modality of one channel at least, not {dict(widths)}", where=name)
    return module.build(widths, classes, kind, **settings)
