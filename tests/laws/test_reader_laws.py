"""Laws of every registered reader.

Generate → read gives the same values and times; damaged or hostile bytes give one clear error or the
readable part; sections join to the whole; reading twice gives the same; memory does not grow.
"""

from __future__ import annotations

import tracemalloc
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import moodal
from moodal.core import registry
from moodal.core.errors import InputError
from moodal.core.recording import Recording
from moodal.core.stream import PictureChunk, SoundChunk, WordsChunk

READERS = registry.names("readers")
RELAXED = settings(
    max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@cache
def generated(name: str, seed: int = 0) -> tuple[Path, dict[str, Any]]:
    spec = registry.load("readers", name).SPEC
    folder = Path(mkdtemp(prefix="reader-law-"))
    facts = spec.generate(folder / "raw", seed)
    path = (folder / "raw").rename(folder / f"made{facts['suffix']}")
    return path, facts


def content(recording: Recording, start: float = 0.0, end: float | None = None) -> dict[str, Any]:
    """Everything a recording gives, joined: stream → (times or first samples, values)."""
    found: dict[str, Any] = {}
    for stream in recording.streams:
        times: list[float] = []
        values: list[Any] = []
        for chunk in recording.chunks(stream.name, start=start, end=end):
            if isinstance(chunk, SoundChunk):
                times += ((chunk.start_sample + np.arange(len(chunk.samples))) / chunk.rate_hz).tolist()
                values += chunk.samples.tolist()
            elif isinstance(chunk, PictureChunk):
                times += chunk.times.tolist()
                values += list(chunk.frames)
            else:
                assert isinstance(chunk, WordsChunk)
                times += [c.start for c in chunk.cues]
                values += [(c.start, c.end, c.text) for c in chunk.cues]
        found[stream.kind] = (np.array(times), values)
    return found


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("seed", [0, 1])
def test_generated_and_read_are_the_same(name: str, seed: int) -> None:
    path, facts = generated(name, seed)
    recording = moodal.read(path)
    assert recording.duration_s == pytest.approx(facts["duration_s"], abs=1e-3)
    told = content(recording)
    if "sound" in facts:
        times, values = told["sound"]
        assert np.allclose(values, facts["sound"], atol=facts["tolerance"])
        assert times[0] == 0
    if "picture" in facts:
        times, values = told["picture"]
        assert times.tolist() == facts["times"]
        assert all(np.array_equal(a, b) for a, b in zip(values, facts["picture"], strict=True))
    if "words" in facts:
        assert [(pytest.approx(a), pytest.approx(b), t) for a, b, t in facts["words"]] == told["words"][1]
    for stream in recording.streams:
        assert 0 <= stream.start_s <= stream.end_s <= recording.duration_s + 1e-6


@pytest.mark.parametrize("name", READERS)
def test_reading_twice_and_in_sections_gives_the_same(name: str) -> None:
    path, _ = generated(name)
    recording = moodal.read(path)
    once, twice = content(recording), content(recording)
    half = recording.duration_s / 2
    for kind, (times, values) in once.items():
        assert np.array_equal(times, twice[kind][0])
        assert all(np.array_equal(a, b) for a, b in zip(values, twice[kind][1], strict=True))
        if kind == "words":
            continue
        first, second = content(recording, 0, half)[kind], content(recording, half)[kind]
        assert np.array_equal(np.concatenate([first[0], second[0]]), times)
        joined = [*first[1], *second[1]]
        assert all(np.allclose(a, b, atol=1e-4) for a, b in zip(joined, values, strict=True))


def survives(path: Path) -> None:
    """One `InputError` of one line, or a recording that can be read to its end."""
    said = ""
    try:
        content(moodal.read(path))
    except InputError as error:
        said = str(error)
    assert not said or (path.name in said and "\n" not in said)


@pytest.mark.parametrize("name", READERS)
@RELAXED
@given(share=st.floats(0, 1))
def test_truncated(name: str, share: float, tmp_path: Path) -> None:
    path, _ = generated(name)
    data = path.read_bytes()
    cut = tmp_path / f"cut{path.suffix}"
    cut.write_bytes(data[: int(share * len(data))])
    survives(cut)


@pytest.mark.parametrize("name", READERS)
@RELAXED
@given(noise=st.binary(min_size=0, max_size=400), at=st.floats(0, 1))
def test_hostile_bytes(name: str, noise: bytes, at: float, tmp_path: Path) -> None:
    path, _ = generated(name)
    data = path.read_bytes()
    place = int(at * len(data))
    for content_ in (noise, data[:place] + noise + data[place:]):
        bad = tmp_path / f"bad{path.suffix}"
        bad.write_bytes(content_)
        survives(bad)


@RELAXED
@given(text=st.text(max_size=300), suffix=st.sampled_from([".srt", ".vtt", ".json", ".txt"]))
def test_any_text_is_a_transcript_or_one_clear_line(text: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"any{suffix}"
    path.write_bytes(text.encode("utf-8", errors="surrogatepass"))
    survives(path)


@pytest.mark.parametrize("name", READERS)
def test_what_is_gone_says_so(name: str, tmp_path: Path) -> None:
    path, _ = generated(name)
    copy = tmp_path / path.name
    copy.write_bytes(path.read_bytes())
    recording = moodal.read(copy)
    copy.unlink()
    with pytest.raises(InputError, match=r"made.*(no longer|vanished|can no longer)"):
        recording.sha256()
    if name == "av":
        with pytest.raises(InputError, match="no longer there"):
            next(iter(recording.chunks("sound")))


def test_memory_is_flat_in_length(tmp_path: Path) -> None:
    import recordings as made

    peaks = []
    for seconds in (20, 200):
        path = made.write_wav(tmp_path / f"{seconds}.wav", made.noise(seconds))
        tracemalloc.start()
        for _ in moodal.read(path).chunks("sound"):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0] + 200_000
