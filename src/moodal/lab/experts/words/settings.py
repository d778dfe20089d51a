"""What the recipe may say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from moodal.core.errors import UsageError

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """``layers`` of what ships, of ``pieces`` of the vocabulary, reading ``own`` pieces at once.

    ``teacher_*`` are of the six-layer net; ``rate`` of the encoder (its heads ten times that), ``batch`` in sentences.
    ``last_*`` are of the end, where denied feelings are among the sentences, ``denials`` times an epoch.
    ``many``: labels with more training sentences than this are frequent. ``across`` is what a teacher's word counts on
    the other set's sentences. ``bits`` are of stored weights, ``piece_bits`` of stored pieces. ``threads`` are part of
    the recipe, because sums depend on them. ``products`` of the encoder that ships are ``float32`` or ``int8``
    (`moodal.lab.train.text_alone`); what is learnt does not depend on it.
    """

    layers: int = 3
    pieces: int = 12_400
    own: int = 48
    teacher_layers: int = 6
    teacher_epochs: float = 2.0
    teacher_rate: float = 1.3e-4
    epochs: float = 2.25
    rate: float = 1e-4
    last_epochs: float = 0.7
    last_rate: float = 5e-5
    denials: int = 2
    batch: int = 64
    many: int = 2050
    across: float = 0.25
    bits: int = 7
    piece_bits: int = 6
    threads: int = 1
    products: str = "int8"

    #: Settings of how a bundle is written, no part of the key under which what is learnt is kept.
    WRITING: ClassVar[frozenset[str]] = frozenset({"products"})

    def __post_init__(self) -> None:
        if self.products not in ("float32", "int8"):
            raise UsageError(f"unknown products {self.products!r}", fix="Known: float32, int8.")
