"""Scores of words-v0, with intervals and trivial baselines, and the texts of its manifest and card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.scheme import mapping, scheme
from moodal.lab.experts.words.linear import Floats

DRAWS = 1000
LABELS = scheme("goemotions28").classes
DIMENSIONS = ("valence", "arousal", "dominance")

MANIFEST: dict[str, Any] = {
    "name": "words-v0",
    "version": "1",
    "kind": "expert",
    "licence": "CC-BY-SA-4.0",
    "commercial": True,
    "data_terms": (
        "labels: GoEmotions (Demszky et al. 2020), annotations Apache-2.0; affect: EmoBank (Buechel and Hahn 2017), "
        "CC BY-SA 4.0, attribution and share alike; language gate: XED (Öhman et al. 2020), CC BY 4.0"
    ),
    "inputs": ["words.transcript"],
    "scheme": "goemotions28",
    "also": ["ekman8", "va"],
    "languages": ["en"],
    "not_for": [
        "diagnosis", "judging risk of self-harm", "hiring", "policing", "lie detection", "languages other than English",
        "irony", "what somebody feels: it reads what is written",
    ],
}  # fmt: skip


def _f1(told: npt.NDArray[np.bool_], true: npt.NDArray[np.bool_], weight: Floats) -> Floats:
    """Macro-F1 for each row of ``weight (draws, n)``; ``told`` and ``true`` ``(n, k)``."""
    hit, said, is_so = weight @ (told & true), weight @ told.astype(float), weight @ true.astype(float)
    return np.asarray((2 * hit / np.maximum(said + is_so, 1e-9)).mean(axis=1))


def _draws(n: int, seed: int) -> Floats:
    return np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), DRAWS).astype(float)


def _entry(value: float, draws: Floats, trivial: float, n: int, protocol: str) -> dict[str, Any]:
    low, high = np.quantile(draws, [0.025, 0.975])
    return {
        "value": round(float(value), 4),
        "interval": [round(float(low), 4), round(float(high), 4)],
        "trivial": round(float(trivial), 4),
        "n": n,
        "protocol": protocol,
    }


def _thresholds(scores: Floats, true: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """For each label the score with the best F1."""
    best = np.full(scores.shape[1], 0.5, np.float32)
    for k in range(scores.shape[1]):
        order = np.argsort(-scores[:, k], kind="stable")
        hits = np.cumsum(true[order, k])
        f1 = 2 * hits / (np.arange(1, len(order) + 1) + max(int(true[:, k].sum()), 1))
        at = int(np.argmax(f1))
        after = scores[order[min(at + 1, len(order) - 1)], k]
        best[k] = (scores[order[at], k] + after) / 2
    return best


def labels(
    scores: Floats, truth: Floats, train_truth: Floats, lift: Floats, seed: int
) -> tuple[npt.NDArray[np.float32], dict[str, Any]]:
    """Thresholds from one half of dev, and the scores of the other half."""
    true = truth > 0.5
    order = np.random.default_rng(seed).permutation(len(true))
    tune, test = order[: len(order) // 2], order[len(order) // 2 :]
    thresholds = _thresholds(scores[tune], true[tune])
    weight = _draws(len(test), seed)
    one = np.ones((1, len(test)))
    everything = np.ones_like(true[test])
    trivial = float(_f1(everything, true[test], one)[0])
    found: dict[str, Any] = {}
    for name, told, protocol in (
        ("goemotions28_macro_f1", scores[test] >= thresholds, "GoEmotions dev, half B; thresholds from half A"),
        ("goemotions28_macro_f1_at_0.5", scores[test] >= 0.5, "GoEmotions dev, half B; every score over 0.5"),
    ):
        found[name] = _entry(_f1(told, true[test], one)[0], _f1(told, true[test], weight), trivial, len(test), protocol)
    each = {
        label: round(float(_f1(told_k, true_k, one)[0]), 3)
        for label, told_k, true_k in (
            (LABELS[k], (scores[test, k] >= thresholds[k])[:, None], true[test, k][:, None]) for k in range(len(LABELS))
        )
    }
    found["goemotions28_f1"] = each
    table = mapping("goemotions28", "ekman8")
    groups = table.apply(true[test].astype(float))[:, :7] > 0
    single = groups.sum(axis=1) == 1
    shares = (table.apply(scores[test]) * lift)[:, :7]
    classes = np.arange(7)
    told = shares[single].argmax(axis=1)[:, None] == classes
    weight = _draws(int(single.sum()), seed + 1)
    one = np.ones((1, int(single.sum())))
    common = np.zeros_like(told)
    common[:, int(table.apply(train_truth)[:, :7].sum(axis=0).argmax())] = True
    found["ekman7_macro_f1"] = _entry(
        _f1(told, groups[single], one)[0], _f1(told, groups[single], weight), _f1(common, groups[single], one)[0],
        int(single.sum()), "GoEmotions dev, half B, texts of one class; best of seven classes",
    )  # fmt: skip
    return thresholds, found


def affect(
    told: Floats, true: Floats, held_out: Floats, train_true: Floats, half_width: Mapping[str, float],
    coverage: Mapping[str, float], seed: int,
) -> dict[str, Any]:  # fmt: skip
    """Correlations on dev and on documents not trained on, and coverage of the intervals on dev."""
    found: dict[str, Any] = {}
    for k, name in enumerate(DIMENSIONS):
        for key, x, y, protocol in (
            (f"emobank_{name}_r", told[:, k], true[:, k], "EmoBank dev (official split, by sentence)"),
            (f"emobank_{name}_r_by_document", held_out[:, k], train_true[:, k], "EmoBank train, 5 folds by document"),
        ):
            rng = np.random.default_rng(seed)
            draws = np.array([np.corrcoef(x[i], y[i])[0, 1] for i in rng.integers(0, len(x), (DRAWS // 2, len(x)))])
            found[key] = _entry(np.corrcoef(x, y)[0, 1], draws, 0.0, len(x), protocol)
        inside = np.abs(np.clip(told[:, k], -1, 1) - true[:, k]) <= half_width[name]
        found[f"emobank_{name}_coverage"] = {
            "aim": 0.9,
            "other_documents": coverage[name],
            "dev": round(float(inside.mean()), 4),
        }
    return found


def language(english: Floats, foreign: Mapping[str, Floats], floor: float) -> dict[str, Any]:
    """What the language gate withholds, of texts not in its table."""
    return {
        "language_withheld": {
            "en": round(float((english < floor).mean()), 4),
            **{name: round(float((e < floor).mean()), 4) for name, e in foreign.items()},
            "protocol": "odd rows of XED and GoEmotions (even ones made the table); single lines",
        }
    }


def card(manifest: Mapping[str, Any]) -> str:
    """The card in Markdown."""
    scores = manifest["scores"]

    def row(key: str, label: str) -> str:
        s = scores[key]
        low, high = s["interval"]
        return (
            f"| {label} | {s['value']:.3f} [{low:.3f}, {high:.3f}] | {s['trivial']:.3f} | {s['n']} | {s['protocol']} |"
        )

    table = "\n".join(
        [
            row("goemotions28_macro_f1", "28 labels, macro-F1"),
            row("goemotions28_macro_f1_at_0.5", "28 labels, macro-F1 at 0.5"),
            row("ekman7_macro_f1", "7 classes, macro-F1"),
            *(row(f"emobank_{d}_r{p}", f"{d}, Pearson r") for p in ("", "_by_document") for d in DIMENSIONS),
        ]
    )
    each = ", ".join(f"{k} {v:.2f}" for k, v in scores["goemotions28_f1"].items())
    widths = ", ".join(f"{d} ±{w:.2f}" for d, w in manifest["calibration"]["half_width"].items())
    seen = ", ".join(f"{d} {c:.3f}" for d, c in manifest["calibration"]["observed"].items())
    lifts = ", ".join(f"{k} × {v:.2f}" for k, v in manifest["classes"]["lift"].items() if k != "contempt")
    unheard = manifest["classes"]["unheard"]["contempt"]
    withheld = ", ".join(f"{k} {v:.1%}" for k, v in scores["language_withheld"].items() if k != "protocol")
    return f"""# words-v0

A small linear model that reads one English sentence: scores of the 28 GoEmotions labels, shares of eight classes
(`ekman8`), and valence, arousal and dominance in [-1, 1] with intervals. It reads what is written, not what is felt.

## How it works

Words, pairs of words and letter triples and quadruples inside words, negation marked for four words, hashed by
CRC-32; tf-idf; 28 logistic regressions, and a ridge regression for each dimension over the same features and the 28
scores. Weights are int8 with one scale a column. `python tools/train_words.py` makes it again, byte for byte.

The 28 labels fold into seven classes by the grouping of Demszky et al. 2020; what rarity among Reddit comments took
from a class is half undone ({lifts}).
No label stands for contempt: it keeps a share of {unheard:g}, which says "not told", not "absent".

Valence, arousal and dominance are EmoBank's ratings of 1 to 5 as {manifest["scale"]}.

## Data and terms

- Labels: GoEmotions (Demszky et al. 2020), English Reddit comments; annotations Apache-2.0.
- Affect: EmoBank (Buechel and Hahn 2017), CC BY-SA 4.0. The weights are derived from it, so this bundle is shared
  under CC BY-SA 4.0: name EmoBank, and share what you derive alike.
- Language gate: XED (Öhman et al. 2020), film subtitles in five languages, CC BY 4.0; and GoEmotions.

## Scores

Value with 95 % bootstrap interval over texts. "Trivial" says every label of every text (28 labels), the commonest
class (7 classes), or the mean (dimensions).

| what | value | trivial | n | protocol |
|---|---|---|---|---|
{table}

F1 of each label at its stored threshold (half B): {each}.

## Calibration

Intervals of the dimensions are split-conformal at 90 % on documents that the model had not seen: {widths}. On the
other half of the documents they covered {seen}. They speak of written English rated by readers and writers; for
transcribed speech nothing is claimed. The class scores are **not** calibrated.

## Language

Withheld as not English, of single lines not used for the table: {withheld}. Other languages are
recognised by not looking English.

## What it is not for

Not for {"; not for ".join(manifest["not_for"])}. Comments on Reddit are coarse, young and male more often than
people are; the model takes over what their readers heard in them, offence included.
"""
