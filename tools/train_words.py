"""Train the bundle words-v0: python tools/train_words.py [--data FOLDER] [--out FILE]

Reads GoEmotions, EmoBank and XED from MOODAL_DATA, needs numpy alone, takes some minutes on one core and
gives the same bytes again from the same data on the same machine and versions. (The bundle that ships is older than
today's copy of the data: 245 of its 73,226 n-grams are others.) Prints the scores that the card quotes.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).parent))

import words_report as report

from moodal.core.bundle import Bundle
from moodal.core.scheme import mapping, scheme
from moodal.dsp.text_language import LanguageTable
from moodal.dsp.text_sparse import SparseRows
from moodal.lab.experts.words.linear import Floats, logistic, quantised, ridge
from moodal.lab.experts.words.ngrams import BLOCK_WEIGHTS, features, language_odds, vocabulary

LABELS = scheme("goemotions28").classes
CLASSES = scheme("ekman8").classes
DIMENSIONS = ("valence", "arousal", "dominance")

SEED = 12
#: Inverse strength of the penalty for labels; penalty for affect; size of the label scores beside the n-grams there.
STRENGTH, ALPHA, LABEL_SIZE = 3.0, 3.0, 0.3
#: How far a class's rarity among the training texts is undone: 0 not at all, 1 wholly.
LIFT = 0.5
#: The even footing that classes are lifted towards, and the share of the class no label stands for.
FOOTING = {c: 0.3 if c == "neutral" else 0.1 for c in CLASSES}
UNHEARD = {"contempt": 0.03}
#: One point of EmoBank's scale of 1 to 5 is 1 here: 98 % of its ratings lie between 2 and 4.
MIDDLE, POINT = 3.0, 1.0
COVERAGE = 0.9
FOLDS = 5
#: Share of English texts that the language gate may withhold.
FALSE_ALARMS = 0.01
RARE_LANGUAGE = 4


@dataclass(frozen=True)
class Corpus:
    """Texts with their labels: ``labels (n, 28)`` of 0 and 1, ``affect (n, 3)`` on [-1, 1]."""

    texts: tuple[str, ...]
    labels: Floats
    dev_texts: tuple[str, ...]
    dev_labels: Floats
    affect_texts: tuple[str, ...]
    affect: Floats
    documents: tuple[str, ...]
    affect_dev_texts: tuple[str, ...]
    affect_dev: Floats
    english: tuple[str, ...]
    foreign: tuple[tuple[str, str], ...]  #: (language, text)


def _rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def read(folder: Path) -> Corpus:
    """The corpora as MOODAL_DATA holds them."""

    def goemotions(part: str) -> tuple[tuple[str, ...], Floats]:
        rows = _rows(folder / "text_goemotions" / f"goemotions_{part}.csv.gz")
        labels = np.zeros((len(rows), len(LABELS)))
        for i, row in enumerate(rows):
            labels[i, [int(k) for k in row["labels"].split()]] = 1
        return tuple(r["text"] for r in rows), labels

    emobank = _rows(folder / "text_emobank" / "emobank_train_dev.csv.gz")
    train, dev = ([r for r in emobank if r["split"] == part] for part in ("train", "dev"))

    def affect(rows: list[dict[str, str]]) -> Floats:
        return (np.array([[float(r[d]) for d in "VAD"] for r in rows]) - MIDDLE) / POINT

    xed = _rows(folder / "text_xed" / "xed.csv.gz")
    return Corpus(
        *goemotions("train"),
        *goemotions("dev"),
        tuple(r["text"] for r in train),
        affect(train),
        tuple(r["document"] for r in train),
        tuple(r["text"] for r in dev),
        affect(dev),
        tuple(r["text"] for r in xed if r["lang"] == "en"),
        tuple((r["lang"], r["text"]) for r in xed if r["lang"] != "en"),
    )


def _product(rows: SparseRows, weights: npt.NDArray[Any], scale: Floats, offset: Floats) -> Floats:
    return np.stack([rows.times(weights[:, k].astype(float)) for k in range(weights.shape[1])], axis=1) * scale + offset


def document_folds(documents: Sequence[str], seed: int) -> npt.NDArray[np.int64]:
    """A fold of each sentence such that no document lies in two, of about equal size."""
    sizes = Counter(documents)
    order = list(sizes)
    np.random.default_rng(seed).shuffle(order)
    order.sort(key=lambda d: -sizes[d])
    load = np.zeros(FOLDS)
    fold = {}
    for document in order:
        fold[document] = int(np.argmin(load))
        load[fold[document]] += sizes[document]
    return np.array([fold[d] for d in documents])


def train(
    corpus: Corpus, seed: int = SEED, say: Callable[[str], None] = lambda line: None
) -> tuple[dict[str, Any], str, dict[str, npt.NDArray[Any]]]:
    """The bundle's manifest, card and arrays."""
    known = vocabulary([*corpus.texts, *corpus.affect_texts])
    rows = features(corpus.texts, known)
    say(f"{len(known.keys)} features, {len(rows.values)} values in {len(rows)} texts")
    fitted = []
    for k, label in enumerate(LABELS):
        fitted.append(logistic(rows, corpus.labels[:, k], STRENGTH))
        say(f"{label}: offset {fitted[-1][1]:.2f}")
    weights, scale = quantised(np.stack([w for w, _ in fitted], axis=1))
    offset = np.array([b for _, b in fitted], np.float32)

    lift = _lift(corpus.labels)
    affect_rows = features(corpus.affect_texts, known)
    label_logits = _product(affect_rows, weights, scale, offset)
    sparse, dense, middle = _fit_affect(affect_rows, label_logits, corpus.affect)
    affect_weights, affect_scale = quantised(sparse)
    held_out = _held_out(affect_rows, label_logits, corpus, seed)
    half_width, coverage = _half_widths(np.abs(held_out - corpus.affect), corpus.documents, seed)
    say(f"half widths {half_width}, coverage on other documents {coverage}")

    language, unknown = language_odds([*corpus.english[::2], *corpus.texts[::2]], corpus.foreign[::2])
    step = 4.0 / 127
    odds = np.round(language.idf / step).astype(np.int8)
    held_english = [*corpus.english[1::2], *corpus.texts[1::2]]
    evidence = LanguageTable(language.keys, odds * np.float32(step), round(unknown, 4)).evidence
    english = np.array([evidence(t) for t in held_english])
    foreign = {
        name: np.array([evidence(t) for lang, t in corpus.foreign[1::2] if lang == name])
        for name in sorted({lang for lang, _ in corpus.foreign})
    }
    floor = round(float(min(np.quantile(english, FALSE_ALARMS), 0.0)), 3)

    arrays = {
        "keys": known.keys,
        "idf": known.idf.astype(np.float16),
        "labels": weights,
        "labels_scale": scale,
        "labels_offset": offset,
        "affect": affect_weights,
        "affect_scale": affect_scale,
        "affect_from_labels": dense.astype(np.float32),
        "affect_offset": middle.astype(np.float32),
        "language_keys": language.keys,
        "language_odds": odds,
    }
    dev_rows = features(corpus.dev_texts, known)
    dev = 1 / (1 + np.exp(-_product(dev_rows, weights, scale, offset)))
    thresholds, scores = report.labels(dev, corpus.dev_labels, corpus.labels, lift, seed)
    arrays["thresholds"] = thresholds
    dev_affect_rows = features(corpus.affect_dev_texts, known)
    dev_affect = _product(dev_affect_rows, affect_weights, affect_scale, middle)
    dev_affect += _product(dev_affect_rows, weights, scale, offset) @ dense
    scores |= report.affect(dev_affect, corpus.affect_dev, held_out, corpus.affect, half_width, coverage, seed)
    scores |= report.language(english, foreign, floor)
    manifest = {
        **report.MANIFEST,
        "features": {
            "keys": "CRC-32 of UTF-8",
            "block_weights": list(BLOCK_WEIGHTS),
            "blocks": ["words and pairs, negation marked", "letter triples and quadruples inside words"],
        },
        "classes": {
            "lift": {c: round(float(x), 6) for c, x in zip(CLASSES, lift, strict=True)},
            "unheard": UNHEARD,
            "footing": FOOTING,
        },
        "scale": f"(rating - {MIDDLE:g}) / {POINT:g}, cut to [-1, 1]",
        "calibration": {
            "kind": "split conformal, documents not trained on",
            "coverage": COVERAGE,
            "half_width": half_width,
            "observed": coverage,
            "classes": None,
        },
        "language": {"step": step, "unknown": round(unknown, 4), "floor": floor},
        "scores": scores,
    }
    return manifest, report.card(manifest), arrays


def _lift(labels: Floats) -> Floats:
    """What each class's scores are multiplied by: (footing / share in training) to the power `LIFT`."""
    told = mapping("goemotions28", "ekman8").apply(labels).mean(axis=0)
    footing = np.array([FOOTING[c] for c in CLASSES])
    lift = np.ones(len(CLASSES))
    some = told > 0
    lift[some] = (footing[some] / footing[some].sum() / (told[some] / told[some].sum())) ** LIFT
    return lift


def _fit_affect(rows: SparseRows, logits: Floats, target: Floats) -> tuple[Floats, Floats, Floats]:
    fits = [ridge(rows, LABEL_SIZE * logits, target[:, k], ALPHA) for k in range(target.shape[1])]
    sparse = np.stack([f[0] for f in fits], axis=1)
    dense = np.stack([LABEL_SIZE * f[1] for f in fits], axis=1)
    return sparse, dense, np.array([f[2] for f in fits])


def _held_out(rows: SparseRows, logits: Floats, corpus: Corpus, seed: int) -> Floats:
    """Each sentence's affect as told by a model that has not seen its document."""
    fold = document_folds(corpus.documents, seed)
    told = np.zeros_like(corpus.affect)
    for k in range(FOLDS):
        inside = np.flatnonzero(fold != k)
        part = SparseRows.stack(
            (
                (rows.places[a:b], rows.values[a:b])
                for a, b in zip(rows.starts[inside], rows.starts[inside + 1], strict=True)
            ),
            rows.width,
        )
        sparse, dense, middle = _fit_affect(part, logits[inside], corpus.affect[inside])
        whole = np.stack([rows.times(sparse[:, d]) for d in range(len(DIMENSIONS))], axis=1) + logits @ dense + middle
        told[fold == k] = np.clip(whole[fold == k], -1, 1)
    return told


def _quantile(residuals: Floats) -> float:
    """The split-conformal quantile (Lei et al. 2018): the ceil((n + 1) · coverage)-th smallest."""
    rank = min(int(np.ceil((len(residuals) + 1) * COVERAGE)), len(residuals))
    return float(np.sort(residuals)[rank - 1])


def _half_widths(residuals: Floats, documents: Sequence[str], seed: int) -> tuple[dict[str, float], dict[str, float]]:
    """Half-widths from all residuals, and the coverage of those from one half of documents on the other."""
    half = document_folds(documents, seed + 1) % 2 == 0
    widths, seen = {}, {}
    for k, name in enumerate(DIMENSIONS):
        widths[name] = round(_quantile(residuals[:, k]), 4)
        seen[name] = round(float((residuals[~half, k] <= _quantile(residuals[half, k])).mean()), 4)
    return widths, seen


def main() -> None:
    """Train on MOODAL_DATA and write the bundle."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("MOODAL_DATA"), help="folder of the corpora")
    bundles = Path(__file__).resolve().parents[1] / "src" / "moodal" / "bundles"
    parser.add_argument("--out", type=Path, default=bundles / "words-v0.bundle")
    chosen = parser.parse_args()
    if not chosen.data:
        parser.error("set MOODAL_DATA or give --data")
    manifest, card, arrays = train(read(Path(chosen.data)), say=lambda line: print(line, file=sys.stderr, flush=True))
    Bundle.write(chosen.out, manifest, card, arrays)
    print(json.dumps({"file": str(chosen.out), "bytes": chosen.out.stat().st_size, **manifest["scores"]}, indent=1))


if __name__ == "__main__":
    main()
