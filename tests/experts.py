"""Small bundles of dialogue models, made here: a random text encoder, and a model of the lab trained on its states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from moodal.core.bundle import Bundle
from moodal.core.scheme import scheme

MELD7 = scheme("meld7").classes
_WORDS = (
    "i", "am", "so", "very", "happy", "sad", "angry", "today", "what", "a", "day", "you", "are", "late", "again",
    "this", "is", "wonderful", "terrible", "the", "train",
)  # fmt: skip
_PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "!", "?", ".", ",", *_WORDS, "##s", "##ly"]
ENCODER = "text-tiny"


def encoder(path: Path, *, past: int = 3, seed: int = 0, width: int = 6, name: str = ENCODER, **told: Any) -> Path:
    """A bundle of kind ``encoder``: states depend on every piece that follows, so on the past, and on their order."""
    pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(seed)
    constants = {
        "pieces": rng.normal(size=(len(_PIECES), width)).astype(np.float32),
        "types_of": rng.normal(size=(2, width)).astype(np.float32),
        "last": np.array([2], np.int64),
        "time": np.array(1, np.int64),
    }
    node = helper.make_node
    nodes = [
        node("Gather", ["pieces", "ids"], ["a"]),
        node("Gather", ["types_of", "types"], ["b"]),
        node("Add", ["a", "b"], ["x"]),
        node("Cast", ["mask"], ["valid"], to=TensorProto.FLOAT),
        node("Unsqueeze", ["valid", "last"], ["there"]),
        node("Mul", ["x", "there"], ["e"]),
        node("CumSum", ["e", "time"], ["following"], reverse=1),
        node("Tanh", ["following"], ["gate"]),
        node("Mul", ["gate", "e"], ["gated"]),
        node("CumSum", ["gated", "time"], ["told"], reverse=1),
        node("Add", ["e", "told"], ["sum"]),
        node("Tanh", ["sum"], ["states"]),
    ]
    graph = helper.make_graph(
        nodes,
        "encoder",
        [
            helper.make_tensor_value_info(n, t, ["batch", "steps"])
            for n, t in (("ids", TensorProto.INT64), ("types", TensorProto.INT64), ("mask", TensorProto.BOOL))
        ],
        [helper.make_tensor_value_info("states", TensorProto.FLOAT, ["batch", "steps", width])],
        [numpy_helper.from_array(v, n) for n, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    manifest = {
        "name": name, "version": "1", "kind": "encoder", "licence": "made up: no terms", "commercial": True,
        "data_terms": "none: random numbers", "inputs": ["words.transcript"], "scheme": "", "calibration": None,
        "width": width, "longest": 48, "own": 16, "past": past, "data": [], **told,
    }  # fmt: skip
    vocabulary = np.frombuffer("\n".join(_PIECES).encode(), np.uint8)
    card = f"# {name}\n\nNot for anything."
    Bundle.write(path, manifest, card, {"vocabulary": vocabulary}, {"encoder": model.SerializeToString()})
    return path


def talk(dialogues: int = 14, turns: int = 6, seed: int = 0, classes: Sequence[str] = MELD7) -> Any:
    """Made-up dialogues: an index with texts, speakers and labels, each text other than the one before it."""
    from moodal.lab.data.dataset import Dataset
    from moodal.lab.data.index import Index
    from moodal.lab.data.labels import Labels

    rng = np.random.default_rng(seed)
    n = dialogues * turns
    texts = [f"{' '.join(rng.choice(_WORDS, rng.integers(2, 7)))}{rng.choice(list('!?.'))}" for _ in range(n)]
    index = Index.build(
        "talk",
        {
            "clip": [f"d{i // turns}-u{i % turns}" for i in range(n)],
            "dialogue": [f"d{i // turns}" for i in range(n)],
            "turn": [float(i % turns) for i in range(n)],
            "subject": [("Anna", "Ben", "Dr. Cole")[int(rng.integers(3))] for _ in range(n)],
            "text": texts,
        },
        {"emotion": Labels.of_classes([classes[i] for i in rng.integers(0, len(classes), n)], classes,
                                      scheme="meld7" if classes == MELD7 else "")},
        terms="made up: no terms",
    )  # fmt: skip
    return Dataset(index, {})


@dataclass(frozen=True)
class Trained:
    """What a lab has: the data with features, the finished run, the bundle; ``test`` are rows of one dialogue."""

    data: Any
    run: Any
    bundle: Path
    folder: Path
    test: np.ndarray


def trained(folder: Path, *, context: int = 0, use: str = "lsgmer", patch: pytest.MonkeyPatch, **made: Any) -> Trained:
    """A tiny model trained on `talk` through the maker ``sentence``, exported beside its encoder."""
    pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    from moodal.core import registry
    from moodal.lab import recipes
    from moodal.lab.data.cache import Cache
    from moodal.lab.data.features import features
    from moodal.lab.export import export
    from moodal.lab.train.run import train

    bundles = folder / "bundles"
    bundles.mkdir(parents=True)
    encoder(bundles / f"{ENCODER}.bundle")
    installed(patch, bundles)
    model = "d = 8, heads = 2, " if use == "lsgmer" else "d = 8, "
    recipe = recipes.parse(
        f"""
        name = "talk"
        title = "made-up dialogues"
        label = "emotion"
        metric = "weighted_f1"
        [data]
        set = "synthetic"
        [features.text]
        use = "sentence"
        settings = {{ encoder = "{ENCODER}" }}
        [protocol]
        use = "official"
        [[learner]]
        name = "model"
        use = "{use}"
        settings = {{ {model}context = {context}, train = {{ epochs = 3, batch = 16, lr = 0.01 }} }}
        """,
        "talk",
    )
    data = features(talk(**made), recipe.features, Cache(folder / "cache"))
    rows = np.arange(len(data))
    last = np.flatnonzero(data.index["dialogue"] == data.index["dialogue"][-1])
    fold = SimpleNamespace(name="1", train=rows[:-15], validation=rows[-15 : -len(last)], test=last)
    run = train(recipe, "model", data, fold, folder / "run")
    bundle = export(run, bundles / "talk-tiny.bundle", licence="made up: no terms")
    # What is new in the folder is seen by who opens it anew.
    registry._opened.cache_clear()
    return Trained(data, run, bundle.path, bundles, last)


def installed(patch: pytest.MonkeyPatch, *folders: Path) -> None:
    """These folders as if other distributions had brought them."""
    from moodal.core import registry

    patch.setattr(registry, "bundle_folders", lambda: (registry._BUNDLES, *folders))
    registry._opened.cache_clear()


def subtitles(path: Path, texts: Sequence[str], speakers: Sequence[str] = ()) -> Path:
    """The turns of a dialogue as SRT, two seconds each."""
    said = [f"{s}: {t}" for s, t in zip(speakers, texts, strict=True)] if len(speakers) else texts
    cues = [f"{i + 1}\n{_stamp(2 * i)} --> {_stamp(2 * i + 2)}\n{t}\n" for i, t in enumerate(said)]
    path.write_text("\n".join(cues), encoding="utf-8")
    return path


def _stamp(seconds: int) -> str:
    return f"00:{seconds // 60:02d}:{seconds % 60:02d},000"
