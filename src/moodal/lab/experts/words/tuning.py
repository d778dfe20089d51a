"""Tuning the encoder: six layers that also answer after three, then the three alone, taught by all six.

::

    MiniLM, 6 layers ─► labels of GoEmotions, ratings of EmoBank ─► heads after 3 and after 6
                                                                          │ what they say of every sentence
    its first 3 layers, their heads ◄── labels and that, half each ◄──────┘
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from moodal.dsp.wordpiece import WordPiece
from moodal.lab.nn.text import TextNet, load
from moodal.lab.train.joint import Head, Schedule, joint, predicted

from .base import base
from .negation import negated
from .settings import Settings
from .texts import Corpus, pieces_of, top_pieces

__all__ = ["base_vocabulary", "finished", "student", "teacher"]

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float32]
#: How often the few sentences of EmoBank are read beside those of GoEmotions.
_TWICE = 2


def base_vocabulary() -> list[str]:
    """Every piece that MiniLM knows."""
    return (base() / "vocab.txt").read_text(encoding="utf-8").split("\n")


def _rows(corpus: Corpus, pieces: WordPiece, own: int) -> list[tuple[list[int], int]]:
    goemotions, emobank, _ = corpus.texts
    return pieces_of(pieces, goemotions, own) + pieces_of(pieces, emobank, own) * _TWICE


def _share(corpus: Corpus, many: int) -> FloatArray:
    """Sentences whose labels are all frequent are read every other epoch: of them there are enough, and rare labels
    count the same in macro F1."""
    rare = corpus.labels[:, corpus.labels.sum(axis=0) <= many].any(axis=1)
    rated = np.ones(_TWICE * len(corpus.ratings), np.float32)
    return np.concatenate([np.where(rare, 1, 0.5).astype(np.float32), rated])


def teacher(
    corpus: Corpus, settings: Settings, seed: int, progress: Callable[[int, int, float], None]
) -> dict[str, Array]:
    """``vocabulary``; the first layers' weights ``net.*`` and heads ``heads.*``; what they say of the sentences of
    GoEmotions and EmoBank, training and dev parts: ``PART.HEAD``."""
    torch.set_num_threads(settings.threads)
    whole = base_vocabulary()
    places = top_pieces(corpus.texts, whole, settings.pieces)
    vocabulary = [whole[i] for i in places]
    pieces = WordPiece(vocabulary)
    net = load(base() / "model.safetensors", settings.teacher_layers, places)
    n, m = len(corpus.labels), _TWICE * len(corpus.ratings)
    ratings = np.tile(corpus.ratings, (_TWICE, 1))

    def on_emobank(values: FloatArray, weight: float) -> Head:
        target = np.concatenate([np.zeros((n, values.shape[1]), np.float32), values])
        return Head("continuous", target, np.concatenate([np.zeros(n), np.full(m, weight)]).astype(np.float32))

    labels = np.concatenate([corpus.labels, np.zeros((m, corpus.labels.shape[1]), np.float32)])
    weight = np.concatenate([np.ones(n), np.zeros(m)]).astype(np.float32)
    heads = {
        "goe": Head("multilabel", labels, weight),
        "vad": on_emobank(ratings[:, :3], 1.0),
        "views": on_emobank(ratings[:, 3:], 0.5),
    }
    exits = (settings.layers,)
    schedule = Schedule(settings.teacher_epochs, settings.teacher_rate, settings.batch, seed=seed, exits=exits)
    share = _share(corpus, settings.many)
    linear = joint(net, _rows(corpus, pieces, settings.own), heads, schedule, share=share, progress=progress)
    found: dict[str, Array] = {"vocabulary": np.array(vocabulary)}
    goemotions, emobank, _ = corpus.texts
    for part, texts in (("goe", goemotions), ("emo", emobank), *zip(("god", "emd"), corpus.dev_texts, strict=True)):
        told = predicted(net, linear, pieces_of(pieces, texts, settings.own), exits)
        found |= {f"{part}.{name}": values for name, values in told.items()}
    ours = {k: v for k, v in net.state_dict().items() if not _later(k, settings.layers)}
    found |= {f"net.{k}": v.numpy() for k, v in ours.items()}
    return found | {f"heads.{k.replace(f'_{settings.layers}', '')}": v.numpy()
                    for k, v in linear.state_dict().items() if f"_{settings.layers}." in k}  # fmt: skip


def _later(name: str, layers: int) -> bool:
    return name.startswith("layers.") and int(name.split(".")[1]) >= layers


def student(
    corpus: Corpus, taught: Mapping[str, Array], settings: Settings, seed: int,
    progress: Callable[[int, int, float], None],
) -> dict[str, Array]:  # fmt: skip
    """The first layers alone, on labels and on what the six said, half each: ``net.*``, ``heads.*``."""
    return _taught(corpus, taught, settings, Schedule(settings.epochs, settings.rate, settings.batch, seed=seed + 1),
                   progress, taught)  # fmt: skip


def finished(
    corpus: Corpus, taught: Mapping[str, Array], learnt: Mapping[str, Array], settings: Settings, seed: int,
    progress: Callable[[int, int, float], None],
) -> dict[str, Array]:  # fmt: skip
    """As `student`, on from there, with what denies a feeling among the sentences (`negated`)."""
    schedule = Schedule(settings.last_epochs, settings.last_rate, settings.batch, seed=seed + 2)
    return _taught(corpus, taught, settings, schedule, progress, learnt, denials=settings.denials)


def _taught(
    corpus: Corpus, taught: Mapping[str, Array], settings: Settings, schedule: Schedule,
    progress: Callable[[int, int, float], None], begin: Mapping[str, Array], denials: int = 0,
) -> dict[str, Array]:  # fmt: skip
    torch.set_num_threads(settings.threads)
    vocabulary = [str(p) for p in taught["vocabulary"]]
    pieces = WordPiece(vocabulary)
    net = TextNet(len(vocabulary), settings.layers)
    net.load_state_dict({k[4:]: torch.from_numpy(np.array(v)) for k, v in begin.items() if k.startswith("net.")})
    texts, shares = negated()
    n, m, d = len(corpus.labels), _TWICE * len(corpus.ratings), denials * len(texts)

    def said(part: str, head: str) -> FloatArray:
        return np.asarray(taught[f"{part}.{head}"], np.float32)

    def odds(part: str) -> FloatArray:
        return np.asarray(1 / (1 + np.exp(-said(part, "goe"))), np.float32)

    def beside(own: float, other: float, denied: float) -> FloatArray:
        return np.concatenate([np.full(n, own), np.full(m, other), np.full(d, denied)]).astype(np.float32)

    def rated(head: str, own: FloatArray) -> FloatArray:
        both = np.tile((own + said("emo", head)) / 2, (_TWICE, 1))
        return np.concatenate([said("goe", head), both, np.zeros((d, own.shape[1]), np.float32)])

    labels = np.concatenate(
        [(corpus.labels + odds("goe")) / 2, np.tile(odds("emo"), (_TWICE, 1)), np.tile(shares, (denials, 1))]
    )
    across = settings.across
    heads = {
        "goe": Head("multilabel", labels, beside(1.0, across, 1.0)),
        "vad": Head("continuous", rated("vad", corpus.ratings[:, :3]), beside(across, 1.0, 0.0)),
        "views": Head("continuous", rated("views", corpus.ratings[:, 3:]), beside(across / 2, 0.5, 0.0)),
    }
    rows = _rows(corpus, pieces, settings.own) + pieces_of(pieces, texts, settings.own) * denials
    share = np.concatenate([_share(corpus, settings.many), np.ones(d, np.float32)])
    start = {k[6:]: v for k, v in begin.items() if k.startswith("heads.")}
    linear = joint(net, rows, heads, schedule, share=share, start=start, progress=progress)
    found: dict[str, Array] = {f"net.{k}": v.numpy() for k, v in net.state_dict().items()}
    found |= {f"heads.{k}": v.numpy() for k, v in linear.state_dict().items()}
    return found
