"""Laws of every registered reader: what was written comes back; damage is one error or the readable part."""

from __future__ import annotations

import shutil
import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moodal.core import registry
from moodal.core.errors import InputError
from moodal.core.recording import Recording
from moodal.core.stream import SIGNAL_KINDS, PictureChunk, SignalChunk, SoundChunk, WordsChunk
from moodal.media import read
from moodal.media.reader import Truth

READERS = registry.names("readers")
#: Seeds that reach every layout of every reader.
SEEDS = range(12)
CASES = [(name, seed) for name in READERS for seed in SEEDS]

_made: dict[tuple[str, int], Truth] = {}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    _made.clear()
    return tmp_path_factory.mktemp("readers")


def made(folder: Path, name: str, seed: int) -> Truth:
    if (name, seed) not in _made:
        home = folder / name
        home.mkdir(exist_ok=True)
        _made[name, seed] = registry.load("readers", name).SPEC.generate(home, seed)
    return _made[name, seed]


def everything(recording: Recording, cuts: tuple[float, ...] = ()) -> dict[str, list[tuple]]:
    """Every item of every stream with its place; what began before a section is told once."""
    found: dict[str, list[tuple]] = {}
    edges = [0.0, *cuts, recording.duration_s + 1]
    for stream in recording.streams:
        items: list[tuple] = []
        for start, end in pairwise(edges):
            for chunk in recording.chunks(stream.name, start=start, end=end):
                if isinstance(chunk, PictureChunk):
                    assert len(chunk.times) == len(chunk.ends) == len(chunk.frames) > 0
                    shown = zip(chunk.times.tolist(), chunk.ends.tolist(), chunk.frames, strict=True)
                    items += [(t, e, f.shape, f.tobytes()) for t, e, f in shown]
                elif isinstance(chunk, SoundChunk):
                    assert chunk.samples.dtype == np.float32
                    items += list(enumerate(chunk.samples.tolist(), chunk.start_sample))
                elif isinstance(chunk, SignalChunk):
                    assert 0 < len(chunk.times) == len(chunk.samples) <= 4096
                    assert chunk.times.dtype == chunk.samples.dtype == np.float64
                    assert chunk.rate_hz == stream.rate_hz
                    items += [(t, *row) for t, row in zip(chunk.times.tolist(), chunk.samples.tolist(), strict=True)]
                else:
                    assert isinstance(chunk, WordsChunk)
                    items += [c for c in chunk.cues if c not in items]
        found[stream.name] = items
    return found


@pytest.mark.parametrize(("name", "seed"), CASES)
def test_what_was_written_is_read(folder: Path, name: str, seed: int) -> None:
    truth = made(folder, name, seed)
    recording = read(truth.path)
    assert recording.warnings == []
    # A frame of sound or a picture is what a container may round its length to.
    assert recording.duration_s == pytest.approx(truth.duration_s, abs=max(truth.time_tolerance, 1e-6))
    kinds = {s.kind for s in recording.streams}
    wanted = {"picture": truth.frames, "sound": truth.sound, "words": truth.words, "notes": truth.notes or None}
    whole = {kind for kind, part in wanted.items() if part is not None}
    assert kinds == whole | {s.kind for s in truth.signals.values()}
    assert {s.name for s in recording.streams} == whole | set(truth.signals)
    exact = max(truth.time_tolerance, 1e-6)
    assert recording.epoch_s == (None if truth.epoch_s is None else pytest.approx(truth.epoch_s, abs=exact))
    for stream, signal in truth.signals.items():
        found = next(s for s in recording.streams if s.name == stream)
        assert (found.kind, found.info["unit"]) == (signal.kind, SIGNAL_KINDS[signal.kind])
        assert found.info["channels"] == list(signal.channels)
        assert found.rate_hz == (None if signal.rate_hz is None else pytest.approx(signal.rate_hz, rel=1e-3))
        chunks = list(recording.chunks(stream))
        assert np.concatenate([c.times for c in chunks]) == pytest.approx(signal.times, abs=truth.time_tolerance)
        samples = np.concatenate([c.samples for c in chunks])
        assert samples == pytest.approx(signal.samples, abs=signal.tolerance, nan_ok=True)
    if truth.notes:
        cues = [c for chunk in recording.chunks("notes") for c in chunk.cues]
        assert [c.text for c in cues] == [text for _, _, text in truth.notes]
        times = np.array([(c.start, c.end) for c in cues])
        assert times == pytest.approx(np.array([row[:2] for row in truth.notes]), abs=max(truth.time_tolerance, 1e-6))
    if truth.frames is not None and truth.times is not None:
        chunks = list(recording.chunks("picture"))
        times = np.concatenate([c.times for c in chunks])
        ends = np.concatenate([c.ends for c in chunks])
        frames = np.stack([f for c in chunks for f in c.frames])
        assert times == pytest.approx(truth.times, abs=truth.time_tolerance)
        assert np.array_equal(ends[:-1], times[1:])
        assert ends[-1] == pytest.approx(recording.stream("picture").end_s)
        assert frames.shape == truth.frames.shape
        wrong = np.abs(frames.astype(int) - truth.frames).mean(axis=(1, 2, 3))
        assert wrong.max() <= truth.pixel_tolerance
    if truth.sound is not None:
        chunks = list(recording.chunks("sound"))
        assert {c.rate_hz for c in chunks} == {16000}
        assert recording.stream("sound").rate_hz == 16000
        sound = np.concatenate([c.samples for c in chunks])
        assert chunks[0].start_sample == round(truth.sound_start * 16000)
        assert len(sound) == pytest.approx(len(truth.sound), abs=16)
        n = min(len(sound), len(truth.sound))
        wrong = np.sqrt(np.mean((sound[:n] - truth.sound[:n]) ** 2) / np.mean(truth.sound**2))
        assert wrong <= truth.sound_tolerance
    if truth.words is not None:
        cues = [c for chunk in recording.chunks("words") for c in chunk.cues]
        assert [(c.start, c.end, c.text) for c in cues] == list(truth.words)


@pytest.mark.parametrize(("name", "seed"), CASES)
def test_sections_make_the_whole(folder: Path, name: str, seed: int) -> None:
    recording = read(made(folder, name, seed).path)
    d = recording.duration_s
    whole = everything(recording)
    parts = everything(recording, (0.1 * d, 0.37 * d, 0.371 * d, 0.7 * d))
    for stream, items in whole.items():
        if stream != "sound":
            assert repr(parts[stream]) == repr(items)  # as text, for NaN equals nothing
            continue
        assert [k for k, _ in parts[stream]] == [k for k, _ in items]
        got, want = (np.array([v for _, v in rows]) for rows in (parts[stream], items))
        lossless = recording.stream("sound").info["codec"] in ("pcm_s16le", "pcm_f32le", "flac")
        # Codecs with a memory or with noise of their own settle to the same sound, not to the same bits.
        assert np.abs(got - want).max() <= (0 if lossless else 1e-3)


@pytest.mark.parametrize(("name", "seed"), CASES)
def test_reading_twice_gives_the_same_bytes(folder: Path, name: str, seed: int) -> None:
    path = made(folder, name, seed).path
    recording = read(path)
    first = everything(recording)
    assert repr(everything(recording)) == repr(first)
    assert repr(everything(read(path))) == repr(first)
    assert recording.sha256() == read(path).sha256()


@pytest.mark.parametrize(("name", "seed"), CASES)
def test_streams_keep_their_bounds_and_order(folder: Path, name: str, seed: int) -> None:
    recording = read(made(folder, name, seed).path)
    assert recording.duration_s == max(s.end_s for s in recording.streams)
    for stream in recording.streams:
        assert 0 <= stream.start_s < stream.end_s
        assert stream.rate_hz is None or stream.rate_hz > 0
    for items in (v for k, v in everything(recording).items() if k not in ("words", "notes")):
        places = [row[0] for row in items]
        assert all(a < b for a, b in pairwise(places))
        assert places[0] >= 0


def copied(path: Path, folder: Path, change: Callable[[bytes], bytes], which: int = 0) -> Path:
    """A copy of a recording with its bytes changed: of a folder, those of one file in it."""
    target = folder / f"changed{path.suffix}"
    if path.is_file() and path.suffix != ".hea":
        target.write_bytes(change(path.read_bytes()))
        return target
    # A folder, or a header whose samples lie beside it.
    home = path if path.is_dir() else path.parent
    target = folder / "changed-folder" / home.name
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(home, target)
    files = sorted(f for f in target.rglob("*") if f.is_file())
    file = files[which % len(files)]
    file.write_bytes(change(file.read_bytes()))
    return target if path.is_dir() else target / path.name


def readable_part(path: Path, longest: float) -> None:
    """Reads all there is; only `InputError` may come of it, and no time outside what was promised."""
    refused = None
    try:
        recording = read(path)
        everything(recording)
    except InputError as error:
        refused = str(error)
    if refused is None:
        assert 0 < recording.duration_s <= longest + 0.1
    else:
        assert "\n" not in refused
        assert str(path) in refused


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.sampled_from(SEEDS), share=st.floats(0, 0.999))
def test_a_cut_file_gives_its_readable_part_or_one_error(folder: Path, name: str, seed: int, share: float) -> None:
    truth = made(folder, name, seed)
    # Cut digits of a transcript's last stamp, of a table's first or of a stated rate may read as another time.
    longest = np.inf if name in ("transcript", "table", "e4", "muse", "session") else truth.duration_s
    readable_part(copied(truth.path, folder, lambda whole: whole[: int(share * len(whole))]), longest)


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.sampled_from(SEEDS), data=st.data())
def test_damaged_bytes_give_the_readable_part_or_one_error(
    folder: Path, name: str, seed: int, data: st.DataObject
) -> None:
    truth = made(folder, name, seed)

    def damaged(whole: bytes) -> bytes:
        broken = bytearray(whole)
        for _ in range(3):
            at = data.draw(st.integers(0, len(broken) - 1))
            junk = data.draw(st.binary(min_size=1, max_size=64))
            broken[at : at + len(junk)] = junk
        return bytes(broken)

    readable_part(copied(truth.path, folder, damaged, data.draw(st.integers(0, 7))), np.inf)


@pytest.mark.parametrize("name", [n for n in READERS if registry.load("readers", n).SPEC.extensions])
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_random_bytes_give_one_error_or_nothing_worse(folder: Path, name: str, data: st.DataObject) -> None:
    spec = registry.load("readers", name).SPEC
    head = data.draw(
        st.sampled_from(
            [
                b"",
                b"RIFF\x24\0\0\0WAVEfmt ",
                b"\x89PNG\r\n\x1a\n",
                b"ID3\3\0",
                b"\0\0\0\x18ftypmp42",
                b"XDF:\1\6\2\0",
                b"0       ",
                b"\xffBIOSEMI",
                b"PK\3\4",
                b"time_s,eda_uS\n",
                b"rec 1 250 99\nrec.dat 16 200/mV\n",
                b"[[file]]\n",
            ]
        )
    )
    path = folder / f"random{data.draw(st.sampled_from(spec.extensions))}"
    path.write_bytes(head + data.draw(st.binary(min_size=1, max_size=3000)))
    readable_part(path, np.inf)


def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    from moodal.media.samples import Layout, tones, write

    peaks = []
    for seconds in (20, 120):
        path = tmp_path / f"{seconds}.wav"
        write(path, Layout(".wav", sound="pcm_s16le", rate=48000), sound=tones(1, 48000, seconds))
        recording = read(path)
        tracemalloc.start()
        longest = max(len(c.samples) for c in recording.chunks("sound"))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert longest <= 16000
    assert peaks[1] < 1.1 * peaks[0] + 50_000


def test_every_reader_is_registered_and_says_what_it_reads() -> None:
    rooms = Path(__import__("moodal.media").media.__file__).parent
    with_spec = {f.stem for f in rooms.glob("*.py") if "\nSPEC = " in f.read_text(encoding="utf-8")}
    assert with_spec == set(registry.KINDS["readers"])
    for name in READERS:
        spec = registry.load("readers", name).SPEC
        assert spec.name == name
        assert spec.about
        assert all(e.startswith(".") and e == e.lower() for e in spec.extensions)
