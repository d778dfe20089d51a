"""Bad input to every registered reader of body and brain signals: named in one line, or skipped with a reason.

A fault is made in the files of a twin by their type (`FAULTS`), not by data set, so that a new reader is tested by
being registered; a set that cannot have a fault is named below, so that no test stops testing without a word.
"""

from __future__ import annotations

import csv
import io
import json
import os
import pickle
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moodal.core import registry
from moodal.core.errors import InputError, MoodalError
from moodal.lab.data import pickles, sets
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.plausible import Plausible
from moodal.lab.data.twin import Truth

#: Sets whose examples are signals of body or brain; not APD, whose makers state no unit to check and whose form is that
#: of any folder of CSV files: its own tests are in ``test_sets_body_text.py``, and the laws of sets.
PHYSIO = tuple(
    n for n in registry.names("sets")
    if {"eeg", "ecg", "eda", "ppg", "wrist_eda"} & set(registry.load("sets", n).SPEC.modalities) and n != "apd"
)  # fmt: skip
#: Sets whose channels are told by place, or by names in a MATLAB struct: there is no name to write twice.
NAMELESS = {"stress-predict", "wesad", "ceap-360vr", "deap", "dreamer", "amigos", "seed", "seed-iv", "faced", "fbm",
            "ascertain"}  # fmt: skip
#: Sets that come in pickles or in NumPy's archives, which may hold some.
PICKLED = ("wesad", "deap", "seed-v", "faced")
#: Files smaller than this hold tables, texts and ratings, not samples.
LARGE = 20_000

_made: dict[str, Truth] = {}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    _made.clear()
    return tmp_path_factory.mktemp("physio")


def copied(home: Path, name: str, where: Path) -> tuple[Path, Truth]:
    root = home / name
    if name not in _made:
        root.mkdir()
        _made[name] = registry.load("sets", name).generate(root, seed=0)
    return Path(shutil.copytree(root, where / "copy")), _made[name]


def signal_files(root: Path, name: str) -> list[Path]:
    """The files that hold samples, one of each suffix and stem without digits, the largest first."""
    found: dict[str, Path] = {}
    for file in sorted(root.rglob("*"), key=lambda f: (-f.stat().st_size, str(f))):
        if file.is_file() and file.stat().st_size > LARGE and "raw" not in file.parts:
            found.setdefault("".join(c for c in file.name if not c.isdigit()), file)
    assert found, name
    return list(found.values())


def outcome(name: str, root: Path, truth: Truth, what: str) -> Dataset | str:
    """What is read, or the one line that refuses it; anything else fails."""
    try:
        return sets.read(name, root, **truth.settings)
    except MoodalError as error:
        line = str(error)
        assert "\n" not in line, what
        assert "Traceback" not in line, what
        assert len(line) < 2000, what
        return line


# -- faults by type of file


class Tables:
    """A table of numbers with a header line, or without one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        text = path.read_text()
        self.delimiter = "\t" if "\t" in text[:500] else ","
        self.rows = list(csv.reader(io.StringIO(text), delimiter=self.delimiter))

    def save(self) -> None:
        out = io.StringIO()
        csv.writer(out, delimiter=self.delimiter, lineterminator="\n").writerows(self.rows)
        self.path.write_text(out.getvalue())

    @property
    def head(self) -> bool:
        return any(c.strip()[:1].isalpha() for c in self.rows[0])

    def columns(self) -> list[int]:
        """Columns of samples: numbers that are no times, no ids."""
        if not self.head:
            return list(range(len(self.rows[-1])))
        skip = ("time", "stamp", "pid", "serial", "video", "trial", "id")
        return [k for k, n in enumerate(self.rows[0]) if not any(s in n.lower() for s in skip)]

    def change(self, columns: list[int], change: Callable[[float], float]) -> None:
        for row in self.rows[1 if self.head else 2 :]:
            for k in columns:
                if row[k].strip():
                    row[k] = repr(change(float(row[k])))

    def times(self) -> list[int]:
        return [k for k, n in enumerate(self.rows[0]) if "time" in n.lower()] if self.head else []


def edf_header(path: Path, change: Callable[[bytearray, int], None]) -> None:
    """The header of an EDF changed in place: ``change(header, number of signals)``."""
    data = bytearray(path.read_bytes())
    change(data, int(data[252:256]))
    path.write_bytes(bytes(data))


def field(head: bytearray, n: int, before: int, width: int, k: int, text: str) -> None:
    """Field of signal ``k`` that stands after fields of ``before`` bytes a signal."""
    at = 256 + n * before + k * width
    head[at : at + width] = text.encode().ljust(width)[:width]


def label(head: bytearray, n: int, k: int) -> str:
    return bytes(head[256 + 16 * k : 272 + 16 * k]).decode().strip()


def arrays_in(held: Any, key: str = "") -> Iterator[tuple[Any, Any, np.ndarray]]:
    """Container, key and array of every array of samples in nested dictionaries."""
    if isinstance(held, dict):
        for k, v in held.items():
            if isinstance(v, np.ndarray) and v.dtype.kind in "fiu" and v.size > 1000 and k != "label":
                yield held, k, v
            else:
                yield from arrays_in(v, str(k))
    elif isinstance(held, np.ndarray) and held.dtype == object:
        for i in np.ndindex(held.shape):
            if isinstance(held[i], np.ndarray) and held[i].dtype.kind in "fiu" and held[i].size > 1000:
                yield held, i, held[i]
            else:
                yield from arrays_in(held[i])
    elif isinstance(held, np.ndarray) and held.dtype.names:
        for i in np.ndindex(held.shape):
            for n in held.dtype.names:
                value = held[i][n]
                if isinstance(value, np.ndarray) and value.dtype.kind in "fiu" and value.size > 1000:
                    yield held[i], n, value
                else:
                    yield from arrays_in(value)


def held_in(path: Path) -> Any:
    if path.suffix in (".pkl", ".dat"):
        return pickles.load(path)
    from scipy.io import loadmat

    return {k: v for k, v in loadmat(path).items() if not k.startswith("__")}


def put(path: Path, held: Any) -> None:
    if path.suffix in (".pkl", ".dat"):
        path.write_bytes(pickle.dumps(held, protocol=2))
        return
    from scipy.io import savemat

    savemat(path, held)


def each_array(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> bool:
    held = held_in(path)
    top = {"": held} if isinstance(held, np.ndarray) else held
    found = list(arrays_in(top))
    for where, key, values in found:
        where[key] = change(values)
    put(path, top[""] if isinstance(held, np.ndarray) else held)
    return bool(found)


def longest(values: np.ndarray) -> int:
    return int(np.argmax(values.shape))


def cnt(path: Path, change: Callable[[bytearray, list[int]], None]) -> bool:
    """The header of a Neuroscan file changed in place: ``change(header, places of the channels' entries)``."""
    if path.suffix.lower() != ".cnt":
        return False
    data = bytearray(path.read_bytes())
    change(data, [900 + 75 * k for k in range(int.from_bytes(data[370:372], "little"))])
    path.write_bytes(bytes(data))
    return True


def cnt_label(data: bytearray, at: int, text: bytes) -> None:
    data[at : at + 10] = text.ljust(10, b"\0")[:10]


def cnt_scale(data: bytearray, entries: list[int]) -> None:
    for at in entries:
        (sensitivity,) = struct.unpack_from("<f", data, at + 59)
        struct.pack_into("<f", data, at + 59, 1e6 * sensitivity)


def cnt_rate(data: bytearray, _: list[int]) -> None:
    struct.pack_into("<H", data, 376, int.from_bytes(data[376:378], "little") // 4)


def scaled(path: Path) -> bool:
    """Samples a million times too large or small: volts for microvolts."""
    if cnt(path, cnt_scale):
        return True
    if path.suffix.lower() in (".edf", ".bdf"):

        def units(head: bytearray, n: int) -> None:
            for k in range(n):
                if "Annotations" not in label(head, n, k) and label(head, n, k) != "Status":
                    field(
                        head,
                        n,
                        96,
                        8,
                        k,
                        "mV" if bytes(head[256 + 96 * n + 8 * k :][:8]).strip() in (b"uV", b"") else "V",
                    )

        edf_header(path, units)
        return True
    if path.suffix.lower() in (".csv", ".txt"):
        table = Tables(path)
        table.change(table.columns(), lambda v: 1e6 * v)
        table.save()
        return True
    if path.suffix.lower() == ".json":
        text = json.loads(path.read_text())

        def walk(node: Any) -> None:
            if isinstance(node, dict):
                for k, v in node.items():
                    if isinstance(v, float) and k != "TimeStamp":
                        node[k] = 1e6 * v
                    else:
                        walk(v)
            elif isinstance(node, list):
                for v in node:
                    walk(v)

        walk(text)
        path.write_text(json.dumps(text))
        return True
    if path.suffix.lower() in (".pkl", ".dat", ".mat"):
        return each_array(path, lambda v: 1e6 * v.astype(float))
    return False


def slower(path: Path) -> bool:
    """The same samples, told or written as of another rate."""
    if cnt(path, cnt_rate):
        return True
    if path.suffix.lower() in (".edf", ".bdf"):

        def record(head: bytearray, n: int) -> None:
            head[244:252] = b"4       "

        edf_header(path, record)
        return True
    if path.suffix.lower() in (".csv", ".txt"):
        table = Tables(path)
        if times := table.times():
            first = float(table.rows[1][times[0]])
            table.change(times[:1], lambda v: first + 4 * (v - first))
        elif not table.head:
            table.rows[1] = [repr(float(c) / 4) for c in table.rows[1]]  # the second line of a wristband's file
        else:
            return False
        table.save()
        return True
    if path.suffix.lower() == ".json":
        held = json.loads(path.read_text())
        path.write_text(json.dumps(_slow(held)))
        return True
    if path.suffix.lower() in (".pkl", ".dat", ".mat"):
        return each_array(path, lambda v: np.take(v, range(0, v.shape[longest(v)], 4), axis=longest(v)))
    return False


def _slow(node: Any) -> Any:
    if isinstance(node, dict):
        return {k: 4 * v if k == "TimeStamp" else _slow(v) for k, v in node.items()}
    return [_slow(v) for v in node] if isinstance(node, list) else node


def missing(path: Path) -> bool:
    """A channel is not there."""
    if cnt(path, lambda data, at: cnt_label(data, at[1], b"nothing")):
        return True
    if path.suffix.lower() in (".edf", ".bdf"):
        edf_header(path, lambda head, n: field(head, n, 0, 16, 1, "nothing"))
        return True
    if path.suffix.lower() in (".csv", ".txt"):
        table = Tables(path)
        if table.head:
            table.rows[0][table.columns()[0]] = "nothing"
        elif len(table.rows[-1]) > 1:
            table.rows = [row[:-1] for row in table.rows]
        else:
            return False
        table.save()
        return True
    if path.suffix.lower() == ".json":
        path.write_text(path.read_text().replace('"EDA_RawData"', '"XDA_RawData"'))
        return True
    if path.suffix.lower() in (".pkl", ".dat", ".mat"):

        def fewer(values: np.ndarray) -> np.ndarray:
            axis = {1: 0, 2: 1 - longest(values)}.get(values.ndim, 1)
            return values if values.ndim < 2 or values.shape[axis] < 2 else np.delete(values, 0, axis)

        return each_array(path, fewer)
    return False


def doubled(path: Path) -> bool:
    """Two channels of one name."""
    if cnt(path, lambda data, at: cnt_label(data, at[1], bytes(data[at[0] : at[0] + 10]))):
        return True
    if path.suffix.lower() in (".edf", ".bdf"):
        edf_header(path, lambda head, n: field(head, n, 0, 16, 1, label(head, n, 0)))
        return True
    if path.suffix.lower() == ".csv":
        table = Tables(path)
        if not table.head or len(table.columns()) < 2:
            return False
        a, b = table.columns()[:2]
        table.rows[0][b] = table.rows[0][a]
        table.save()
        return True
    return False


FAULTS: dict[str, Callable[[Path], bool]] = {"unit": scaled, "rate": slower, "missing": missing, "names": doubled}
CASES = [(name, fault) for name in PHYSIO for fault in FAULTS if fault != "names" or name not in NAMELESS]


@pytest.mark.parametrize(("name", "fault"), CASES)
def test_a_fault_is_named_in_one_line(home: Path, name: str, fault: str, tmp_path: Path) -> None:
    root, truth = copied(home, name, tmp_path)
    made = [f for f in signal_files(root, name) if FAULTS[fault](f)]
    assert made, f"no file of {name} could be given the fault"
    told = outcome(name, root, truth, fault)
    usual = sets.read(name, home / name, **truth.settings).index.notices
    said = told if isinstance(told, str) else set(told.index.notices) - set(usual)
    assert said, f"{fault} in {made[0].name} was read without a word"


@pytest.mark.parametrize("name", PHYSIO)
def test_a_truncated_file_is_one_line_or_its_readable_part(home: Path, name: str, tmp_path: Path) -> None:
    root, truth = copied(home, name, tmp_path)
    for file in signal_files(root, name):
        whole = file.read_bytes()
        for share in (0.0, 0.001, 0.3, 0.97):
            file.write_bytes(whole[: int(share * len(whole))])
            told = outcome(name, root, truth, f"{file.name} cut to {share}")
            if isinstance(told, Dataset):
                assert len(told) <= len(truth.clips)
            else:
                assert root.name in told or name in told
        file.write_bytes(whole)


class Hostile:
    """Makes a folder where it is unpickled."""

    def __init__(self, where: Path) -> None:
        self.where = where

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.where),))


@pytest.mark.parametrize("name", PHYSIO)
def test_what_may_be_a_pickle_is_known(home: Path, name: str, tmp_path: Path) -> None:
    root, _ = copied(home, name, tmp_path)
    assert bool(pickled(root)) == (name in PICKLED)


def pickled(root: Path) -> list[Path]:
    return [f for f in root.rglob("*") if f.suffix in (".pkl", ".dat", ".npz")]


@pytest.mark.parametrize("name", PICKLED)
def test_a_hostile_pickle_runs_nothing(home: Path, name: str, tmp_path: Path) -> None:
    root, truth = copied(home, name, tmp_path)
    files = pickled(root)
    ran = tmp_path / "ran"
    for held in (Hostile(ran), {"data": Hostile(ran), "signal": Hostile(ran)}, np.array([Hostile(ran)], object)):
        for file in files:
            file.write_bytes(pickle.dumps(held, protocol=2))
        told = outcome(name, root, truth, "hostile")
        assert isinstance(told, str)
        assert not ran.exists()


@pytest.mark.parametrize("name", PHYSIO)
def test_a_label_out_of_range_is_refused_where_it_stands(home: Path, name: str, tmp_path: Path) -> None:
    root, truth = copied(home, name, tmp_path)
    named = truth.spoil(root)
    told = outcome(name, root, truth, "label")
    assert isinstance(told, str)
    assert named in told


# -- flat, saturated and empty channels


def wave(n: int, channels: int, size: float = 20.0) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.cumsum(rng.normal(size=(n, channels)), axis=0) * 0.1 + size * rng.normal(size=(n, channels))


@pytest.mark.parametrize(
    ("name", "suffix", "where"),
    [("eegmat", "_1.edf", "eeg"), ("wesad", ".pkl", "chest_ecg"), ("case", ".csv", "emg")],
)
@pytest.mark.parametrize("fault", ["flat", "saturated"])
def test_a_channel_without_a_signal_is_told_and_the_rest_is_read(
    home: Path, name: str, suffix: str, where: str, fault: str, tmp_path: Path
) -> None:
    root, truth = copied(home, name, tmp_path)
    file = next(f for f in signal_files(root, name) if f.name.endswith(suffix) and "annotations" not in f.parts)

    def bad(values: np.ndarray) -> np.ndarray:
        if fault == "flat":
            return np.full(len(values), values[0])
        middle = float(np.median(values))
        return np.clip(values, middle - 0.5 * values.std(), middle + 0.5 * values.std())

    if name == "eegmat":
        from moodal import media
        from moodal.media.generated_edf import write as write_edf

        recording = media.read(file)
        table = []
        for stream in recording.streams:
            if stream.kind in ("eeg", "ecg"):
                held = np.concatenate([c.samples for c in recording.chunks(stream.name)])
                for k, channel in enumerate(stream.info["channels"]):
                    values = bad(held[:, k]) if (stream.kind, k) == ("eeg", 2) else held[:, k]
                    name_of = "ECG ECG" if stream.kind == "ecg" else f"EEG {channel}"
                    table.append((name_of, "uV", 500, (-3000.0, 3000.0), values))
        write_edf(file, table)
    elif name == "wesad":
        held = pickles.load(file)
        held["signal"]["chest"]["ECG"] = bad(held["signal"]["chest"]["ECG"][:, 0])[:, None]
        file.write_bytes(pickles.write(held))
    else:
        rows = Tables(file)
        k = rows.rows[0].index("emg_coru")
        values = bad(np.array([float(r[k]) for r in rows.rows[1:]]))
        for r, v in zip(rows.rows[1:], values, strict=True):
            r[k] = repr(float(v))
        rows.save()
    told = outcome(name, root, truth, fault)
    assert isinstance(told, Dataset), told
    assert len(told) == len(truth.clips)
    kind = where.rpartition("_")[2]
    found = [n for n in told.index.notices if n.startswith(f"{kind} channel") and f"is {fault}" in n]
    assert len(found) == 1, told.index.notices


def test_people_without_trials_are_skipped_with_a_reason_or_named(home: Path, tmp_path: Path) -> None:
    # Nobody told labels of the first person of the twin.
    root, truth = copied(home, "stress-predict", tmp_path / "a")
    data = sets.read("stress-predict", root, **truth.settings)
    assert "S01" not in set(data.index["subject"])
    assert any(n.startswith("S01 has no labels") for n in data.index.notices)
    # A debate of which nothing was rated, and one in which the wristband was off.
    root, truth = copied(home, "k-emocon", tmp_path / "b")
    shutil.rmtree(root / "e4_data/32")
    shutil.rmtree(root / "neurosky_polar_data/32")
    data = sets.read("k-emocon", root, **truth.settings)
    assert set(data.index["subject"]) == {"P31"}
    assert any(n.startswith("P32 has no signals") for n in data.index.notices)
    # A label channel without a single state.
    root, truth = copied(home, "wesad", tmp_path / "c")
    held = pickles.load(root / "S10/S10.pkl")
    held["label"] = np.zeros_like(held["label"])
    (root / "S10/S10.pkl").write_bytes(pickles.write(held))
    told = outcome("wesad", root, truth, "no trials")
    assert "S10" in (told if isinstance(told, str) else " ".join(told.index.notices))


# -- checks by themselves


@pytest.mark.parametrize(
    ("change", "channels", "rate", "told"),
    [
        (lambda x: x * 1e-6, "ab", 100.0, "is it in V?"),
        (lambda x: x * 1e-3, "ab", 100.0, "is it in mV?"),
        (lambda x: x, "aA", 100.0, "two eeg channels are called 'A'"),
        (lambda x: x, "ab", 25.0, "At 100 Hz it would fit"),
        (lambda x: x[:700], "ab", 100.0, "lasts 7.0 s"),
        (lambda x: x * np.nan, "ab", 100.0, "holds no number"),
        (lambda x: x[:, :1], "ab", 100.0, "2 channels are named"),
        (lambda x: x, "ab", 0.0, "has the rate 0"),
    ],
)
def test_a_stretch_that_cannot_be_right_is_one_line(change: Any, channels: str, rate: float, told: str) -> None:
    with pytest.raises(InputError, match=told.replace("?", r"\?")):
        Plausible("x").stream("eeg", change(wave(1000, 2)), rate, list(channels), "here", expected_s=10.0)


def test_a_rate_that_its_makers_do_not_tell_is_refused_unless_accepted() -> None:
    told = ("eeg", wave(1000, 1), 128.0, ["a"], "here")
    with pytest.raises(InputError, match="at 128 Hz, its makers tell 500"):
        Plausible("x").stream(*told, published_hz=500.0)
    Plausible("x", accept=["rate"]).stream(*told, published_hz=500.0)


@pytest.mark.slow
@pytest.mark.skipif("MOODAL_DATA" not in os.environ, reason="MOODAL_DATA is not set")
@pytest.mark.parametrize("name", ["eegmat", "stress-predict"])
def test_real_data_pass_whole_and_in_another_unit_do_not(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All people, whole recordings: no check refuses them, and nothing is flat or saturated."""
    data = sets.read(name)
    assert len(set(data.index["subject"])) == {"eegmat": 32, "stress-predict": 25}[name]
    assert data.index.notices == ()
    module = registry.load("sets", name)
    if name == "eegmat":
        monkeypatch.setattr(module, "EEG_UV", 0.2e-6)
    else:
        monkeypatch.setattr(module, "_KEYS", {**module._KEYS, "eda": ("EDA", 1e-9)})
    with pytest.raises(InputError, match=r"is it in (V|S)"):
        sets.read(name)
