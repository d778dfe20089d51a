"""Every parser of signals fed with what nobody should write: one line of `InputError`, or a readable part."""

from __future__ import annotations

import contextlib
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import moodal
from moodal.core.errors import MoodalError
from moodal.core.stream import SignalChunk
from moodal.media.generated_xdf import chunk
from moodal.media.join import parsed
from moodal.media.stamps import is_time
from moodal.media.units import SIGNAL_KINDS, Units, label, unit_of  # type: ignore[attr-defined]

bounded = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def readable(path: Path, **options: object) -> None:
    """Read all of it: rising times, finite shapes; or one line."""
    try:
        recording = moodal.read(path, **options)  # type: ignore[arg-type]
        assert 0 < recording.duration_s <= 62 * 86_400
        for stream in recording.streams:
            last = -np.inf
            for part in recording.chunks(stream.name):
                if isinstance(part, SignalChunk):
                    assert part.samples.shape == (len(part.times), len(stream.info["channels"]))
                    assert np.isfinite(part.times).all()
                    assert part.times[0] > last
                    assert (np.diff(part.times) > 0).all()
                    last = part.times[-1]
    except MoodalError as error:
        said = str(error)
    else:
        said = ""
    assert "\n" not in said
    assert len(said) < 2000


signal_line = st.from_regex(
    r"a\.dat [0-9]{1,3}(x[0-9])?(\+[0-9]{1,3})? [0-9.]{1,4}(\([0-9]{1,3}\))?/mV 16 0 0 0 0 (II|V|PLETH)", fullmatch=True
)
file_table = st.from_regex(r'\[\[file\]\]\npath = "[a.\\/c-z]{0,8}"\noffset_s = [-0-9e.]{1,6}\n', fullmatch=True)
record_line = st.sampled_from(
    ["a 1 250 10", "a 2 250", "a 1", "a/2 1 250", "a 1 nan", "a 3 1e9 99999999", "a 1 360 5 1:2:3 1/1/2020"]
)
cell = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True).map(repr),
    st.integers(-(10**12), 10**12).map(str),
    st.sampled_from(
        ["", "NaN", "1,5", "2024-01-08T09:40:00Z", "2024-13-40 99:99", "1e999", '"', '"a""b"', "\u2028", "é", "x"]
    ),
    st.text(max_size=8),
)
names = st.sampled_from(
    ["time", "time_s", "timestamp [ms]", "unix", "date", "eda_uS", "gsr", "BVP", "hr_bpm", "RR_ms", "acc_x [g]",
     "acc_y", "EEG Fp1 (uV)", "Fp1", "Fp2", "marker", "temp [°F]", "value", "", "x"]
)  # fmt: skip


@bounded
@given(
    head=st.lists(names, min_size=1, max_size=6),
    body=st.lists(st.lists(cell, max_size=7), max_size=12),
    mark=st.sampled_from([",", ";", "\t", "|"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    comment=st.sampled_from(["", "# rate_hz: 4\n", "# rate: nan\n", "sep=;\n", "#\n\n"]),
)
def test_tables(
    folder: Path, head: list[str], body: list[list[str]], mark: str, encoding: str, end: str, comment: str
) -> None:
    text = comment + end.join(mark.join(row) for row in [head, *body])
    path = folder / "a.csv"
    path.write_bytes(text.encode(encoding, errors="replace"))
    readable(path)
    readable(path, unit={"rate": "8"})


@bounded
@given(
    values=st.lists(st.floats(width=32), min_size=3, max_size=60),
    steps=st.lists(st.floats(-2, 2), min_size=3, max_size=60),
    field=st.sampled_from(["eda_uS", "hr_bpm", "ibi_s", "ppg", "ecg_mV", "temp_C"]),
)
def test_tables_of_numbers(folder: Path, values: list[float], steps: list[float], field: str) -> None:
    times = np.cumsum(steps)
    rows = (f"{t!r},{v!r}" for t, v in zip(times.tolist(), values, strict=False))
    path = folder / "b.csv"
    path.write_text("\n".join([f"time_s,{field}", *rows]))
    readable(path)


@bounded
@given(
    member=st.sampled_from(["BVP", "EDA", "ACC", "TEMP", "IBI", "HR"]),
    start=cell, rate=cell, body=st.lists(cell, max_size=20), tags=st.lists(cell, max_size=5), packed=st.booleans(),
)  # fmt: skip
def test_e4(folder: Path, member: str, start: str, rate: str, body: list[str], tags: list[str], packed: bool) -> None:
    good = "1704706800.0\n4.0\n" + "1.5\n" * 20
    parts = {
        member: "\n".join([start, rate, *body]),
        "EDA" if member != "EDA" else "TEMP": good,
        "tags": "\n".join(tags),
    }
    if packed:
        path = folder / "a.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in parts.items():
                archive.writestr(f"{name}.csv", text.encode("utf-8", errors="replace"))
        readable(path)
        return
    home = folder / "session"
    home.mkdir(exist_ok=True)
    for old in home.iterdir():
        old.unlink()
    for name, text in parts.items():
        (home / f"{name}.csv").write_bytes(text.encode("utf-8", errors="replace"))
    readable(home)


@bounded
@given(data=st.data())
def test_edf_headers(folder: Path, data: st.DataObject) -> None:
    from moodal.media.generated_edf import edf

    home = folder / "edf"
    home.mkdir(exist_ok=True)
    path = home / "recording-3.edf"
    whole = bytearray((path if path.exists() else edf(home, 3).path).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, 256 * 5))
        junk = data.draw(
            st.one_of(st.binary(min_size=1, max_size=8), st.sampled_from([b"-1      ", b"1e300   ", b"0       "]))
        )
        whole[at : at + len(junk)] = junk
    changed = folder / "a.edf"
    changed.write_bytes(whole)
    readable(changed)


@bounded
@given(
    parts=st.lists(
        st.tuples(st.integers(0, 9), st.one_of(st.binary(max_size=60), st.just(b"\1\0\0\0\4\xff\xff\xff\x7f"))),
        max_size=6,
    ),
    tail=st.binary(max_size=20),
)
def test_xdf_chunks(folder: Path, parts: list[tuple[int, bytes]], tail: bytes) -> None:
    pytest.importorskip("pyxdf")
    path = folder / "a.xdf"
    path.write_bytes(b"XDF:" + b"".join(chunk(tag, body) for tag, body in parts) + tail)
    readable(path)


@bounded
@given(
    lines=st.lists(st.one_of(st.text(max_size=30), signal_line), max_size=5),
    first=record_line,
    samples=st.binary(max_size=200),
)  # fmt: skip
def test_wfdb_headers(folder: Path, lines: list[str], first: str, samples: bytes) -> None:
    (folder / "a.dat").write_bytes(samples)
    path = folder / "a.hea"
    path.write_text("\n".join([first, *lines]), encoding="utf-8", errors="replace")
    readable(path)


@bounded
@given(text=st.one_of(st.text(max_size=120), file_table))
def test_recording_toml(folder: Path, text: str) -> None:
    home = folder / "toml"
    home.mkdir(exist_ok=True)
    (home / "c.csv").write_text("time_s,eda_uS\n0,1\n1,2\n2,1\n")
    (home / "recording.toml").write_text(text, encoding="utf-8", errors="replace")
    readable(home)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(text=st.text(max_size=40), kind=st.sampled_from(sorted(SIGNAL_KINDS)))
def test_small_parsers(text: str, kind: str) -> None:
    found = label(text, sites=True, leads=True)
    assert found is None or found.kind in {*SIGNAL_KINDS, "notes"}
    unit = unit_of(kind, text)
    assert unit is None or np.isfinite(unit.factor)
    assert isinstance(is_time(text), bool)
    offset = parsed("a@" + text.replace("/", ""))[1] if "\0" not in text else None
    assert offset is None or np.isfinite(offset)
    with contextlib.suppress(MoodalError):
        Units.parse([text])
