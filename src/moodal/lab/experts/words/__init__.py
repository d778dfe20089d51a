"""`words` and `words-vad`: 28 emotions, and valence, arousal and dominance, of a sentence; one encoder for both.

::

    GoEmotions, EmoBank ─► teacher ─► student ─► text.bundle (encoder, n-grams, language table)
                       └► n-grams ───────────┘        │ by its SHA-256
                                  dev parts ─► mix, thresholds ─► words.bundle, words-vad.bundle
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.bundle import Bundle
from moodal.core.scheme import SCHEMES, mapping
from moodal.lab.experts import calibrate
from moodal.lab.experts.made import Made, OutOfFold
from moodal.lab.experts.work import Work

from . import cards, rivals
from .decide import fit_mix, fit_values, halves, thresholds
from .ngrams import ngrams
from .settings import Settings
from .texts import Corpus, read
from .tuning import finished, student, teacher

__all__ = ["Settings", "make"]

Array = npt.NDArray[Any]

LABELS = SCHEMES["goemotions28"].classes
DIMENSIONS = ("valence", "arousal", "dominance")
#: The share that the one class of ekman8 keeps which no label stands for.
UNHEARD = {"contempt": 0.03}
HEARD = tuple(c for c in SCHEMES["ekman8"].classes if c not in UNHEARD)
#: EmoBank's scale of 1 to 5 about its middle: 98 % of its ratings lie between 2 and 4, which are -1 and 1 here.
MIDDLE = 3.0


def make(settings: Settings, work: Work) -> Sequence[Made]:
    """Writes ``text.bundle`` into the run's folder, and gives the two that name it."""
    corpus = read(work)

    def told(name: str, whole: float) -> Callable[[int, int, float], None]:
        return lambda done, total, loss: work.progress(f"{name}: loss {loss:.3f}", whole * done / total)

    taught = work.kept("teacher", lambda: teacher(corpus, settings, work.seed, told("teacher", 0.5)))
    first = work.kept("student", lambda: student(corpus, taught, settings, work.seed, told("student", 0.7)))
    learnt = work.kept("end", lambda: finished(corpus, taught, first, settings, work.seed, told("end", 0.8)))
    grams = work.kept("ngrams", lambda: ngrams(work, lambda share: work.progress("n-grams", 0.8 + 0.1 * share)))
    text = cards.write_text(work, corpus, settings, taught["vocabulary"], learnt, grams)
    work.progress("reading the dev parts", 0.95)
    encoders = {"text": {"name": text.name, "sha256": text.sha256()}}
    states = work.kept("dev", lambda: dev_readings(text, corpus), encoders["text"]["sha256"])
    return [
        words(corpus, encoders, learnt, states, work),
        words_vad(corpus, encoders, learnt, states, work),
    ]


def dev_readings(text: Bundle, corpus: Corpus) -> dict[str, Array]:
    """The dev parts as the bundle that ships reads them, so that what is fitted on them fits it."""
    from moodal.extract.words.reader import TextReader

    reader = TextReader(text)
    found = {}
    for name, data in (("goemotions", corpus.goemotions_dev), ("emobank", corpus.emobank_dev)):
        texts = [str(t) for t in data.index["text"]]
        windows = [reader.encoder.windows(t, 1) for t in texts]
        found[f"{name}.state"] = np.concatenate([reader.encoder.pooled(w) for w in windows])
        outputs = [reader.grams.outputs(t) for t in texts]
        found[f"{name}.labels"] = np.array([o[0] for o in outputs], np.float32)
        found[f"{name}.values"] = np.array([o[1] for o in outputs], np.float32)
    return found


def _head(learnt: Mapping[str, Array], name: str, state: Array) -> Array:
    # As it is stored: half precision.
    weight = learnt[f"heads.{name}.weight"].astype(np.float16).astype(np.float64)
    return np.asarray(state @ weight.T + learnt[f"heads.{name}.bias"], np.float64)


def words(
    corpus: Corpus, encoders: Mapping[str, Any], learnt: Mapping[str, Array], dev: Mapping[str, Array], work: Work
) -> Made:
    """28 labels: mix, offsets and thresholds from GoEmotions' dev part; its figures from each half by the other."""
    index = corpus.goemotions_dev.index
    truth = np.asarray(index.label("emotions").values, bool)
    net, grams = _head(learnt, "goe", dev["goemotions.state"]), dev["goemotions.labels"].astype(np.float64)
    odds, decided = np.zeros(truth.shape), np.zeros(truth.shape, bool)
    for fit, count in halves(len(truth), work.seed):
        mix = fit_mix(truth[fit], net[fit], grams[fit])
        least = thresholds(truth[fit], mix.apply(net[fit], grams[fit]))
        odds[count] = mix.apply(net[count], grams[count])
        decided[count] = odds[count] >= least
    whole = fit_mix(truth, net, grams)
    told = whole.apply(net, grams)
    least = thresholds(truth, told)
    parts = {
        "goemotions dev": OutOfFold(
            odds, truth, np.asarray(index["clip"], str), LABELS, "macro_f1",
            "GoEmotions dev, 28 labels, mix and thresholds from the other half of dev", "multilabel", "sentence",
            decided=decided, reach=0.545,
        ),
        "goemotions dev as ekman8": _as_ekman8(truth, odds, np.asarray(index["clip"], str)),
    }  # fmt: skip
    single = calibrate.fit([parts["goemotions dev as ekman8"]], scaling="vector")["label_sets"]
    kept = 1 - sum(UNHEARD.values())
    levels = {level: round(value * kept, 6) for level, value in single["levels"].items()}
    calibration = {
        "net": round(whole.net, 6),
        "grams": round(whole.grams, 6),
        "offset": [round(float(b), 6) for b in whole.offset],
        "thresholds": {c: round(float(1 / (1 + np.exp(-t))), 6) for c, t in zip(LABELS, least, strict=True)},
        "unheard": UNHEARD,
        "schemes": {"ekman8": {"least": levels["0.9"], "levels": levels}},
    }
    manifest = {
        "runner": "words", "scheme": "goemotions28", "inputs": ["words.transcript"], "encoders": encoders,
        "companion": "words-vad",
    }  # fmt: skip
    head = {"weight": learnt["heads.goe.weight"].astype(np.float16), "bias": learnt["heads.goe.bias"]}
    return Made(
        "words", parts, manifest, cards.WORDS, [corpus.goemotions.index, index],
        ["goemotions dev as ekman8"], scaling="vector", calibration=calibration,
        rivals=rivals.labels(corpus, dev, work), arrays=head,
    )  # fmt: skip


def _as_ekman8(truth: Array, odds: Array, clips: Array) -> OutOfFold:
    """Sentences whose labels all fold into one class, and the summed scores' logarithms as its log scores."""
    table = mapping("goemotions28", "ekman8")
    heard = [SCHEMES["ekman8"].classes.index(c) for c in HEARD]
    folded = table.apply(truth.astype(float))[:, heard] > 0
    one = folded.sum(axis=1) == 1
    scores = table.apply(1 / (1 + np.exp(-odds)))[:, heard]
    return OutOfFold(
        np.log(scores[one] + 1e-6), folded[one].argmax(axis=1), clips[one], HEARD, "macro_f1",
        "GoEmotions dev as ekman8, sentences of one class", unit="sentence",
    )  # fmt: skip


def words_vad(
    corpus: Corpus, encoders: Mapping[str, Any], learnt: Mapping[str, Array], dev: Mapping[str, Array], work: Work
) -> Made:
    """Three values: the mix from EmoBank's dev part; its figures from each half of the documents by the other."""
    index = corpus.emobank_dev.index
    truth = np.asarray(index.label("vad").values, np.float64) - MIDDLE
    documents = np.asarray(index["document"], str)
    net, grams = _head(learnt, "vad", dev["emobank.state"]), dev["emobank.values"].astype(np.float64)
    middle = corpus.scale[0][:3] - MIDDLE
    names, of = np.unique(documents, return_inverse=True)
    told = np.zeros(truth.shape)
    for fit, count in halves(len(names), work.seed):
        some, rest = np.isin(of, fit), np.isin(of, count)
        told[rest] = _mixed(fit_values(truth[some], net[some], grams[some], middle), net[rest], grams[rest])
    part = OutOfFold(
        np.clip(told, -1, 1), truth, documents, DIMENSIONS, "pearson_r",
        "EmoBank dev, mix from the other half of dev's documents", "continuous", "document",
    )  # fmt: skip
    manifest = {
        "runner": "words", "scheme": "va", "inputs": ["words.transcript"], "encoders": encoders,
        "scale": f"rating - {MIDDLE:g}, cut to [-1, 1]",
    }  # fmt: skip
    arrays = {
        "weight": learnt["heads.vad.weight"].astype(np.float16),
        "bias": learnt["heads.vad.bias"],
        "mix": fit_values(truth, net, grams, middle),
    }
    return Made(
        "words-vad", {"emobank dev": part}, manifest, cards.WORDS_VAD, [corpus.emobank.index, index],
        ["emobank dev"], rivals=rivals.values(corpus, dev, work), arrays=arrays,
    )  # fmt: skip


def _mixed(mix: Array, net: Array, grams: Array) -> Array:
    return np.asarray(mix[:, 0] * net + mix[:, 1] * grams + mix[:, 2])
