"""An encoder whose products are of whole numbers: near the one in floating point, and a text alone in a batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from moodal.core.bundle import Bundle  # noqa: E402
from moodal.core.errors import UsageError  # noqa: E402
from moodal.extract.words.encoder import TextEncoder  # noqa: E402
from moodal.lab.nn.text import TextNet  # noqa: E402
from moodal.lab.train.text import SPECIAL, write_encoder  # noqa: E402

VOCABULARY = [*SPECIAL, *"abcdefghij"]
TOLD = {"name": "e", "version": "1", "licence": "", "commercial": True, "data_terms": "", "data": [],
        "longest": 30, "own": 28, "past": 0}  # fmt: skip
TEXTS = ["a", "b c d", "e f g h i j a b c d e f", "j", "a b"]


def net(layers: int = 2) -> TextNet:
    torch.manual_seed(0)
    made = TextNet(len(VOCABULARY), layers, d=48, heads=4, inner=96)
    for parameter in made.parameters():
        # Of a trained net's spread: scores that differ, norms that are not 1.
        parameter.data += 0.2 * torch.randn_like(parameter) * parameter.abs().mean().clamp(min=0.05)
    made.place.weight = torch.nn.Parameter(made.place.weight[:30].detach().clone())
    return made


def written(path: Path, alone: bool, **settings: int) -> TextEncoder:
    write_encoder(path, net(), VOCABULARY, TOLD, "", alone=alone, **settings)  # type: ignore[arg-type]
    return TextEncoder(Bundle.open(path)).load()


def test_it_says_what_the_one_in_floating_point_says(tmp_path: Path) -> None:
    ours = written(tmp_path / "a.bundle", True, bits=7)
    with torch.inference_mode():
        for text, told in zip(TEXTS, ours.states(TEXTS), strict=True):
            ids = torch.tensor([ours.sequence(text)[0]])
            truth = net().eval()(ids, torch.zeros_like(ids), torch.ones(ids.shape, dtype=torch.bool))[0].numpy()
            assert told.shape == truth.shape
            assert np.abs(told - truth).mean() < 0.05 * np.abs(truth).mean()


def test_a_text_alone_is_the_same_as_among_others(tmp_path: Path) -> None:
    ours = written(tmp_path / "a.bundle", True, bits=7)
    assert ours.alone
    for order in (TEXTS, TEXTS[::-1]):
        for text, states in zip(order, ours.states(order), strict=True):
            np.testing.assert_array_equal(ours.states([text])[0], states)
    windows = [ours.windows(t, 1)[0] for t in TEXTS]
    for window, state in zip(windows, ours.pooled(windows), strict=True):
        np.testing.assert_array_equal(ours.pooled([window])[0], state)


def test_no_batch_gets_in(tmp_path: Path) -> None:
    ours = written(tmp_path / "a.bundle", True, bits=7)
    with pytest.raises(Exception, match=r"(?i)invalid dimensions"):
        ours._session.run(None, {"ids": np.full((2, 4), 5)})  # type: ignore[attr-defined]


def test_the_other_graph_is_told_apart(tmp_path: Path) -> None:
    assert not written(tmp_path / "b.bundle", False).alone


def test_neither_a_past_nor_eight_bits(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="alone, so no past"):
        write_encoder(tmp_path / "a.bundle", net(), VOCABULARY, {**TOLD, "past": 1}, "", alone=True)
    with pytest.raises(UsageError, match="overflow"):
        write_encoder(tmp_path / "a.bundle", net(), VOCABULARY, TOLD, "", alone=True, bits=8)
