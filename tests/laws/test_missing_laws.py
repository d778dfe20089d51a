"""Laws of every pattern of missing modalities: named, seeded, and an example's pattern is its own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moodal.core.errors import UsageError
from moodal.lab.data import Dataset, Missing, people
from moodal.lab.data.missing import MISSING_KINDS

PATTERNS = {
    "none": ["none"],
    "fixed": ["fixed(audio)", "fixed(audio, text)"],
    "random": ["random(0.3, seed=0)", "random(1, seed=5)", "random(0.5, audio, seed=2)"],
    "burst": ["burst(0.5, seed=0)", "burst(1, text, seed=1)"],
    "noise": ["noise(1, seed=0)", "noise(0.2, face, seed=3)"],
}
ALL = [text for texts in PATTERNS.values() for text in texts]
DATA = people(4, 6, absent=0.2, seed=1)


def same(a: Dataset, b: Dataset) -> bool:
    return all(
        np.array_equal(f.offsets, b.features[m].offsets) and np.array_equal(f.values, b.features[m].values)
        for m, f in a.features.items()
    )


def test_every_kind_is_held_to_the_laws() -> None:
    assert set(PATTERNS) == set(MISSING_KINDS)


@pytest.mark.parametrize("text", ALL)
def test_its_name_is_itself(text: str) -> None:
    assert str(Missing.parse(text)) == text
    assert Missing.parse(str(Missing.parse(text))) == Missing.parse(text)


@given(
    kind=st.sampled_from(["random", "burst", "noise"]),
    amount=st.floats(0.01, 1),
    named=st.sets(st.sampled_from(["face", "audio", "text"])),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=60, deadline=None)
def test_any_pattern_can_be_spelt_and_read(kind: str, amount: float, named: set[str], seed: int) -> None:
    pattern = Missing.parse(f"{kind}({amount:g}, {''.join(f'{m}, ' for m in sorted(named))}seed={seed})")
    assert Missing.parse(str(pattern)) == pattern


@pytest.mark.parametrize("text", ALL)
@given(seed=st.integers(0, 10_000))
@settings(max_examples=8, deadline=None)
def test_order_and_company_change_nothing(text: str, seed: int) -> None:
    pattern = Missing.parse(text)
    rows = np.random.default_rng(seed).permutation(len(DATA))[:10]
    whole = pattern.apply(DATA).take(rows)
    if pattern.kind == "noise":
        # Noise is scaled by the spread of the data it is added to, which hangs on the company; its draws do not.
        return
    assert same(whole, pattern.apply(DATA.take(rows)))


@pytest.mark.parametrize("text", ALL)
def test_labels_rows_and_what_is_not_named_stay(text: str) -> None:
    pattern = Missing.parse(text)
    changed = pattern.apply(DATA)
    assert changed.index is DATA.index
    assert same(changed, pattern.apply(DATA))
    for m in DATA.modalities:
        assert changed.features[m].width == DATA.features[m].width
        assert not (changed.present & ~DATA.present).any()
        if pattern.kind == "none" or (pattern.modalities and m not in pattern.modalities):
            assert np.array_equal(changed.features[m].values, DATA.features[m].values)


def test_random_always_leaves_one() -> None:
    hidden = Missing.parse("random(1, seed=0)").apply(DATA)
    assert (hidden.present.sum(axis=1) == np.minimum(1, DATA.present.sum(axis=1))).all()


def test_another_seed_is_another_pattern() -> None:
    for kind in ("random", "burst", "noise"):
        assert not same(
            Missing.parse(f"{kind}(0.5, seed=0)").apply(DATA), Missing.parse(f"{kind}(0.5, seed=1)").apply(DATA)
        )


@pytest.mark.parametrize(
    "text", ["fixed", "fixed()", "random(2)", "random(x)", "burst(0)", "noise(-1)", "rand(0.3)", ""]
)
def test_what_is_no_pattern_is_one_line(text: str) -> None:
    with pytest.raises(UsageError) as error:
        Missing.parse(text)
    assert "\n" not in str(error.value)


def test_a_modality_that_is_not_there_is_one_line() -> None:
    with pytest.raises(UsageError, match="has no modality 'eeg'"):
        Missing.parse("fixed(eeg)").apply(DATA)
