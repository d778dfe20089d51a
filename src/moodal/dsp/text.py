"""Text as features: tokens, negation, n-grams, and hashes that are the same on every machine.

Pure functions on strings and arrays. A feature is a short string; its key is the CRC-32 of its UTF-8
bytes (ISO 3309), so that a model trained anywhere finds the same weights everywhere.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from zlib import crc32

import numpy as np
import numpy.typing as npt

__all__ = [
    "character_features",
    "character_keys",
    "is_sign",
    "is_word",
    "key",
    "keys",
    "mark_negation",
    "tokens",
    "word_features",
]

#: Typographic apostrophes and quotes that stand for the plain ones.
_FOLD = str.maketrans({"’": "'", "‘": "'", "`": "'", "´": "'", "“": '"', "”": '"', "…": "..."})
#: Marks that change nothing about a token: joiners, variation selectors, skin tones.
_IGNORED = re.compile("[\u200b-\u200d\ufe0e\ufe0f\U0001f3fb-\U0001f3ff\u00ad]")
_PLACEHOLDER = re.compile(r"\[(?:name|religion)\]")
_LINK = re.compile(r"https?://\S+|www\.\S+")
_TOKEN = re.compile(
    r"[^\W\d_]+(?:'[^\W\d_]+)*"  # words, with their inner apostrophes
    r"|\d+(?:[.,:]\d+)*"
    r"|\.{2,}|[!?]+|[.,;:]"
    r"|[:;=8xX]['\-^o]?[)(\]\[dDpP/\\|*]+|<3|\^\^"  # emoticons
    r"|[^\w\s]"  # emoji and the rest, one sign each
)
_EMOTICON = re.compile(r"(?<!\w)(?:[:;=8]['\-^o]?[)(\]\[DpP/\\|*]+|<3|\^_*\^|[xX]D)(?!\w)")
#: Of these signs each emoticon has one; most texts have none of either.
_IN_EMOTICONS = re.compile(r"[:;=8<^D]")
#: The emoticons that begin with a letter.
_LETTER_FACES = frozenset(["xD", "XD"])
_LONG = re.compile(r"(\w)\1{2,}")

#: Words that turn round what follows; contractions in n't are found by their ending.
_NEGATIONS = frozenset(
    [
        "not",
        "no",
        "never",
        "none",
        "nobody",
        "nothing",
        "neither",
        "nor",
        "nowhere",
        "without",
        "hardly",
        "barely",
        "cannot",
        "cant",
        "dont",
        "doesnt",
        "didnt",
        "isnt",
        "arent",
        "wasnt",
        "werent",
        "wont",
        "wouldnt",
        "couldnt",
        "shouldnt",
        "havent",
        "hasnt",
        "hadnt",
        "aint",
    ]
)
#: Where the reach of a negation ends, beside punctuation.
_TURNS = frozenset(["but", "however", "though", "although", "yet", "because", "except"])
#: After a negation these say no denial of what follows: "can't wait", "can't stop crying", "not only".
_IDIOMS = frozenset(["wait", "stop", "help", "only", "just", "wonder", "doubt"])
#: Tokens that a negation reaches: "not a very happy" has three.
_REACH = 4
#: Checksum of what character features begin with.
_MARKED = crc32(b"~")
_PUNCTUATION = frozenset(".,;:!?\"'()[]{}-–—_/\\*&%$§@~+=|^<>«»¿¡♪♫#•·")


def tokens(text: str) -> list[str]:
    """Lower-case tokens in order: words, numbers (as ``#``), end marks, emoticons, each emoji.

    Letters said longer than twice are folded to two ("soooo" → "soo"), because how much longer says
    nothing more.

    >>> tokens("I don't KNOW… sooooo good!!! :)")
    ['i', "don't", 'know', '..', 'soo', 'good', '!!', ':)']
    """
    return list(_tokens(text))


@lru_cache(maxsize=16)  # a text is asked for its tokens by all that reads it
def _tokens(text: str) -> tuple[str, ...]:
    if text.isascii():
        folded = text.replace("`", "'")
    else:
        folded = _IGNORED.sub("", unicodedata.normalize("NFC", text).translate(_FOLD))
    folded = _LINK.sub(" ", folded)
    found: list[str] = []
    start = 0
    for hit in [*(_EMOTICON.finditer(folded) if _IN_EMOTICONS.search(folded) else ()), None]:
        part = folded[start : hit.start() if hit else len(folded)]
        found += [_fold(t) for t in _TOKEN.findall(_PLACEHOLDER.sub(" ", part.lower()))]
        if hit:
            found.append(hit.group())
            start = hit.end()
    return tuple(found)


@lru_cache(maxsize=20_000)  # a language says few words over and over
def _fold(token: str) -> str:
    if token[0].isdigit():
        return "#"
    if token[0] in ".!?" and len(token) > 1:
        return "?!" if "?" in token and "!" in token else token[0] * 2
    # Where one sign stands three times, two fewer than there are signs are different.
    return _LONG.sub(r"\1\1", token) if len(set(token)) < len(token) - 1 else token


def is_word(token: str) -> bool:
    """Whether a token is made of letters."""
    return len(token) > 0 and token[0].isalpha() and token not in _LETTER_FACES


def is_sign(token: str) -> bool:
    """Whether a token is an emoji or emoticon: no word, number or mere punctuation."""
    return token != "#" and not is_word(token) and any(c not in _PUNCTUATION for c in token)


def mark_negation(words: Sequence[str]) -> list[str]:
    """Words that a negation reaches get ``not_`` in front, up to the next mark or turn.

    >>> mark_negation(["i", "am", "not", "happy", ".", "you", "are"])
    ['i', 'am', 'not', 'not_happy', '.', 'you', 'are']
    >>> mark_negation(["can't", "stop", "crying"])
    ["can't", 'stop', 'crying']
    """
    if not any(word in _NEGATIONS or word.endswith("n't") for word in words):
        return list(words)
    marked: list[str] = []
    left = 0
    for word in words:
        if not is_word(word) or word in _TURNS or (word in _IDIOMS and left == _REACH):
            left = 0
            marked.append(word)
        elif word in _NEGATIONS or word.endswith("n't"):
            left = _REACH
            marked.append(word)
        else:
            marked.append(f"not_{word}" if left else word)
            left = max(left - 1, 0)
    return marked


def word_features(words: Sequence[str]) -> Iterator[str]:
    """Words and pairs of neighbours, with the edges of the text as neighbours.

    ``words`` as `mark_negation` gives them.
    """
    yield from words
    for a, b in zip(["^", *words], [*words, "$"], strict=True):
        yield f"{a} {b}"


def character_features(words: Iterable[str], shortest: int = 3, longest: int = 5) -> Iterator[str]:
    """Character n-grams inside each word with its edges, marked so that none is taken for a word."""
    for word in words:
        if not is_word(word):
            continue
        edged = f"<{word}>"
        for n in range(shortest, longest + 1):
            if len(edged) < n:
                break
            for i in range(len(edged) - n + 1):
                yield f"~{edged[i : i + n]}"


def character_keys(words: Iterable[str], shortest: int = 3, longest: int = 5) -> npt.NDArray[np.uint32]:
    """Keys of the `character_features` of words in order: ``(n,)``, read-only."""
    return np.frombuffer(b"".join(_word_keys(word, shortest, longest) for word in words), np.uint32)


@lru_cache(maxsize=20_000)  # as above
def _word_keys(word: str, shortest: int, longest: int) -> bytes:
    if not word.isascii() or not is_word(word):
        return keys(character_features([word], shortest, longest)).tobytes()
    # A letter is a byte: what the features begin with is hashed once, and no string is made of each.
    edged = f"<{word}>".encode()
    found = [crc32(edged[i : i + n], _MARKED) for n in range(shortest, longest + 1) for i in range(len(edged) - n + 1)]
    return np.array(found, np.uint32).tobytes()


def keys(features: Iterable[str]) -> npt.NDArray[np.uint32]:
    """The `key` of each feature: ``(n,)``."""
    return np.array([key(f) for f in features], np.uint32)


def key(feature: str) -> int:
    """CRC-32 of a feature's UTF-8 bytes."""
    return crc32(feature.encode("utf-8", "surrogatepass"))
