"""What runs an expert's bundle on one example: the same functions inside `analyze` and in the lab's scores.

::

    Example ──► read ──► Evidence (steps, channels), or the reason why nothing can be told
                            │        the costly part: decode, features
    person's Evidence ─────►│
                            ▼
                          tell ──► Told: calibrated scores, label set, or withheld
                                     the cheap part: head, baseline, temperature
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from . import registry
from .bundle import Bundle
from .clock import FloatArray
from .errors import ModelError

__all__ = ["Evidence", "Example", "Runner", "Told", "open_runner", "whole_bundle"]

#: What an expert has read of an example: ``(steps, channels)``, one row a window, a frame or a sentence.
Evidence = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Example:
    """One thing to be told of: a file (or a stretch of it, s), or a text."""

    file: Path | None = None
    text: str | None = None
    start_s: float | None = None
    end_s: float | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """``scores (C,)`` in the runner's own scheme: calibrated and summing to 1, for several labels each in (0, 1), for
    dimensions values in [-1, 1].

    ``withheld`` names the gap's reason where nothing should be believed (the scores then say what would have been
    told). ``half_width (C,)`` belongs to dimensions, at coverage 0.9. ``parts`` has for each kind of stream that
    was read by how much it moved the log odds of the second of two classes, before calibration.
    """

    scores: FloatArray
    withheld: str = ""
    half_width: FloatArray | None = None
    parts: Mapping[str, float] = field(default_factory=dict)


class Runner(Protocol):
    """A bundle ready to be asked.

    ``schemes``: its own first (classes in order), then those that a written table leads to; ``va`` has the names of its
    dimensions. ``multilabel`` are the schemes in which several classes may be told at once. ``uses_baseline`` says
    whether ``person`` changes anything.
    """

    bundle: Bundle
    schemes: Mapping[str, tuple[str, ...]]
    multilabel: frozenset[str]
    uses_baseline: bool

    def read(self, example: Example) -> Evidence | str:
        """What the example holds, or the gap reason why it holds nothing.

        Raises
        ------
        InputError : it cannot be read.
        """
        ...

    def tell(self, evidence: Evidence, person: Sequence[Evidence] = ()) -> Told:
        """What it shows; ``person`` is all that is known of the same person without labels, this included."""
        ...


@contextmanager
def whole_bundle(bundle: Bundle) -> Iterator[None]:
    """What a runner takes from a bundle as it opens is taken within this.

    Raises
    ------
    ModelError : a field or a member is missing or is not what it should be.
    """
    try:
        yield
    except (KeyError, ValueError) as error:
        raise ModelError(f"manifest lacks {error}", where=bundle.name, fix="Make or install it again.") from error


def open_runner(bundle: Bundle) -> Runner:
    """What runs this bundle, by the manifest's ``runner``.

    Raises
    ------
    ModelError : it names none, or the bundle is damaged.
    """
    name = str(bundle.manifest.get("runner", ""))
    if name not in registry.names("experts"):
        raise ModelError(
            f"runner {name!r} is not known" if name else "names no runner", where=bundle.name,
            fix="It may need a newer moodal; see: moodal models list",
        )  # fmt: skip
    runner: Runner = registry.load("experts", name).open_runner(bundle)
    return runner
