"""What an exported model reads in the product: inputs that extractors give, encoders that make its features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moodal.core.errors import ModelError
from moodal.lab.data.features.sentence import encoded_by, source_of

__all__ = ["reads"]


def reads(run: Mapping[str, Any], modalities: tuple[str, ...], context: int) -> dict[str, Any]:
    """The manifest's ``inputs``, ``encoders``, ``dialogue`` and ``uses``, from a run's ``run.json``.

    A modality that the maker ``sentence`` made is read from ``words.transcript`` through the encoder that the recipe
    names; any other is an input of its own name, which somebody must bring. ``dialogue`` says how many past turns
    change what is told, and whether it matters who spoke.

    Raises
    ------
    ModelError : the encoder that is installed now is not the one that the features were made with.
    """
    inputs: list[str] = []
    encoders: dict[str, Any] = {}
    for m in modalities:
        part = run["recipe"]["features"].get(m, {})
        if part.get("use") != "sentence":
            inputs.append(m)
            continue
        told = encoded_by(m, **part.get("settings", {}))
        if source_of(told) != run["data"]["modalities"][m]["source"]:
            raise ModelError(
                f"the encoder {told['name']} is not the one that the features of this run were made with",
                where=m, fix="Install that one, or train again.",
            )  # fmt: skip
        encoders[m] = told
        if "words.transcript" not in inputs:
            inputs.append("words.transcript")
    turns = max([context, *(e["past"] for e in encoders.values())])
    return {
        "inputs": [*inputs, *(["dialogue"] if turns else [])],
        "encoders": encoders,
        "dialogue": {"turns": turns, "speakers": bool(context)} if turns else None,
        "uses": sorted({e["name"] for e in encoders.values()}),
    }
