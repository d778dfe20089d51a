"""Laws of every registered data set: its twin comes back; what lacks, is damaged or is mislabelled is one line."""

from __future__ import annotations

import hashlib
import inspect
import re
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from moodal.core import registry
from moodal.core.errors import InputError, MoodalError, UsageError
from moodal.core.scheme import SCHEMES
from moodal.lab.data import sets
from moodal.lab.data.index import Index
from moodal.lab.data.labels import Labels
from moodal.lab.data.media import open_bytes
from moodal.lab.data.spec import SetSpec
from moodal.lab.data.streams import gathered
from moodal.lab.data.twin import Truth

SETS = registry.names("sets")
SPLITS = {"", "train", "validation", "test", "test2", "test3"}

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    _made.clear()
    return tmp_path_factory.mktemp("sets")


_made: dict[str, Truth] = {}


def module(name: str) -> ModuleType:
    return registry.load("sets", name)


def spec(name: str) -> SetSpec:
    return module(name).SPEC


def twin(home: Path, name: str) -> tuple[Path, Truth]:
    """One twin a set, which nobody changes; `copied` gives one to damage."""
    root = home / f"twin-{name}"
    if name not in _made:
        root.mkdir()
        _made[name] = module(name).generate(root, seed=0)
    return root, _made[name]


def copied(home: Path, name: str, tmp_path: Path) -> tuple[Path, Truth]:
    root, truth = twin(home, name)
    return Path(shutil.copytree(root, tmp_path / "copy")), truth


def plainly(labels: Labels) -> list[Any]:
    """Labels as a `Truth` tells them."""
    if labels.kind == "class":
        return [labels.names[v] if v >= 0 else "" for v in labels.values]
    if labels.kind == "multilabel":
        return [tuple(n for n, on in zip(labels.names, row, strict=True) if on) for row in labels.values]
    return [tuple(row) for row in labels.values.tolist()]


def tree(root: Path) -> dict[str, str]:
    return {
        str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in root.rglob("*") if p.is_file()
    }


def one_line(error: MoodalError) -> str:
    line = str(error)
    assert "\n" not in line
    assert "Traceback" not in line
    assert len(line) < 2000
    return line


@pytest.mark.parametrize("name", SETS)
def test_the_spec_says_what_a_user_must_know(name: str) -> None:
    told = spec(name)
    assert told.name == name
    assert module(name).__name__ == registry.KINDS["sets"][name]
    for field in ("title", "licence", "where", "layout", "source", "subjects"):
        text = getattr(told, field)
        assert text.strip(), field
    assert told.commercial in ("yes", "no", "unclear")
    assert told.modalities
    assert told.labels
    assert "\n" not in told.licence + told.where + told.title


@pytest.mark.parametrize("name", SETS)
def test_what_the_twin_holds_is_read(home: Path, name: str) -> None:
    root, truth = twin(home, name)
    data = sets.read(name, root, **truth.settings)
    index = data.index
    assert sorted(index["clip"]) == sorted(truth.clips)
    place = {clip: i for i, clip in enumerate(truth.clips)}
    order = [place[clip] for clip in index["clip"]]
    assert list(index["subject"]) == [truth.subjects[i] for i in order]
    assert list(index["split"]) == [truth.splits[i] for i in order]
    assert set(truth.labels) <= set(index.labels)
    for label, told in truth.labels.items():
        read = plainly(index.label(label))
        wanted = [told[i] for i in order]
        if index.label(label).kind in ("class", "multilabel"):
            assert read == wanted, label
        else:
            np.testing.assert_allclose(np.array(read, float), np.array(wanted, float), atol=1e-6, err_msg=label)
    assert {m: f.width for m, f in data.features.items()} == dict(truth.modalities)


@pytest.mark.parametrize("name", SETS)
def test_a_twin_is_made_again_to_the_byte(home: Path, name: str, tmp_path: Path) -> None:
    root, truth = twin(home, name)
    for part, seed in (("same", 0), ("other", 1)):
        (tmp_path / part).mkdir()
        again = module(name).generate(tmp_path / part, seed=seed)
        if seed == 0:
            assert tree(tmp_path / part) == tree(root)
            assert list(again.clips) == list(truth.clips)
        else:
            assert tree(tmp_path / part) != tree(root)
            assert len(sets.read(name, tmp_path / part, **again.settings)) == len(again.clips)


@pytest.mark.parametrize("name", SETS)
def test_the_index_is_consistent(home: Path, name: str) -> None:
    root, truth = twin(home, name)
    data = sets.read(name, root, **truth.settings)
    index = data.index
    check_index(index, spec(name))
    assert sets.read(name, root, **truth.settings).fingerprint() == data.fingerprint()
    bytes_of = {c: r for c, r in zip(index["clip"], index["recording"], strict=True) if r}
    for clip, recording in bytes_of.items():
        assert open_bytes(recording), f"{clip}: {recording}"


def check_index(index: Index, told: SetSpec) -> None:
    """What holds of every index that a reader makes, of a twin and of real data."""
    assert index.terms == told.licence
    assert set(index["split"]) <= SPLITS
    assert set(told.labels) & set(index.labels)
    for label, labels in index.labels.items():
        assert labels.source, label  # the label as its file spells it stays beside the mapped one
        if labels.scheme:
            assert labels.names == SCHEMES[labels.scheme].classes
        if labels.kind == "class":
            assert labels.values.max() < len(labels.names)
        if labels.kind == "distribution":
            sums = labels.values[labels.labelled].sum(axis=1)
            np.testing.assert_allclose(sums, 1)
            assert np.nanmin(labels.values) >= 0
        assert labels.labelled.any(), label
    if told.subjects == "subject":
        assert (index["subject"] != "").any()
    timed = np.isfinite(index["start_s"]) & np.isfinite(index["end_s"])
    assert (index["end_s"][timed] >= index["start_s"][timed]).all()
    assert (index["start_s"][timed] >= 0).all()
    turns = [(d, t) for d, t in zip(index["dialogue"], index["turn"], strict=True) if d and np.isfinite(t)]
    assert len(set(turns)) == len(turns)  # a place in a dialogue is taken once
    header, *rest = index.to_csv().splitlines()
    assert header.startswith("clip")
    assert len(rest) >= len(index)


@pytest.mark.parametrize("name", SETS)
def test_a_trial_is_one_presentation_to_one_person(home: Path, name: str) -> None:
    """torcheeg #141, #164 and PhysioPro #23: trials that are told apart wrongly, people out of order."""
    root, truth = twin(home, name)
    index = sets.read(name, root, **truth.settings).index
    for trial, rows in index.groups("trial").items():
        for column in ("subject", "session", "stimulus", "split"):
            assert len(set(index[column][rows])) == 1, (trial, column)
    people = list(dict.fromkeys(index["subject"]))
    told = [re.fullmatch(r"([A-Za-z]*)(\d+)", person) for person in people]
    if (index["trial"] != "").all() and all(told):
        order = [(m[1], int(m[2])) for m in told if m]
        assert order == sorted(order), people


BY_PERSON = [name for name in SETS if hasattr(registry.load("sets", name), "people")]


def test_sets_of_signals_are_read_by_person() -> None:
    signals = [name for name in SETS if {"eeg", "ecg", "ppg", "wrist_ppg"} & set(spec(name).modalities)]
    assert signals == BY_PERSON


@pytest.mark.parametrize("name", BY_PERSON)
def test_people_one_after_another_are_the_whole_set(home: Path, name: str) -> None:
    root, truth = twin(home, name)
    made = module(name)
    assert [*inspect.signature(made.people).parameters] == [*inspect.signature(made.read).parameters]
    parts = list(made.people(root, **truth.settings))
    assert all(len(set(part.index["subject"])) == 1 for part in parts)
    data = made.read(root, **truth.settings)
    assert len(parts) >= len(set(data.index["subject"]))  # a night may stand for a person
    again = gathered(made.people(root, **truth.settings))
    assert again.fingerprint() == data.fingerprint()
    assert again.index.notices == data.index.notices


@pytest.mark.parametrize("name", SETS)
def test_a_part_that_lacks_is_named_with_where_to_get_it(home: Path, name: str, tmp_path: Path) -> None:
    _, truth = twin(home, name)
    # A set of bare files has no part to lack but all of them.
    everything = sorted(p.name for p in (home / f"twin-{name}").iterdir())
    for i, parts in enumerate([[part] for part in truth.parts] or [everything]):
        root, _ = copied(home, name, tmp_path / str(i))
        for part in parts:
            gone = root / part
            shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
        with pytest.raises(InputError) as caught:
            sets.read(name, root, **truth.settings)
        line = one_line(caught.value)
        assert spec(name).title in line
        assert not truth.parts or Path(parts[0]).name in line
        assert " ".join(spec(name).where.split()) in line
        assert " ".join(spec(name).licence.split()) in line


@pytest.mark.parametrize("name", SETS)
def test_a_set_that_is_not_there_is_told_with_where_to_get_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for root, home in ((tmp_path / "nowhere", ""), (None, ""), (None, str(tmp_path))):
        monkeypatch.setenv("MOODAL_DATA", home)
        with pytest.raises(InputError) as caught:
            sets.read(name, root)
        line = one_line(caught.value)
        assert spec(name).title in line
        assert " ".join(spec(name).where.split()) in line


def damages(data: bytes, seed: int) -> list[bytes]:
    rng = np.random.default_rng(seed)
    flipped = bytearray(data)
    for at in rng.integers(0, len(data), max(1, len(data) // 50)):
        flipped[at] = rng.integers(256)
    cuts = [data[: int(c)] for c in rng.integers(0, len(data), 6)]
    return [b"", *cuts, bytes(flipped), rng.bytes(200), b"<html>404</html>\n", data.replace(b"\n", b",\xff\n", 3)]


@pytest.mark.parametrize("name", SETS)
def test_a_damaged_table_is_one_line_or_the_readable_part(home: Path, name: str, tmp_path: Path) -> None:
    root, truth = copied(home, name, tmp_path)
    if not truth.tables:
        pytest.skip("has no table: its labels stand in the names of its files")
    for table in truth.tables:
        whole = (root / table).read_bytes()
        refused = 0
        for i, damaged in enumerate(damages(whole, 7)):
            (root / table).write_bytes(damaged)
            try:
                data = sets.read(name, root, **truth.settings)
            except MoodalError as error:
                one_line(error)
                refused += 1
            else:
                assert 0 < len(data) <= len(truth.clips), (table, i)
        assert refused, f"{table}: nothing was ever refused"
        (root / table).write_bytes(whole)


@pytest.mark.parametrize("name", SETS)
def test_a_label_outside_its_scheme_is_refused_by_row(home: Path, name: str, tmp_path: Path) -> None:
    root, truth = copied(home, name, tmp_path)
    named = truth.spoil(root)
    assert named
    with pytest.raises(InputError) as caught:
        sets.read(name, root, **truth.settings)
    assert named in one_line(caught.value)


@pytest.mark.parametrize("name", SETS)
def test_a_setting_that_no_reader_has_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no setting 'prat'"):
        sets.read(name, tmp_path, prat="av")


def test_a_set_that_nobody_wrote_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown set 'melt'"):
        sets.read("melt")
