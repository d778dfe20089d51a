"""What simpler models reach on the same sentences: tf-idf with logistic and ridge regression, and the n-grams alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.scheme import SCHEMES
from moodal.lab.experts.made import OutOfFold
from moodal.lab.experts.work import Work

from .decide import halves, thresholds
from .texts import Corpus

__all__ = ["labels", "values"]

Array = npt.NDArray[Any]


def labels(corpus: Corpus, dev: Mapping[str, Array], work: Work) -> dict[str, OutOfFold]:
    """Macro F1 of 28 labels, thresholds from the other half of dev as ours."""
    index = corpus.goemotions_dev.index
    truth = np.asarray(index.label("emotions").values, bool)

    def compute() -> dict[str, Array]:
        from sklearn.linear_model import LogisticRegression

        rows, asked = _tfidf(corpus.texts[0], corpus.dev_texts[0])
        odds = np.zeros(truth.shape)
        for c in range(truth.shape[1]):
            fitted = LogisticRegression(C=5.0, solver="liblinear", random_state=work.seed)
            odds[:, c] = fitted.fit(rows, corpus.labels[:, c]).decision_function(asked)
        return {"odds": odds}

    found = {
        "tf-idf + logistic regression": work.kept("tf-idf labels", compute)["odds"],
        "n-grams with negation marked, alone": dev["goemotions.labels"].astype(np.float64),
    }
    out = {}
    for name, odds in found.items():
        decided = np.zeros(truth.shape, bool)
        for fit, count in halves(len(truth), work.seed):
            decided[count] = odds[count] >= thresholds(truth[fit], odds[fit])
        out[name] = OutOfFold(
            odds, truth, np.asarray(index["clip"], str), SCHEMES["goemotions28"].classes, "macro_f1",
            f"GoEmotions dev, {name}", "multilabel", "sentence", decided=decided,
        )  # fmt: skip
    return out


def values(corpus: Corpus, dev: Mapping[str, Array], work: Work) -> dict[str, OutOfFold]:
    """Correlation with EmoBank's ratings."""
    index = corpus.emobank_dev.index
    truth = np.asarray(index.label("vad").values, np.float64) - 3

    def compute() -> dict[str, Array]:
        from sklearn.linear_model import Ridge

        rows, asked = _tfidf(corpus.texts[1], corpus.dev_texts[1])
        target = np.asarray(corpus.emobank.index.label("vad").values, np.float64) - 3
        return {"values": Ridge(alpha=3.0, random_state=work.seed).fit(rows, target).predict(asked)}

    found = {
        "tf-idf + ridge": work.kept("tf-idf values", compute)["values"],
        "n-grams with negation marked, alone": dev["emobank.values"].astype(np.float64),
    }
    return {
        name: OutOfFold(
            told, truth, np.asarray(index["document"], str), ("valence", "arousal", "dominance"), "pearson_r",
            f"EmoBank dev, {name}", "continuous", "document",
        )
        for name, told in found.items()
    }  # fmt: skip


def _tfidf(texts: list[str], asked: list[str]) -> tuple[Any, Any]:
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectors = TfidfVectorizer(ngram_range=(1, 2), min_df=3, sublinear_tf=True)
    return vectors.fit_transform(texts), vectors.transform(asked)
