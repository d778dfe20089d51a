"""The bundle ``text`` that both experts read by, and what the cards say in words."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from moodal.core.bundle import Bundle
from moodal.extract.words.encoder import TextEncoder
from moodal.extract.words.reader import FARTHEST
from moodal.formats.files import disk_errors
from moodal.lab.experts.work import Work
from moodal.lab.nn.text import TextNet
from moodal.lab.train.text import write_encoder

from .ngrams import BLOCK_WEIGHTS, STEP
from .settings import Settings
from .texts import Corpus

__all__ = ["WORDS", "WORDS_VAD", "write_text"]

Array = npt.NDArray[Any]

TERMS = (
    "GoEmotions (annotations Apache-2.0; the comments are their authors' text), XED (CC BY 4.0: the language table and "
    "the choice of pieces), EmoBank (CC BY-SA 4.0, whose terms this bundle carries on); base MiniLM-L6 (Apache-2.0)"
)
LICENCE = "CC-BY-SA-4.0"

TEXT = """# text

How `words` and `words-vad` read a sentence: {layers} layers of MiniLM-L6 (384 wide, {pieces:,} pieces, stored in {bits}
and {piece_bits} bits), tuned on GoEmotions and EmoBank and taught by a net of six layers; beside it a linear model on
n-grams with negation marked; and the table that tells English from other languages.

It says nothing by itself: see the cards of the two.

**Terms**: {terms}. It was tuned on EmoBank, so whoever shares it, changed or not, does so under CC BY-SA 4.0 and names
the sources.
"""

WORDS = """Which of 28 emotions an English sentence shows, each for itself, several at once where they are over their
stored thresholds; folded by a written table into eight classes, whose shares are calibrated on sentences of one class.

It reads as three to five raters read comments of one English-speaking forum (Reddit, 2005 to 2019). It does not know
who speaks, what was said before, nor whether it is meant: irony is read as it is written. No label stands for contempt,
whose share is fixed at 0.03. Emoji are read by their names. Capitals are not told from small letters. Sentences in
other languages are withheld (`language`), and so is what lies far from all that it has read, and texts of more than
some 300 words (`out_of_domain`): cut them into sentences.

XED's emotions (film subtitles) were left out of training: they are not GoEmotions' labels."""

WORDS_VAD = """Valence, arousal and dominance of an English sentence as readers and writers rated it (EmoBank), in
[-1, 1], where one point of its scale of 1 to 5 about the middle is 1; with the half-width of an interval.

Its text is news, essays, blogs, letters and fiction. It was rated as text: how something is said can turn it round.
Arousal and dominance are things raters hardly agree on: see the correlations. Texts of more than some 300 words and
other languages are withheld."""


def write_text(
    work: Work, corpus: Corpus, settings: Settings, vocabulary: Array, learnt: Mapping[str, Array],
    grams: Mapping[str, Array],
) -> Bundle:  # fmt: skip
    """Write ``text.bundle`` into the run's folder, whole or not at all.

    Raises
    ------
    OutputError : the folder cannot be written.
    """
    pieces = [str(p) for p in vocabulary]
    net = TextNet(len(pieces), settings.layers)
    net.load_state_dict({k[4:]: torch.from_numpy(np.array(v)) for k, v in learnt.items() if k.startswith("net.")})
    # As tuned, for what is tuned further.
    state = {k: v.numpy() for k, v in net.state_dict().items()}
    np.savez(work.folder / "text.npz", vocabulary=np.array(pieces), **state)
    longest = settings.own + 2
    net.place.weight = nn.Parameter(net.place.weight[:longest].detach().clone())
    unknown, floor = (float(v) for v in grams["language"])
    manifest = {
        "name": "text", "version": "1", "licence": LICENCE, "commercial": True, "data_terms": TERMS,
        "data": [{"name": i.name, "part": "train", "n": len(i), "licence": i.terms}
                 for i in (corpus.goemotions.index, corpus.emobank.index)],
        "longest": longest, "own": settings.own, "past": 0, "signs": "named",
        "features": {"keys": "CRC-32 of UTF-8", "block_weights": list(BLOCK_WEIGHTS),
                     "blocks": ["words and pairs, negation marked", "letter triples and quadruples inside words"]},
        "language": {"step": STEP, "unknown": unknown, "floor": floor},
    }  # fmt: skip
    card = TEXT.format(layers=settings.layers, pieces=len(pieces), bits=settings.bits, piece_bits=settings.piece_bits,
                       terms=TERMS)  # fmt: skip
    further = {k: v for k, v in grams.items() if k != "language"}
    # Which sentences these are is told by the two bundles that read by it.
    target = work.folder / "text.bundle"
    part = target.with_name(f".{target.name}.{os.getpid()}.part")

    def written() -> Bundle:
        write_encoder(part, net, pieces, manifest, card, bits=settings.bits, piece_bits=settings.piece_bits,
                      alone=settings.products == "int8", further=further)  # fmt: skip
        return Bundle.open(part)

    with disk_errors(target):
        try:
            # What is near is counted in the states of the graph that ships.
            encoder = written()
            near = work.kept("near", lambda: _near(TextEncoder(encoder), corpus), encoder.sha256())
            manifest["near"] = {"farthest": float(near["farthest"]), "share": FARTHEST}
            further |= {f"near_{k}": near[k] for k in ("centre", "axes", "scale")}
            written()
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    return Bundle.open(target)


def _near(encoder: TextEncoder, corpus: Corpus) -> dict[str, Array]:
    """What is near: mean and whitening of training sentences' states, and the distance that all but few of dev keep."""
    goemotions, emobank, _ = corpus.texts

    def states(texts: list[str]) -> Array:
        return np.concatenate([encoder.pooled(encoder.windows(t, 1)) for t in texts]).astype(np.float64)

    seen = states([*goemotions[::12], *emobank[::6]])
    centre = seen.mean(axis=0)
    spread, axes = np.linalg.eigh(np.cov(seen.T))
    # Directions of hardly any spread are kept from deciding alone.
    axes = axes / np.sqrt(np.maximum(spread, 0.02 * spread.mean()))
    scale = np.abs(axes).max(axis=0) / 127
    stored = np.round(axes / scale).astype(np.int8)
    dev = states([*corpus.dev_texts[0][::3], *corpus.dev_texts[1]])
    far = np.sqrt((((dev - centre) @ (stored * scale)) ** 2).sum(axis=1))
    return {"centre": centre.astype(np.float32), "axes": stored, "scale": scale.astype(np.float32),
            "farthest": np.quantile(far, FARTHEST)}  # fmt: skip
