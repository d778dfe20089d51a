"""What a model declares about itself; needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

from moodal.lab.nn.settings import parse

__all__ = ["KINDS", "ModelSpec", "parse"]

#: Kinds of label that every model here learns.
KINDS = ("class", "multilabel", "continuous", "distribution")


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model of the registry.

    ``wants`` says in a line what it is fed, ``reports`` what its answer holds beside ``logits``; ``settings`` is its
    dataclass; ``source`` the publication.
    """

    name: str
    title: str
    wants: str
    reports: tuple[str, ...]
    settings: type
    source: str
    kinds: tuple[str, ...] = KINDS
