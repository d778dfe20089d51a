"""What readers do to what a file tells: options checked, labels mapped by a written table, text made plain."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence

import numpy as np

from moodal.core.errors import InputError, UsageError
from moodal.core.scheme import scheme

from .labels import Labels

__all__ = ["checked", "mapped", "number", "numbers", "plain", "seconds", "span"]

#: Typographers' characters in transcripts, and what a keyboard has for them.
_PLAIN = str.maketrans({
    "\u2018": "'", "\u2019": "'", "\u201a": "'", "\u201b": "'", "\u02bc": "'", "\u0092": "'", "\u0091": "'",
    "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u0093": '"', "\u0094": '"',
    "\u2013": "-", "\u2014": "-", "\u0096": "-", "\u0097": "-", "\u2026": "...", "\u0085": "...", "\u00a0": " ",
})  # fmt: skip


def plain(text: str) -> str:
    """Text with straight quotes, plain dashes and dots and single blanks; letters stay as they are.

    >>> plain("Oh my God, he\u2019s  lost it\u2026")
    "Oh my God, he's lost it..."
    """
    return " ".join(unicodedata.normalize("NFC", text).translate(_PLAIN).split())


def checked(name: str, value: str, known: Sequence[str], where: str) -> str:
    """An option of a reader.

    Raises
    ------
    UsageError : none of those that it knows.
    """
    if value not in known:
        raise UsageError(f"{name} = {value!r} is not known", where=where, fix=f"Known: {', '.join(known)}.")
    return value


def mapped(told: Sequence[str], table: Mapping[str, str], to: str = "ekman8") -> Labels:
    """A second label by a written table, into a scheme; what the table leaves out is an example without that label."""
    names = scheme(to).classes
    return Labels.of_classes([table.get(t, "") for t in told], names, scheme=to, where=f"table to {to}", source=told)


def number(text: str, what: str, where: str, row: int) -> float:
    """A number from a cell; NaN where it is empty. Rows are counted from 0.

    Raises
    ------
    InputError : the cell holds something else.
    """
    if not text.strip() or text.strip().lower() in ("nan", "na"):
        return float("nan")
    try:
        value = float(text)
    except ValueError:
        value = float("inf")
    if np.isinf(value):
        raise InputError(f"row {row + 1}: {what} is {text!r}, not a number", where=where, fix="Correct the row.")
    return value


def numbers(texts: Sequence[str], what: str, where: str) -> list[float]:
    """A column of numbers; see `number`."""
    return [number(t, what, where, i) for i, t in enumerate(texts)]


def seconds(text: str, where: str, row: int) -> float:
    """``HH:MM:SS,mmm`` (or with a point) in seconds; NaN where empty.

    Raises
    ------
    InputError : the cell is not of that form.
    """
    if not text.strip():
        return float("nan")
    try:
        hours, minutes, rest = text.replace(",", ".").split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(rest)
    except ValueError:
        raise InputError(f"row {row + 1}: {text!r} is not a time HH:MM:SS,mmm", where=where) from None


def span(start: str, end: str, where: str, row: int) -> tuple[float, float]:
    """Two cells as `seconds`; both NaN where one is empty, or where the end stands before the start."""
    a, b = seconds(start, where, row), seconds(end, where, row)
    return (a, b) if a <= b else (float("nan"), float("nan"))
