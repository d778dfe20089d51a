"""MATLAB files of both kinds as plain data; what is damaged or could run is one line."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moodal.core.errors import InputError
from moodal.lab.data import matlab
from moodal.lab.data.matlab_cells import Cells

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


def written(path: Path, version: str, held: dict[str, Any]) -> Path:
    if version == "7.3":
        return hdf5(path, held)
    path.write_bytes(matlab.write(held, compressed=version != "5 plain"))
    return path


@pytest.mark.parametrize("version", ["5", "5 plain", "7.3"])
def test_cells_one_after_another_are_those_of_the_whole(version: str, tmp_path: Path) -> None:
    eeg = {"stimuli": [np.arange(12.0).reshape(4, 3), np.ones((2, 3))]}
    people: list[Any] = [{"Age": "22", "EEG": eeg}, np.zeros((0, 0)), "Zoë", np.array([[1, -2]], np.int16)]
    people += [np.array([[1.5]], np.float32), np.arange(24.0).reshape(2, 3, 4), ""]
    held: dict[str, Any] = {"before": np.eye(2)}
    held["SET"] = {"rate": np.array([[128.0]]), "Data": people, "names": ["AF3", "Cz"]}
    path = written(tmp_path / "x.mat", version, held)
    cells = Cells(path, "SET", "Data")
    assert len(cells) == 7
    for _ in range(2):
        same(list(cells), matlab.load(path)["SET"]["Data"])
    same(cells.rest, {"rate": held["SET"]["rate"], "names": ["AF3", "Cz"]})
    wrong = [("set", "Data", "has no struct set"), ("before", "Data", "has no struct before")]
    wrong += [("SET", "data", "has no data"), ("SET", "rate", "its rate is no cell array")]
    for variable, field, line in wrong:
        with pytest.raises(InputError, match=line):
            Cells(path, variable, field)


def test_cells_of_a_machine_of_the_other_byte_order(tmp_path: Path) -> None:
    """A file of version 5 by hand, big-endian: struct S with the field D, a cell of two numbers."""

    def part(kind: int, data: bytes) -> bytes:
        return struct.pack(">II", kind, len(data)) + data + b"\0" * (-len(data) % 8)

    def array(made: int, shape: tuple[int, int], name: bytes, rest: bytes) -> bytes:
        return part(
            14, part(6, struct.pack(">II", made, 0)) + part(5, struct.pack(">ii", *shape)) + part(1, name) + rest
        )

    numbers = b"".join(array(6, (1, 1), b"", part(9, struct.pack(">d", x))) for x in (2.5, -1.0))
    fields = struct.pack(">HHI", 4, 5, 2) + part(1, b"D\0") + array(1, (1, 2), b"", numbers)
    path = tmp_path / "big.mat"
    path.write_bytes(b"MATLAB 5.0".ljust(124) + b"\x01\x00MI" + array(2, (1, 1), b"S", fields))
    assert [float(x[0, 0]) for x in matlab.load(path)["S"]["D"]] == [2.5, -1.0]
    assert [float(x[0, 0]) for x in Cells(path, "S", "D")] == [2.5, -1.0]


@pytest.mark.parametrize("version", ["5", "5 plain", "7.3"])
def test_damaged_cells_are_one_line(version: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    held = {"SET": {"Data": [{"x": rng.normal(size=(40, 3))} for _ in range(4)], "rate": np.ones((1, 1))}}
    whole = written(tmp_path / "x.mat", version, held).read_bytes()
    lines = []
    for k in range(60):
        damaged = bytearray(whole[: int(rng.integers(0, len(whole)))] if k % 2 else whole)
        for at in rng.integers(0, max(len(damaged), 1), 20 if k % 2 == 0 else 0):
            damaged[at] = rng.integers(256)
        (tmp_path / "x.mat").write_bytes(bytes(damaged))
        try:
            list(Cells(tmp_path / "x.mat", "SET", "Data"))
        except InputError as error:
            lines.append(str(error))
    assert lines
    assert not any("\n" in line for line in lines)


def test_a_cell_is_let_go_before_the_next_is_read(tmp_path: Path) -> None:
    path = written(tmp_path / "x.mat", "5", {"SET": {"Data": [np.full((200, 500), float(k)) for k in range(8)]}})
    cells = Cells(path, "SET", "Data")
    tracemalloc.start()
    assert [float(x[0, 0]) for x in cells] == list(range(8))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * 0.8e6  # of eight cells of 0.8 MB: one, its pieces, and what is unpacked ahead


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
