"""Emoji as words, and letters drawn out cut short: what a vocabulary of written pieces would not know otherwise."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

__all__ = ["named_signs"]

#: The same letter four times or more says no more than three; of other signs, likewise.
_DRAWN_OUT = re.compile(r"(\S)\1{3,}")
#: From here on a symbol of Unicode is a picture with a name worth reading; arrows and technical signs are before it.
_FIRST_PICTURE = 0x2600
_BRAILLE = range(0x2800, 0x2900)


def named_signs(text: str) -> str:
    """The text with each emoji as its Unicode name, once a run, and with no sign more than three times in a row.

    >>> named_signs("sooooo good\U0001f602\U0001f602")
    'sooo good face with tears of joy '
    """
    short = _DRAWN_OUT.sub(r"\1\1\1", text)
    if short.isascii():
        return short
    out, last = [], ""
    for c in short:
        name = _name(c)
        if name is None:
            out.append(c)
            last = ""
        elif name and name != last:
            out.append(f" {name} ")
            last = name
    return "".join(out)


@lru_cache(maxsize=4096)
def _name(c: str) -> str | None:
    """Its name where it is a picture, nothing where it only changes one (skin, joiner, variant), None for text."""
    code = ord(c)
    if code < _FIRST_PICTURE:
        return "" if code == 0x200D else None
    if 0xFE00 <= code <= 0xFE0F or 0x1F3FB <= code <= 0x1F3FF or code in _BRAILLE:
        return ""
    if unicodedata.category(c) == "So":
        return unicodedata.name(c, "").lower().replace("-", " ")
    return None
