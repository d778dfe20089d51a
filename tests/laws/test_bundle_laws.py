"""Laws of every registered fusion: any subset runs, hidden is absent, order and padding do not matter."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moodal.core import registry
from moodal.core.bundle import BUNDLE_FIELDS, Bundle
from moodal.fuse.grid import Cells

#: Those of other distributions too, where they are installed.
FUSIONS = [n for n in registry.names("fusions") if n in registry.bundles()]


def evidence(name: str, seed: int, n: int = 40) -> dict[str, Cells]:
    """Random but valid cells for each modality: class scores sum to 1, half-widths are positive."""
    module = registry.load("fusions", name)
    rng = np.random.default_rng(seed)
    cells = {}
    for modality, fields in module.FIELDS.items():
        values = rng.uniform(-1, 1, (n, len(fields)))
        classes = [i for i, f in enumerate(fields) if f not in ("valence", "arousal") and not f.endswith("half_width")]
        if classes:
            values[:, classes] = rng.dirichlet(np.ones(len(classes)), n)
        for i, field in enumerate(fields):
            if field.endswith("half_width"):
                values[:, i] = rng.uniform(0.1, 1, n)
        covered = rng.random(n) > 0.25
        quality = np.where(covered, rng.uniform(0.05, 1, n), 0)
        cells[modality] = Cells(np.where(covered[:, None], values, np.nan), quality, covered)
    return cells


def fusion(name: str):
    module = registry.load("fusions", name)
    return module.open_fusion(name)


@pytest.mark.parametrize("name", FUSIONS)
def test_manifest_is_complete_and_the_card_says_what_it_is_not_for(name: str) -> None:
    bundle: Bundle = fusion(name).bundle
    assert set(BUNDLE_FIELDS) <= set(bundle.manifest)
    assert bundle.manifest["kind"] == "fusion"
    assert "not for" in bundle.card.lower()
    assert bundle.manifest["not_for"]


@pytest.mark.parametrize("name", FUSIONS)
@given(seed=st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_any_non_empty_subset_runs_and_stays_in_range(name: str, seed: int) -> None:
    cells = evidence(name, seed)
    for k in range(1, len(cells) + 1):
        for subset in combinations(cells, k):
            fused = fusion(name).fuse({m: cells[m] for m in subset})
            told = np.any([cells[m].covered for m in subset], axis=0)
            naming = [cells[m].covered for m in subset if m in fusion(name).class_modalities]
            named = np.any(naming, axis=0) if naming else np.zeros(40, bool)
            assert (np.isfinite(fused.classes).all(1) == named).all()
            assert np.allclose(fused.classes[named].sum(1), 1)
            for rows in (fused.valence, fused.arousal):
                some = np.isfinite(rows[:, 0])
                assert (rows[some, 1] <= rows[some, 0]).all()
                assert (rows[some, 0] <= rows[some, 2]).all()
                assert (np.abs(rows[some]) <= 1).all()
                assert not (some & ~told).any()
            assert np.allclose(sum(fused.support.values())[told], 1)
            assert np.allclose(sum(fused.support.values())[~told], 0)


@pytest.mark.parametrize("name", FUSIONS)
@given(seed=st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_hidden_is_absent(name: str, seed: int) -> None:
    cells = evidence(name, seed)
    for hidden in cells:
        gone = Cells(np.full_like(cells[hidden].values, np.nan), np.zeros(40), np.zeros(40, bool))
        masked = fusion(name).fuse({**cells, hidden: gone})
        absent = fusion(name).fuse({m: c for m, c in cells.items() if m != hidden})
        for part in ("classes", "valence", "arousal"):
            assert np.array_equal(getattr(masked, part), getattr(absent, part), equal_nan=True)


@pytest.mark.parametrize("name", FUSIONS)
@given(seed=st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_taking_a_modality_away_never_narrows_an_interval(name: str, seed: int) -> None:
    cells = evidence(name, seed)
    whole = fusion(name).fuse(cells)
    for hidden in cells:
        less = fusion(name).fuse({m: c for m, c in cells.items() if m != hidden})
        for rows, fewer in ((whole.valence, less.valence), (whole.arousal, less.arousal)):
            # Unclipped half-widths: an interval cut at ±1 may look narrower.
            inside = (np.abs(rows) < 1).all(1) & (np.abs(fewer) < 1).all(1)
            assert ((fewer[inside, 2] - fewer[inside, 1]) >= (rows[inside, 2] - rows[inside, 1]) - 1e-9).all()


@pytest.mark.parametrize("name", FUSIONS)
@given(seed=st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_cells_do_not_see_each_other(name: str, seed: int) -> None:
    cells = evidence(name, seed)
    order = np.random.default_rng(seed).permutation(40)
    whole = fusion(name).fuse(cells)
    turned = fusion(name).fuse(
        {m: Cells(c.values[order], c.quality[order], c.covered[order]) for m, c in cells.items()}
    )
    cropped = fusion(name).fuse({m: Cells(c.values[:7], c.quality[:7], c.covered[:7]) for m, c in cells.items()})
    assert np.array_equal(whole.classes[order], turned.classes, equal_nan=True)
    assert np.array_equal(whole.valence[:7], cropped.valence, equal_nan=True)
    assert np.allclose(whole.classes[:7], cropped.classes, equal_nan=True, rtol=0, atol=1e-12)
