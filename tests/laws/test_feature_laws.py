"""Laws of every maker of features of body signals, and of every group of hand features.

An example is told the same alone, beside others and in another order; one that is not there is absent and changes no
other; what comes a row a step does not hang on what follows; a window says the same wherever it lies.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import signals
from moodal.lab.data import Cache, Dataset, Feature, people
from moodal.lab.data.features import MAKERS, make
from moodal.lab.data.hand import GROUPS, Withheld
from moodal.lab.data.raw import Signal
from moodal.lab.recipes import FeaturePart

NAMES = ("F3", "F4", "P3", "P4")
RATE = 128.0
#: Every maker that reads a signal, with settings; and how many rows of it a second gives, 0 for one row in all.
WAYS: dict[str, tuple[str, dict[str, Any], float]] = {
    "eeg-bands": ("eeg-bands", {}, 0),
    "eeg-bands, relative": ("eeg-bands", {"relative": True}, 0),
    "eeg-de": ("eeg-de", {}, 1),
    "eeg-de by filters": ("eeg-de", {"method": "filter"}, 1),
    "eeg-de smoothed": ("eeg-de", {"smooth": "lds-causal"}, 1),
    "eeg-asymmetry": ("eeg-asymmetry", {}, 1),
    "eeg-hjorth": ("eeg-hjorth", {}, 1),
    **{
        f"eeg-connectivity, {m}": ("eeg-connectivity", {"measure": m}, 0)
        for m in ("coherence", "imaginary", "plv", "envelope")
    },
    "hand": ("hand", {"groups": ["eeg.bands", "eeg.channels"]}, 0),
}
#: Makers of other things than body signals have their own tests.
OTHERS = {"sentence", "whisper"}
SECONDS = (4.0, 6.5, 12.0, 4.0)


def examples() -> list[np.ndarray]:
    whole = signals.eeg(40, RATE)[:, [3, 5, 13, 15]].astype(np.float32)
    starts = np.cumsum([0, *SECONDS])
    return [whole[round(RATE * a) : round(RATE * b)] for a, b in pairwise(starts)]


def told(rows: list[np.ndarray | None], way: str, folder: Path) -> Feature:
    name, settings, _ = WAYS[way]
    index = people(1, len(rows), modalities=["face"]).index
    raw = Feature.build("eeg", rows, fields=NAMES, rate_hz=RATE, source="made")
    return make(Dataset(index, {"eeg": raw}), "eeg", FeaturePart(name, settings), Cache(folder))


def close(a: np.ndarray, b: np.ndarray) -> None:
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_every_maker_is_held_to_the_laws() -> None:
    assert {name for name, _, _ in WAYS.values()} == set(MAKERS) - OTHERS


@pytest.mark.parametrize("way", WAYS)
def test_an_example_is_told_the_same_alone_beside_others_and_in_another_order(way: str, tmp_path: Path) -> None:
    rows = examples()
    beside = told(rows, way, tmp_path)
    turned = told(rows[::-1], way, tmp_path)
    assert beside.fields == turned.fields
    for i, row in enumerate(rows):
        alone = told([row], way, tmp_path)
        assert alone.fields == beside.fields
        assert len(beside[i]) > 0
        close(beside[i], alone[0])
        close(beside[i], turned[len(rows) - 1 - i])


@pytest.mark.parametrize("way", WAYS)
def test_one_that_is_not_there_is_absent_and_changes_no_other(way: str, tmp_path: Path) -> None:
    rows = examples()
    whole = told(rows, way, tmp_path)
    holed = told([rows[0], None, *rows[2:]], way, tmp_path)
    assert holed.present.tolist() == [True, False, True, True]
    assert len(holed[1]) == 0
    for i in (0, 2, 3):
        close(holed[i], whole[i])


@pytest.mark.parametrize("way", [w for w, (_, _, rows) in WAYS.items() if rows])
def test_what_follows_changes_no_row_before_it(way: str, tmp_path: Path) -> None:
    """As a stream brings it: the beginning of an example has the rows that the whole one begins with."""
    whole = examples()[2]
    rows = told([whole], way, tmp_path)[0]
    noise = 50 * np.random.default_rng(0).standard_normal((300, len(NAMES))).astype(np.float32)
    for seconds in (2, 5, 9):
        begun = whole[: round(seconds * RATE)]
        cut, other = (told([x], way, tmp_path)[0] for x in (begun, np.concatenate([begun, noise])))
        assert len(cut) == seconds * WAYS[way][2]
        close(cut, rows[: len(cut)])
        close(other[: len(cut)], rows[: len(cut)])


# ---- hand features --------------------------------------------------------------------------------------------------

KINDS = {g: group.kind or "temp" for g, group in GROUPS.items() if group.kind != "sound"}
#: A thermometer may say the same for a minute, and somebody may hold still.
MAY_STAND = ("temp", "acc")
EEG = (
    "Fp1",
    "Fp2",
    "F7",
    "F3",
    "Fz",
    "F4",
    "F8",
    "T7",
    "C3",
    "Cz",
    "C4",
    "T8",
    "P7",
    "P3",
    "Pz",
    "P4",
    "P8",
    "O1",
    "O2",
)


def stream(kind: str) -> Signal:
    rate = float(signals.RATES[kind] or 0)
    values = getattr(signals, kind)(130.0, rate)
    channels = EEG if kind == "eeg" else ("x", "y", "z") if kind == "acc" else ()
    return Signal(kind, kind, values.reshape(len(values), -1), rate, channels=channels)


@pytest.mark.parametrize("name", KINDS)
def test_a_window_says_the_same_wherever_it_lies(name: str) -> None:
    """Cut from a file or from what a stream holds by then; and what lies around it is not looked at."""
    whole = stream(KINDS[name])
    rate = whole.rate_hz or 1.0
    function = GROUPS[name].function()
    cut = function(whole.cut(30.0, 90.0))
    alone = function(Signal(whole.name, whole.kind, whole.values[round(30 * rate) : round(90 * rate)].copy(), rate,
                            channels=whole.channels))  # fmt: skip
    around = whole.values.copy()
    around[: round(30 * rate)], around[round(90 * rate) :] = 1e3, -1e3
    disturbed = function(Signal(whole.name, whole.kind, around, rate, channels=whole.channels).cut(30.0, 90.0))
    assert cut.keys() == alone.keys() == disturbed.keys()
    for field, value in cut.items():
        assert alone[field] == pytest.approx(value, rel=1e-9, nan_ok=True), field
        assert disturbed[field] == pytest.approx(value, rel=1e-9, nan_ok=True), field


@pytest.mark.parametrize("name", KINDS)
def test_a_window_of_one_value_has_a_reason_or_no_number_of_what_moves(name: str) -> None:
    flat = stream(KINDS[name]).cut(0.0, 60.0)
    flat = Signal(flat.name, flat.kind, np.full_like(flat.values, 5.0), flat.rate_hz, channels=flat.channels)
    if KINDS[name] not in MAY_STAND:
        with pytest.raises(Withheld, match=r"flat|artefact|no_contact"):
            GROUPS[name].function()(flat)
        return
    found = GROUPS[name].function()(flat)
    moves = [f for f in found if f.split("_")[-1] in ("sd", "range", "slope", "iqr") or "change" in f]
    assert all(abs(found[f]) < 1e-9 or np.isnan(found[f]) for f in moves), {f: found[f] for f in moves}
