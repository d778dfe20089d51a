"""WordPiece: text into the pieces of a BERT vocabulary, as the uncased models cut it.

Wu et al. 2016 (arXiv 1609.08144) for the pieces, Devlin et al. 2019 (arXiv 1810.04805) for what happens before: lower
case, accents taken off, punctuation and Chinese characters standing alone.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

__all__ = ["WordPiece"]

#: A word longer than this is one unknown piece, as in the published tokeniser.
_LONGEST = 100
#: Blocks of CJK ideographs, whose characters are words of their own.
_CJK = (
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
)  # fmt: skip


class WordPiece:
    """Pieces by their place in a vocabulary: pieces that go on within a word begin with ``##``.

    >>> WordPiece(["[UNK]", "un", "##happy", "!"]).ids("Unhappy!")
    [1, 2, 3]
    """

    def __init__(self, vocabulary: Sequence[str], unknown: str = "[UNK]") -> None:
        self._place = {piece: i for i, piece in enumerate(vocabulary)}
        self._unknown = self._place[unknown]
        self.word_ids = lru_cache(maxsize=50_000)(self._word_ids)

    def __getitem__(self, piece: str) -> int:
        return self._place[piece]

    def ids(self, text: str) -> list[int]:
        """The pieces of a text, without the marks that models put around it."""
        return [i for word in words(text) for i in self.word_ids(word)]

    def _word_ids(self, word: str) -> tuple[int, ...]:
        if len(word) > _LONGEST:
            return (self._unknown,)
        found: list[int] = []
        start = 0
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = word[start:end] if not start else f"##{word[start:end]}"
                if piece in self._place:
                    found.append(self._place[piece])
                    start = end
                    break
            else:
                return (self._unknown,)
        return tuple(found)


def words(text: str) -> list[str]:
    """Words and signs of a text, lower case and without accents."""
    if text.isascii() and text.isprintable():
        return _PLAIN.findall(text.lower())
    plain = "".join(_spaced(c) for c in text)
    plain = unicodedata.normalize("NFD", plain.lower())
    spread = "".join("" if unicodedata.category(c) == "Mn" else f" {c} " if _sign(c) else c for c in plain)
    return spread.split()


def _spaced(c: str) -> str:
    code = ord(c)
    if c in "\t\n\r":
        return " "
    if code in (0, 0xFFFD) or unicodedata.category(c)[0] == "C":
        return ""
    if unicodedata.category(c) == "Zs":
        return " "
    return f" {c} " if any(a <= code <= b for a, b in _CJK) else c


def _sign(c: str) -> bool:
    # ASCII signs that Unicode calls symbols ($ + < = > ^ ` | ~) are cut off like punctuation.
    return unicodedata.category(c)[0] == "P" or (c.isascii() and c.isprintable() and not c.isalnum() and c != " ")


#: Words and signs of ASCII without control characters, in one step.
_PLAIN = re.compile(r"[a-z0-9]+|[!-/:-@\[-`{-~]")
