"""A user's own table and audformat databases: columns, labels, bad input."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from moodal.core.errors import InputError, MissingExtra, MoodalError, UsageError
from moodal.lab.data.sets import table
from moodal.lab.data.twin import tabled, write


def own(tmp_path: Path, header: list[str], *rows: list[Any]) -> Path:
    return write(tmp_path / "mine.csv", tabled(header, rows))


@pytest.mark.parametrize(("header", "rows", "says"), [
    (["file", "emotion"], [["gone.wav", "joy"]], "row 2: no such file gone.wav"),
    (["text", "emotion"], [["", "joy"]], "row 2 has neither file nor text"),
    (["sound", "emotion"], [["a", "joy"]], "has neither a column file nor a column text"),
    (["text", "emotion"], [["a", ""]], "column emotion is empty"),
    (["text", "emotion", "split"], [["a", "joy", "dev2"]], "row 2 is of part 'dev2'"),
    (["text", "valence"], [["a", "1"], ["b", "2"], ["c", "high"]], "row 4: valence is 'high', not a number"),
    (["text", "emotion", "start_s"], [["a", "joy", "soon"]], "row 2: start_s is 'soon'"),
    (["text", "emotion"], [], "lacks its rows"),
    (["text", "mood"], [["a", "joy"]], "has no column of labels with a usual name"),
])  # fmt: skip
def test_a_table_that_cannot_be_meant_is_one_line(
    header: list[str], rows: list[Any], says: str, tmp_path: Path
) -> None:
    with pytest.raises(MoodalError) as caught:
        table.read(own(tmp_path, header, *rows))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_labels_are_what_the_user_names(tmp_path: Path) -> None:
    file = own(tmp_path, ["text", "mood", "hour"], ["a", "up", "1"], ["b", "down", "2"], ["NA", "", "3"])
    data = table.read(file, labels=["mood"])
    assert data.index.label("mood").names == ("down", "up")
    assert data.index.label("mood").values.tolist() == [1, 0, -1]
    assert list(data.index["text"]) == ["a", "b", "NA"]
    assert list(data.index["hour"]) == ["1", "2", "3"]
    with pytest.raises(UsageError, match="has no column 'moods'"):
        table.read(file, labels="moods")


def database(root: Path) -> Path:
    audformat = pytest.importorskip("audformat")
    import pandas as pd

    base = audformat.Database("toy", "me", "other")
    base.schemes["emotion"] = audformat.Scheme(labels=["anger", "joy"])
    base.schemes["speaker"] = audformat.Scheme("str")
    base.schemes["valence"] = audformat.Scheme("float")
    for k, (part, kind) in enumerate((("train", "train"), ("devel", "dev"), ("test", "test"))):
        base.splits[part] = audformat.Split(kind)
        index = audformat.segmented_index([f"audio/{part}.wav"] * 2, ["0s", "1.5s"], ["1.5s", "3s"])
        made = base[f"emotion.{part}"] = audformat.Table(index, split_id=part)
        for column, values in (("emotion", ["joy", "anger"]), ("speaker", [f"s{k}"] * 2), ("valence", [0.5, -0.25])):
            made[column] = audformat.Column(scheme_id=column)
            made[column].set(pd.Series(values, index=index).to_numpy())
    base.save(str(root), storage_format="csv")
    return root


def test_an_audformat_database_becomes_the_same_columns(tmp_path: Path) -> None:
    data = table.read(database(tmp_path), media=False)
    assert len(data) == 6
    by_part = {p: data.index.take(rows) for p, rows in data.index.groups("split").items()}
    assert {p: sorted(set(i["subject"])) for p, i in by_part.items()} == {
        "train": ["s0"], "validation": ["s1"], "test": ["s2"],
    }  # fmt: skip
    train = by_part["train"]
    assert train["start_s"].tolist() == [0.0, 1.5]
    assert train["end_s"].tolist() == [1.5, 3.0]
    assert train.label("emotion").source == ("joy", "anger")
    assert train.label("valence").values.ravel().tolist() == [0.5, -0.25]
    with pytest.raises(InputError, match=r"no such file audio/\w+\.wav"):
        table.read(tmp_path)


def test_a_damaged_database_is_one_line(tmp_path: Path) -> None:
    database(tmp_path)
    (tmp_path / "db.yaml").write_text("name: [")
    with pytest.raises(InputError, match="cannot be read as an audformat database") as caught:
        table.read(tmp_path)
    assert "\n" not in str(caught.value)


def test_without_audformat_the_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "db.yaml", "name: toy\n")
    monkeypatch.setitem(sys.modules, "audformat", None)
    with pytest.raises(MissingExtra, match="needs the package audformat"):
        table.read(tmp_path)
