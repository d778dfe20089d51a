"""Real files of body signals, oracles, speed and memory."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import moodal
from moodal.core.errors import InputError, MissingExtra
from moodal.media.generated import e4
from moodal.media.generated_edf import edf, write


def whole(recording: moodal.Recording, name: str) -> tuple[np.ndarray, np.ndarray]:
    chunks = list(recording.chunks(name))
    return np.concatenate([c.times for c in chunks]), np.concatenate([c.samples for c in chunks])


@pytest.mark.parametrize(
    ("name", "length", "tags"),
    [
        ("body_stress_predict/S01_e4_original.zip", 3264.0, 10),
        ("body_stress_predict/S02_e4_original.zip", 3566.0, 9),
        ("fixtures_signals/e4_session_wearables.zip", 3371.0, 10),
    ],
)
def test_e4_sessions(data: Path, name: str, length: float, tags: int) -> None:
    recording = moodal.read(data / name)
    assert recording.warnings == []
    assert recording.duration_s == length
    assert [s.kind for s in recording.streams] == ["ppg", "eda", "temp", "acc", "ibi", "hr", "notes"]
    assert [s.rate_hz for s in recording.streams] == [64, 4, 4, 32, None, 1, None]
    assert recording.stream("hr").start_s == 10.0
    assert recording.stream("notes").info["cues"] == tags
    assert recording.basis == "utc"


def test_an_e4_session_agrees_with_the_published_arrays(data: Path) -> None:
    recording = moodal.read(data / "body_stress_predict/S01_e4_original.zip")
    with np.load(data / "body_stress_predict/stress_predict_shared.npz") as arrays:
        times, samples = whole(recording, "ibi")
        assert np.allclose(np.column_stack([times, samples]), arrays["S01_IBI"], atol=1e-3)
        for name, kind, scale, near in (
            ("BVP", "ppg", 0.2, 0.11),
            ("EDA", "eda", 0.001, 0.0006),
            ("TEMP", "temp", 0.01, 0.006),
        ):
            _, found = whole(recording, kind)
            stored = arrays[f"S01_{name}"] * scale
            assert np.abs(found[: len(stored), 0] - stored[: len(found)]).max() <= near
        _, acc = whole(recording, "acc")
        stored = arrays["S01_ACC"].T / 64
        assert np.array_equal(acc[: len(stored)], stored[: len(acc)])


def test_an_edf_agrees_with_pyedflib(data: Path, tmp_path: Path) -> None:
    pyedflib = pytest.importorskip("pyedflib")
    path = data / "body_eegmat/Subject31_1.edf"
    recording = moodal.read(path)
    assert recording.warnings == []
    _, eeg = whole(recording, "eeg")
    _, ecg = whole(recording, "ecg")
    with pyedflib.EdfReader(str(path)) as oracle:
        names = oracle.getSignalLabels()
        factor = {"uV": 1.0, "mV": 1e3}
        expected = [oracle.readSignal(k) * factor[oracle.getPhysicalDimension(k)] for k in range(len(names))]
    assert np.allclose(eeg, np.column_stack([v for n, v in zip(names, expected, strict=True) if n.startswith("EEG")]))
    assert np.allclose(ecg[:, 0], expected[names.index("ECG ECG")])
    for seed in (0, 1, 2, 4):  # what the generator writes is what the library reads
        truth = edf(tmp_path, seed)
        with pyedflib.EdfReader(str(truth.path)) as oracle:
            assert np.allclose(oracle.readSignal(0), truth.signals["eeg"].samples[:, 0], atol=1e-3)
            if truth.notes:
                onsets, _, texts = oracle.readAnnotations()
                assert list(zip(onsets, texts, strict=True)) == [(t, text) for t, _, text in truth.notes]


def test_the_other_fixtures(data: Path) -> None:
    home = data / "fixtures_signals"
    record = moodal.read(home / "a103l.hea")
    _, ecg = whole(record, "ecg")
    assert ecg.shape == (82500, 2)
    # Sums of the wfdb package 4.3.1, mV and its own units.
    assert ecg.sum(axis=0) / 1000 == pytest.approx([-1911.89443908, 67753.72956274], abs=1e-4)
    assert whole(record, "ppg")[1].sum() == pytest.approx(40565.02992817, abs=1e-4)
    assert record.stream("ecg").info["channels"] == ["II", "V"]
    sleep = moodal.read(home / "edf_annotations.edf")
    assert [s.kind for s in sleep.streams] == ["notes"]
    assert next(sleep.chunks("notes")).cues[0].text == "Sleep stage W"
    with pytest.raises(InputError, match="no channel of a kind that is read"):
        moodal.read(home / "generator.bdf")
    waves = moodal.read(home / "generator.bdf", unit=["sine 2.5Hz=eeg:uV", "pink noise=eeg:uV"])
    _, eeg = whole(waves, "eeg")
    spectrum = np.abs(np.fft.rfft(eeg[:, 0]))
    assert np.fft.rfftfreq(len(eeg), 1 / 500)[spectrum.argmax()] == pytest.approx(2.5, abs=0.05)


def test_xdf_fixtures(data: Path) -> None:
    pytest.importorskip("pyxdf")
    home = data / "fixtures_signals"
    minimal = moodal.read(home / "minimal.xdf")
    assert whole(minimal, "eeg")[1][0].tolist() == [192, 255, 238]
    assert minimal.joins[0].how == "clock offsets"
    assert minimal.joins[0].offset_s == pytest.approx(-0.1)
    resets = moodal.read(home / "clock_resets.xdf", unit="eeg=uV")
    times, samples = whole(resets, "eeg")
    assert samples.shape == (27815, 8)
    assert (np.diff(times) > 0).all()
    assert resets.stream("notes").info["cues"] == 175
    empty = moodal.read(home / "empty_streams.xdf")
    assert "nothing was recorded" in empty.warnings[0]


def test_without_pyxdf_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyxdf", None)
    (tmp_path / "a.xdf").write_bytes(b"XDF:")
    with pytest.raises(MissingExtra, match=r"pip install 'moodal\[signals\]'"):
        moodal.read(tmp_path / "a.xdf")


def day(home: Path, hours: float) -> Path:
    """A wristband's session at true rates."""
    home.mkdir()
    rng = np.random.default_rng(0)
    for name, rate, low, high, places in (("BVP", 64, -80, 80, 2), ("EDA", 4, 0.1, 3, 6), ("TEMP", 4, 31, 33, 2)):
        values = np.char.mod(f"%.{places}f", rng.uniform(low, high, round(3600 * rate)))
        (home / f"{name}.csv").write_text(f"1704706800.0\n{rate}.0\n" + ("\n".join(values) + "\n") * round(hours))
    rows = map(",".join, np.char.mod("%d", rng.integers(-60, 60, (3600 * 32, 3))))
    head = "1704706800.0, 1704706800.0, 1704706800.0\n32.0, 32.0, 32.0\n"
    (home / "ACC.csv").write_text(head + ("\n".join(rows) + "\n") * round(hours))
    return home


def test_a_day_of_a_wristband_streams_in_seconds(tmp_path: Path) -> None:
    path = day(tmp_path / "day", 24)
    began = time.process_time()
    recording = moodal.read(path)
    n = {s.name: sum(len(c.times) for c in recording.chunks(s.name)) for s in recording.streams}
    assert n == {"ppg": 86400 * 64, "eda": 86400 * 4, "temp": 86400 * 4, "acc": 86400 * 32}
    assert time.process_time() - began < 15  # 1.2 s on an idle core; a bound, not a benchmark


def longer(tmp_path: Path, kind: str, minutes: int) -> Path:
    n = 60 * minutes
    if kind == "e4":
        return e4(tmp_path, 0, seconds=float(n)).path
    if kind == "edf":
        values = np.sin(np.arange(128 * n) / 9) * 50
        write(tmp_path / f"{minutes}.edf", [("EEG Fp1", "uV", 128, (-100.0, 100.0), values)])
        return tmp_path / f"{minutes}.edf"
    path = tmp_path / f"{minutes}.csv"
    path.write_text("time_s,eda_uS,bvp\n" + "".join(f"{k / 64:.6f},{2 + k % 7 / 10},{k % 9}\n" for k in range(64 * n)))
    return path


@pytest.mark.parametrize("kind", ["table", "e4", "edf"])
def test_memory_does_not_grow_with_length(tmp_path: Path, kind: str) -> None:
    import pyarrow as pa

    peaks = []
    for minutes in (10, 60):
        path = longer(tmp_path, kind, minutes)
        before = pa.total_allocated_bytes()
        tracemalloc.start()
        recording = moodal.read(path)
        for stream in recording.streams:
            for _ in recording.chunks(stream.name):
                pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert pa.total_allocated_bytes() <= before + (1 << 20)
    # A block (1 MB of text) and its numbers may be held; 50 minutes more may not.
    assert peaks[1] < max(1.6 * peaks[0], 24 << 20)
