"""A text encoder from a bundle: an utterance, and what was said before it, into one vector a piece."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from moodal.core.bundle import Bundle
from moodal.core.errors import ModelError
from moodal.dsp.text_signs import named_signs
from moodal.dsp.wordpiece import WordPiece
from moodal.weights.sessions import onnx_graph

__all__ = ["TextEncoder", "normal"]

#: Signs of Windows-1252 that were read as Latin-1, curly quotes and dashes, as a keyboard types them.
_SIGNS = str.maketrans({
    "\x91": "'", "\x92": "'", "\x93": '"', "\x94": '"', "\x85": "...", "\x96": "-", "\x97": "-", "‘": "'", "’": "'",
    "“": '"', "”": '"', "…": "...", "–": "-", "—": "-",
})  # fmt: skip


def normal(text: str) -> str:
    """The text with typewriter's signs and single blanks, as encoders here are trained on."""
    return " ".join(text.translate(_SIGNS).split())


@dataclass(frozen=True)
class TextEncoder:
    """A bundle of kind ``encoder``: graph ``encoder`` (ids, types, mask → states) and the array ``vocabulary``.

    The manifest says ``width``, ``longest`` (pieces in all), ``own`` (pieces of the utterance itself) and ``past``
    (utterances before it that are read). The input is ``[CLS] utterance [SEP] past … [SEP]``, oldest past first, of the
    types 0 and 1; past utterances that do not fit are left out, oldest first.

    With ``alone`` in the manifest the graph takes ``ids (1, T)`` and no more: its numbers depend on all pieces that it
    reads, so that a text is never read with another, nor with a past.
    """

    bundle: Bundle

    def __post_init__(self) -> None:
        if self.bundle.manifest["kind"] != "encoder":
            raise ModelError("is no text encoder", where=self.bundle.name, fix="See: moodal models list")

    def load(self) -> TextEncoder:
        """The encoder with its graph and vocabulary read, so that a damaged bundle is noticed before anything is told.

        Raises
        ------
        ModelError : a member is missing, damaged, or no graph that runs here.
        """
        try:
            _ = self._pieces["[CLS]"], self._pieces["[SEP]"], self._session
        except (ValueError, KeyError, EOFError, zlib.error) as error:
            raise ModelError(
                f"cannot be read ({error})", where=str(self.bundle.path), fix="Fetch or export it again."
            ) from error
        return self

    @property
    def past(self) -> int:
        """How many utterances before the present one are read."""
        return int(self.bundle.manifest["past"])

    @property
    def alone(self) -> bool:
        """Whether its graph reads one text at a time."""
        return bool(self.bundle.manifest.get("alone", False))

    @property
    def width(self) -> int:
        """Channels of a state."""
        return int(self.bundle.manifest["width"])

    @cached_property
    def _pieces(self) -> WordPiece:
        return WordPiece(self.bundle.array("vocabulary").tobytes().decode().split("\n"))

    @cached_property
    def _session(self) -> object:
        return onnx_graph(self.bundle.graph("encoder"), self.bundle.name)

    def sequence(self, text: str, before: Sequence[str] = ()) -> tuple[list[int], int]:
        """Pieces of the input, and how many of them are the utterance's own (marks included).

        ``before`` are the utterances before it, oldest first.
        """
        told = self.bundle.manifest
        pieces, end = self._pieces, self._pieces["[SEP]"]
        own = [pieces["[CLS]"], *pieces.ids(normal(text))[: int(told["own"])], end]
        past: list[int] = []
        for text in list(before)[::-1][: self.past]:
            turn = [*pieces.ids(normal(text))[: int(told["own"])], end]
            if len(own) + len(past) + len(turn) > int(told["longest"]):
                break
            past = turn + past
        return own + past, len(own)

    def windows(self, text: str, most: int) -> list[list[int]]:
        """A text of its own, without past, in windows of as many pieces as the encoder reads at once, marks included;
        no more than ``most`` of them."""
        own = int(self.bundle.manifest["own"])
        # Whoever writes ten thousand words is not cut into pieces to the end.
        plain = normal(named_signs(text[: 8 * own * most]) if self.bundle.manifest.get("signs") == "named" else text)
        ids = self._pieces.ids(plain)
        first, last = self._pieces["[CLS]"], self._pieces["[SEP]"]
        return [[first, *ids[i : i + own], last] for i in range(0, min(len(ids), own * most), own)]

    def unknown(self, windows: Sequence[Sequence[int]]) -> float:
        """Share of their pieces that stand for nothing known."""
        unknown = self._pieces["[UNK]"]
        own = [i for w in windows for i in w[1:-1]]
        return sum(i == unknown for i in own) / max(len(own), 1)

    def pooled(self, windows: Sequence[Sequence[int]]) -> npt.NDArray[np.float32]:
        """``(windows, width)``: the mean state of each, marks included, read one by one so that none depends on the
        others."""
        found = np.zeros((len(windows), self.width), np.float32)
        for k, pieces in enumerate(windows):
            # The mean, without what `numpy.mean` does around it.
            found[k] = np.add.reduce(self._run(np.array([pieces], np.int64))[0], axis=0) / len(pieces)
        return found

    def _run(
        self,
        ids: npt.NDArray[np.int64],
        types: npt.NDArray[np.int64] | None = None,
        mask: npt.NDArray[np.bool_] | None = None,
    ) -> npt.NDArray[np.float32]:
        """States of ``ids (n, T)``; without ``types`` and ``mask`` all are of the utterance itself, and none is
        padded."""
        asked: dict[str, npt.NDArray[np.generic]] = {"ids": ids}
        if not self.alone:
            asked["types"] = np.zeros_like(ids) if types is None else types
            asked["mask"] = np.ones(ids.shape, bool) if mask is None else mask
        (states,) = self._session.run(None, asked)  # type: ignore[attr-defined]
        return np.asarray(states, np.float32)

    def states(
        self, texts: Sequence[str], before: Sequence[Sequence[str]] | None = None, batch: int = 32
    ) -> list[npt.NDArray[np.float32]]:
        """One ``(pieces, width)`` array for each text, its own pieces alone; past ones have been read by them."""
        told = [self.sequence(t, before[i] if before else ()) for i, t in enumerate(texts)]
        batch = 1 if self.alone else batch
        found: list[npt.NDArray[np.float32]] = [np.zeros((0, self.width), np.float32)] * len(told)
        # Of like length together: what is padded is computed too.
        order = np.argsort([len(ids) for ids, _ in told], kind="stable")
        for first in range(0, len(order), batch):
            rows = order[first : first + batch]
            steps = max(len(told[i][0]) for i in rows)
            ids, types = np.zeros((len(rows), steps), np.int64), np.ones((len(rows), steps), np.int64)
            mask = np.zeros((len(rows), steps), bool)
            for k, i in enumerate(rows):
                pieces, own = told[i]
                ids[k, : len(pieces)], types[k, :own], mask[k, : len(pieces)] = pieces, 0, True
            states = self._run(ids, types, mask)
            for k, i in enumerate(rows):
                found[i] = states[k, : told[i][1]]
        return found
