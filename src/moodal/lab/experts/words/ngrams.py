"""The linear model on n-grams that stands beside the encoder, and the table that tells English: numpy alone.

What an encoder smooths over (a rare word that says it all) a weight of its own keeps; together they are better than
either. Some minutes on one core; the same bytes again on the same machine and versions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.dsp.text import is_word, keys, tokens
from moodal.dsp.text_language import LanguageTable, language_features
from moodal.dsp.text_sparse import SparseRows, Vocabulary, text_keys, tfidf
from moodal.lab.experts.work import Work

from .linear import logistic, quantised, ridge

__all__ = ["BLOCK_WEIGHTS", "features", "language_odds", "ngrams", "vocabulary"]

Array = npt.NDArray[Any]

#: Texts that a word or pair of words, and a character n-gram, must occur in.
RARE_WORD, RARE_CHARACTERS, RARE_LANGUAGE = 3, 5, 4
BLOCK_WEIGHTS = (1.0, 0.7)
#: Inverse strength of the penalty for labels; penalty for affect; size of the label scores beside the n-grams there.
STRENGTH, ALPHA, LABEL_SIZE = 3.0, 3.0, 0.3
#: Share of English texts that the language gate may withhold, and the step of its stored odds.
FALSE_ALARMS, STEP = 0.01, 4.0 / 127


def ngrams(work: Work, progress: Callable[[float], None] = lambda _: None) -> dict[str, Array]:
    """Arrays as `moodal.extract.words.model.TextModel` reads them, and ``language`` ``(2,)``: evidence of a triple that
    no language has, evidence below which a text is taken for another language.
    """
    goemotions, emobank, xed = (work.data(n) for n in ("goemotions", "emobank", "xed"))
    goemotions = goemotions.take(goemotions.index["split"] == "train")
    emobank = emobank.take(emobank.index["split"] == "train")
    texts, rated = ([str(t) for t in d.index["text"]] for d in (goemotions, emobank))
    known = vocabulary([*texts, *rated])
    rows = features(texts, known)
    labels = np.asarray(goemotions.index.label("emotions").values, np.float64)
    fitted = []
    for k in range(labels.shape[1]):
        fitted.append(logistic(rows, labels[:, k], STRENGTH))
        progress((k + 1) / (labels.shape[1] + 4))
    weights, scale = quantised(np.stack([w for w, _ in fitted], axis=1))
    offset = np.array([b for _, b in fitted], np.float32)
    affect_rows = features(rated, known)
    logits = np.stack([affect_rows.times(w.astype(float)) for w in weights.T], axis=1) * scale + offset
    target = np.asarray(emobank.index.label("vad").values, np.float64) - 3
    fits = [ridge(affect_rows, LABEL_SIZE * logits, target[:, k], ALPHA) for k in range(target.shape[1])]
    affect, affect_scale = quantised(np.stack([f[0] for f in fits], axis=1))
    return {
        "keys": known.keys,
        "idf": known.idf.astype(np.float16),
        "labels": weights,
        "labels_scale": scale,
        "labels_offset": offset,
        "affect": affect,
        "affect_scale": affect_scale,
        "affect_from_labels": np.stack([LABEL_SIZE * f[1] for f in fits], axis=1).astype(np.float32),
        "affect_offset": np.array([f[2] for f in fits], np.float32),
        **_language((_of(xed, "en"), texts), _foreign(xed)),
    }


def _of(xed: Any, language: str) -> list[str]:
    return [str(t) for t in xed.index["text"][xed.index["language"] == language]]


def _foreign(xed: Any) -> list[tuple[str, str]]:
    told = zip(xed.index["language"], xed.index["text"], strict=True)
    return [(str(language), str(t)) for language, t in told if language != "en"]


def vocabulary(texts: Iterable[str]) -> Vocabulary:
    """Keys that occur in enough texts, with their smoothed inverse document frequency."""
    found: Counter[int] = Counter()
    wanted: dict[int, int] = {}
    n = 0
    for text in texts:
        n += 1
        for block, rare in zip(text_keys(text), (RARE_WORD, RARE_CHARACTERS), strict=True):
            here = np.unique(block).tolist()
            found.update(here)
            wanted.update(dict.fromkeys(here, rare))
    kept = np.array(sorted(k for k, count in found.items() if count >= wanted[k]), np.uint32)
    counts = np.array([found[k] for k in kept.tolist()], float)
    # Stored in half precision, so that training sees the numbers that will be used.
    idf = (np.log((1 + n) / (1 + counts)) + 1).astype(np.float16)
    return Vocabulary(kept, idf.astype(np.float32))


def features(texts: Iterable[str], known: Vocabulary) -> SparseRows:
    """TF-IDF of each text, in rows of the vocabulary's width."""
    return SparseRows.stack((tfidf(text_keys(t), known, BLOCK_WEIGHTS) for t in texts), len(known.keys))


def _language(english: Sequence[Sequence[str]], foreign: Sequence[tuple[str, str]]) -> Mapping[str, Array]:
    """Half of the texts give the table, the other half the floor."""
    table, unknown = language_odds([t for told in english for t in told[::2]], foreign[::2])
    stored = np.round(table.idf / STEP).astype(np.int8)
    unknown = round(unknown, 4)
    rounded = LanguageTable(table.keys, stored * np.float32(STEP), unknown)
    evidence = np.array([rounded.evidence(t) for told in english for t in told[1::2]])
    floor = round(float(min(np.quantile(evidence, FALSE_ALARMS), 0.0)), 3)
    return {"language_keys": table.keys, "language_odds": stored, "language": np.array([unknown, floor])}


def language_odds(english: Sequence[str], foreign: Sequence[tuple[str, str]]) -> tuple[Vocabulary, float]:
    """Log-odds of words and letter triples, English against an even mixture of the others and of anything.

    "Anything" (each triple alike) stands for the languages not met here: what English hardly ever
    does counts against it even where nobody else was seen doing it.
    """
    named = sorted({language for language, _ in foreign})
    counts: dict[str, Counter[int]] = {name: Counter() for name in ("en", *named)}
    for language, text in [*(("en", t) for t in english), *foreign]:
        for word in tokens(text):
            if is_word(word):
                counts[language].update(keys(language_features(word)).tolist())
    together: Counter[int] = Counter()
    for told in counts.values():
        together.update(told)
    kept = np.array(sorted(k for k, count in together.items() if count >= RARE_LANGUAGE), np.uint32)
    totals = {name: sum(told.values()) for name, told in counts.items()}
    anything = 1.0 / len(kept)

    def share(name: str, key: int) -> float:
        return (counts[name][key] + 0.5) / (totals[name] + 0.5 * len(kept))

    odds = []
    for key in kept.tolist():
        others = sum(share(name, key) for name in named) / max(len(named), 1)
        odds.append(np.log(share("en", key)) - np.log(0.7 * others + 0.3 * anything))
    unknown = np.log(0.5 / (totals["en"] + 0.5 * len(kept))) - np.log(0.3 * anything)
    return Vocabulary(kept, np.clip(np.array(odds), -4, 4).astype(np.float32)), float(max(unknown, -4.0))
