"""What examples hold, as content hashes: the register of what a model was trained on is made of them."""

from __future__ import annotations

import re

from moodal.core import content

from .index import Index

__all__ = ["contents"]


def contents(index: Index) -> list[str]:
    """What each example holds, as content hashes (`moodal.core.content`), each once, sorted.

    An example may come back by its content or by its text alone, so both are kept; one that has neither is told by
    its place in its recording.
    """
    hashes = set()
    columns = ("content", "text", "recording", "start_s", "end_s", "clip")
    for held, text, recording, start, end, clip in zip(*(index[c] for c in columns), strict=True):
        if text:
            hashes.add(content.of_text(text))
        if held:
            short = held[: content.HASH_LENGTH]
            hashes.add(short if re.fullmatch(f"[0-9a-f]{{{content.HASH_LENGTH}}}", short) else content.of_text(held))
        elif not text:
            hashes.add(content.of_text(f"{index.name}|{recording or clip}|{start:g}|{end:g}"))
    return sorted(hashes)
