"""Tuning a text encoder: it learns, twice the same, from several label sets; a cut vocabulary keeps what it must."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from moodal.core.errors import ModelError  # noqa: E402
from moodal.lab.nn.text import TextNet, load, safetensors  # noqa: E402
from moodal.lab.train.text import SPECIAL, Task, kept_pieces, tune  # noqa: E402


def sequences(rng: np.random.Generator, n: int) -> tuple[list[tuple[list[int], int]], np.ndarray]:
    """Noise pieces, among them one that tells the class; what comes after the own pieces tells nothing."""
    classes = rng.integers(0, 3, n)
    told = []
    for c in classes:
        own = [2, *rng.integers(10, 30, rng.integers(3, 8)).tolist(), 3]
        own[rng.integers(1, len(own) - 1)] = 5 + int(c)
        told.append((own + rng.integers(10, 30, 4).tolist(), len(own)))
    return told, classes


def tuned(seed: int):
    rng = np.random.default_rng(0)
    told, classes = sequences(rng, 240)
    torch.manual_seed(1)
    net = TextNet(40, 1, d=32, heads=4, inner=64)
    several = np.eye(3)[classes]
    tasks = [Task("one", "class", told, classes), Task("many", "multilabel", told, several, 0.5)]
    outputs = tune(net, tasks, epochs=6, lr=3e-3, seed=seed)
    fresh, truth = sequences(np.random.default_rng(7), 90)
    return outputs("one", fresh), outputs("many", fresh), truth


def test_it_learns_both_label_sets_and_the_same_seed_gives_the_same() -> None:
    torch.set_num_threads(1)
    one, many, truth = tuned(3)
    assert (one.argmax(1) == truth).mean() > 0.9
    assert (many.argmax(1) == truth).mean() > 0.9
    again, _, _ = tuned(3)
    assert np.array_equal(one, again)


def test_a_cut_vocabulary_keeps_marks_characters_and_what_was_seen() -> None:
    vocabulary = [*SPECIAL, "a", "##b", "seen", "rare", "never"]
    kept = kept_pieces(Counter({"seen": 2, "rare": 1}), vocabulary)
    assert [vocabulary[i] for i in kept] == [*SPECIAL, "a", "##b", "seen"]


def test_a_file_that_is_no_network_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"\x10\0\0\0\0\0\0\0{}")
    with pytest.raises(ModelError, match="is no safetensors file"):
        safetensors(path)
    header = b'{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"\0\0\0\0")
    with pytest.raises(ModelError, match="is not the network expected"):
        load(path, 1)
