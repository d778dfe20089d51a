"""MATLAB files of both kinds as plain data; what is damaged or could run is one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moodal.core.errors import InputError
from moodal.lab.data import matlab

HELD: dict[str, Any] = {
    "data": np.arange(24.0).reshape(2, 3, 4),
    "labels": np.array([[1, 2, 3]], np.int16),
    "name": "Zoë",
    "cells": [np.ones((3, 2)), np.zeros((0, 0)), ["a", "bc"]],
    "struct": {"rate": np.array([[128.0]]), "who": "s01", "inner": {"x": [np.eye(2)]}},
}


def hdf5(path: Path, held: dict[str, Any]) -> Path:
    """The same as version 7.3 lays it out."""
    import h5py

    with h5py.File(path, "w", userblock_size=512) as file:
        refs = file.create_group("#refs#")

        def put(group: Any, name: str, value: Any) -> Any:
            if isinstance(value, dict):
                node = group.create_group(name)
                node.attrs["MATLAB_class"] = np.bytes_("struct")
                for k, v in value.items():
                    put(node, k, v)
                return node
            if isinstance(value, list):
                cells = [put(refs, f"{name}.{i}", v).ref for i, v in enumerate(value)]
                node = group.create_dataset(name, (len(cells), 1), dtype=h5py.ref_dtype)
                for i, ref in enumerate(cells):
                    node[i, 0] = ref
                node.attrs["MATLAB_class"] = np.bytes_("cell")
                return node
            if isinstance(value, str):
                node = group.create_dataset(name, data=np.array([[ord(c)] for c in value], np.uint16))
                node.attrs["MATLAB_class"] = np.bytes_("char")
                return node
            if not value.size:
                node = group.create_dataset(name, data=np.array(value.shape, np.uint64))
                node.attrs["MATLAB_empty"] = np.uint8(1)
                node.attrs["MATLAB_class"] = np.bytes_("double")
                return node
            node = group.create_dataset(name, data=value.T)
            node.attrs["MATLAB_class"] = np.bytes_("double")
            return node

        for k, v in held.items():
            put(file, k, v)
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(128))
    return path


def same(a: Any, b: Any) -> None:
    if isinstance(b, dict):
        assert sorted(a) == sorted(b)
        for k in b:
            same(a[k], b[k])
    elif isinstance(b, list):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    elif isinstance(b, str):
        assert a == b
    else:
        assert a.shape == b.shape
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("version", ["5", "7.3"])
def test_both_versions_give_the_same(version: str, tmp_path: Path) -> None:
    path = tmp_path / "x.mat"
    path.write_bytes(matlab.write(HELD)) if version == "5" else hdf5(path, HELD)
    same(matlab.load(path), HELD)
    assert list(matlab.load(path, "name")) == ["name"]
    assert matlab.number(matlab.need(matlab.load(path), "struct", "rate", where=path), "rate", path) == 128


def test_a_file_is_written_the_same_each_time() -> None:
    assert matlab.write(HELD) == matlab.write(HELD)


@pytest.mark.parametrize("version", ["5", "7.3"])
def test_what_is_damaged_is_one_line(version: str, tmp_path: Path) -> None:
    path = tmp_path / "x.mat"
    path.write_bytes(matlab.write(HELD)) if version == "5" else hdf5(path, HELD)
    whole = path.read_bytes()
    rng = np.random.default_rng(3)
    lines = []
    for k in range(40):
        damaged = bytearray(whole[: int(rng.integers(0, len(whole)))] if k % 2 else whole)
        for at in rng.integers(0, max(len(damaged), 1), 20 if k % 2 == 0 else 0):
            damaged[at] = rng.integers(256)
        path.write_bytes(bytes(damaged))
        try:
            matlab.load(path)
        except InputError as error:
            lines.append(str(error))
    assert lines
    assert not any("\n" in line for line in lines)
    path.write_bytes(b"")
    with pytest.raises(InputError, match="cannot be read as a MATLAB file"):
        matlab.load(path)


def test_what_is_not_there_or_no_number_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.mat"
    path.write_bytes(matlab.write(HELD))
    held = matlab.load(path)
    with pytest.raises(InputError, match=r"has no struct\.rates"):
        matlab.need(held, "struct", "rates", where=path)
    with pytest.raises(InputError, match="its name is no array of numbers"):
        matlab.numbers(held["name"], "name", path)
    with pytest.raises(InputError, match=r"its data has the shape \(2, 3, 4\)"):
        matlab.numbers(held["data"], "data", path, 2)
    with pytest.raises(InputError, match=r"cannot be read as a MATLAB file \(.*No such file"):
        matlab.load(tmp_path / "none.mat")
