"""Speech to text: what is heard on real sound, what is not believed, and how sound is cut for it."""

from __future__ import annotations

import csv
import io
import tarfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import recordings as made
from moodal.core.clock import Span
from moodal.core.errors import ModelError
from moodal.core.extractor import MeasureContext
from moodal.core.stream import SoundChunk
from moodal.core.track import Piece, TrackSet
from moodal.extract.words import SPEC
from moodal.extract.words.gate import first_sayings, surprise, why_not
from moodal.extract.words.recogniser import Heard, Recogniser
from moodal.extract.words.sentences import Word
from moodal.extract.words.sound import Block, Blocks
from moodal.extract.words.speech import FromSpeech
from moodal.extract.words.windows import LONGEST_S, PAUSE_S, RATE, WAIT_S, Packer, Window

TRANSCRIPT, EMOTION = "words.transcript", "words.emotion"


@pytest.fixture(scope="module")
def whisper(models: None) -> None:
    """Skips where speech to text cannot run."""
    from moodal import weights

    pytest.importorskip("faster_whisper")
    try:
        weights.path("whisper-tiny.en")
    except ModelError as error:
        pytest.skip(f"models are not installed: {error}")


def run(samples: np.ndarray, cut_s: float = 1.0, **options: object) -> dict[str, TrackSet]:
    end, step = len(samples) / RATE, round(cut_s * RATE)
    extractor = SPEC.make(MeasureContext(Span(0.0, end), options={"reads": "sound", **options}))
    pieces: list[Piece] = []
    for first in range(0, len(samples), step):
        pieces += extractor.push(SoundChunk("sound", first, samples[first : first + step].astype(np.float32), RATE))
    pieces += extractor.close()
    return {t.name: TrackSet.from_pieces(t, [p for p in pieces if p.track == t.name]) for t in SPEC.tracks}


@cache
def reading() -> np.ndarray:
    """32 s: silence, the demo's reading, a pause that parts two windows, more of it."""
    talk = made.speech(26)
    return np.concatenate([made.silence(0.5), talk[: 12 * RATE], made.silence(WAIT_S + 1.5), talk[12 * RATE :]])


@cache
def heard_whole() -> dict[str, TrackSet]:
    return run(reading(), 1e4)


@pytest.mark.usefixtures("whisper")
def test_a_reading_is_heard_where_it_was_read() -> None:
    tracks = heard_whole()
    said = " ".join(tracks[TRANSCRIPT].only.texts or ()).lower()
    assert said.startswith("it was the best of times, it was the worst of times.")
    assert "wisdom" in said
    assert "foolishness" in said
    assert tracks[TRANSCRIPT].subjects == tracks[EMOTION].subjects == ("voice",)
    words, emotion = tracks[TRANSCRIPT].only, tracks[EMOTION].only
    assert (words.ends > words.times).all()
    assert (words.times[1:] >= words.ends[:-1] - 1e-9).all()
    assert words.ends[-1] <= len(reading()) / RATE
    pause = Span(12.5 + 0.5, 12.5 + WAIT_S + 1.0)
    assert not ((words.times < pause.end) & (words.ends > pause.start)).any(), "nothing was said in the pause"
    for track in (words, emotion):
        assert "silence" in {g.reason for g in track.gaps if g.start < pause.end and g.end > pause.start}
    assert emotion.texts is not None
    assert emotion.texts[0].endswith(".")
    assert set(" ".join(emotion.texts).split()) <= set(words.texts or ())


@pytest.mark.usefixtures("whisper")
@pytest.mark.parametrize("cut_s", [0.013, 0.9, 7.3])
def test_chunked_is_whole(cut_s: float) -> None:
    for name, one in run(reading(), cut_s).items():
        a, b = one.only, heard_whole()[name].only
        assert np.array_equal(a.times, b.times)
        assert np.array_equal(a.values, b.values, equal_nan=True)
        assert np.array_equal(a.quality, b.quality)
        assert a.texts == b.texts
        assert a.gaps == b.gaps


@pytest.mark.usefixtures("whisper")
def test_another_language_by_option_withholds_all_speech_of_an_english_model() -> None:
    tracks = run(made.speech(6), language="pl")
    for one in tracks.values():
        assert len(one.only) == 0
        assert "language" in {g.reason for g in one.only.gaps}


def decode(data: bytes) -> np.ndarray:
    import av

    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    with av.open(io.BytesIO(data)) as container:
        frames = [f for frame in container.decode(audio=0) for f in resampler.resample(frame)]
    return np.concatenate([f.to_ndarray()[0] for f in [*frames, *resampler.resample(None)]])


def some_clips(folder: Path, n: int) -> Iterator[tuple[str, np.ndarray]]:
    """Clips spread over the whole set: every speaker's turn comes."""
    with (folder / "index.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    with tarfile.open(folder / "clips.tar") as tar:
        for i in np.linspace(0, len(rows) - 1, n).round().astype(int):
            member = tar.extractfile(rows[i]["clip"])
            assert member is not None
            yield rows[i]["clip"], decode(member.read())


@pytest.mark.usefixtures("whisper")
def test_english_clips_are_told(data: Path) -> None:
    """`tools/words_gate.py` counts on many more: about one in fifteen is not told."""
    told = {name: len(run(clip)[EMOTION].only) > 0 for name, clip in some_clips(data / "speech_ravdess", 6)}
    assert sum(told.values()) >= 5, told


@pytest.mark.usefixtures("whisper")
@pytest.mark.parametrize("language", ["speech_nemo", "speech_emodb"])
def test_polish_and_german_clips_are_withheld(data: Path, language: str) -> None:
    for name, clip in some_clips(data / language, 4):
        tracks = run(clip)
        for one in tracks.values():
            assert len(one.only) == 0, (name, one.only.texts)
            assert {g.reason for g in one.only.gaps} & {"language", "no_words"}, name


def words(text: str, probability: float = 0.9) -> tuple[Word, ...]:
    return tuple(Word(0.3 * i, 0.3 * i + 0.2, part, probability) for i, part in enumerate(text.split()))


def test_the_gate_takes_sure_words_and_names_why_not_the_others() -> None:
    assert why_not(Heard(words("I am here"), "en", 0.9)) is None
    assert why_not(Heard(words("Yes mom the ski", 0.3), "en", 0.1)) == "language"
    assert why_not(Heard(words("Yes mom the ski", 0.3), "en", 0.8)) == "no_words"
    assert why_not(Heard((), "en", 0.1)) == "no_words"
    assert why_not(Heard(words("... - 5"), "en", 0.1)) == "no_words"
    assert surprise(()) == float("-inf")


def test_a_loop_does_not_vouch_for_itself() -> None:
    doubtful, sure = words("and so it goes", 0.3), words("and so it goes " * 20, 0.99)
    loop = (*doubtful, *sure)
    assert len(first_sayings(loop)) < 10
    assert surprise(loop) < surprise(sure) - 0.4
    assert why_not(Heard(loop, "en", 0.0)) == "language"


class Fake(Recogniser):
    """A recogniser that hears what it is told to."""

    def __init__(self, *ends: float) -> None:
        self.asked = 0
        self._language = "en"
        self._ends = ends
        self.__dict__["_model"] = SimpleNamespace(transcribe=self._transcribe)

    def _transcribe(self, samples: np.ndarray, **_: object) -> tuple[Iterator[SimpleNamespace], SimpleNamespace]:
        def segments() -> Iterator[SimpleNamespace]:
            for end in self._ends:
                self.asked += 1
                said = SimpleNamespace(word=" so", start=end - 0.4, end=end, probability=0.9)
                yield SimpleNamespace(words=[said], no_speech_prob=0.1)

        return segments(), SimpleNamespace(language="en")


def test_what_follows_the_last_word_is_not_read_again() -> None:
    window = Window(np.zeros(5 * RATE, np.float32), ((0, 2 * RATE, 5 * RATE),))
    recogniser = Fake(1.5, 4.0, 4.7, 4.9)
    heard = recogniser.hear(window)
    assert recogniser.asked == 3
    assert [w.start for w in heard.words] == pytest.approx([3.1, 5.6, 6.3])


def test_a_model_that_does_not_load_costs_the_words_alone() -> None:
    class Broken(Recogniser):
        def __init__(self) -> None: ...
        def hear(self, window: Window) -> Heard:
            raise ModelError("cannot be loaded", where="whisper")

    room = FromSpeech(MeasureContext(Span(0.0, 8.0)), Broken(), Marked([(RATE, 2 * RATE)]))
    sound = made.noise(8).astype(np.float32)
    pieces = [*room.push(SoundChunk("sound", 0, sound, RATE)), *room.close()]
    assert all(len(p.times) == 0 for p in pieces)
    assert {(g.start, g.end) for p in pieces for g in p.gaps if g.reason == "no_model"} == {(1.0, 2.0)}


class Marked:
    """A detector that knows beforehand where speech is."""

    def __init__(self, stretches: list[tuple[int, int]]) -> None:
        self._left = stretches
        self.position = 0

    @property
    def open_since(self) -> int | None:
        begun = [a for a, _ in self._left if a < self.position]
        return begun[0] if begun else None

    def push(self, samples: np.ndarray, start_sample: int) -> list[tuple[int, int]]:
        self.position = start_sample + len(samples)
        ended = [s for s in self._left if s[1] <= self.position]
        self._left = [s for s in self._left if s[1] > self.position]
        return ended

    def close(self) -> list[tuple[int, int]]:
        ended = [(a, min(b, self.position)) for a, b in self._left if a < self.position]
        self._left = []
        return ended


def packed(stretches: list[tuple[float, float]], length_s: float, step_s: float = 1.0) -> list[Window]:
    """Windows of a sound whose samples are their own numbers, in thousands of seconds."""
    packer = Packer(Marked([(round(a * RATE), round(b * RATE)) for a, b in stretches]))
    sound = (np.arange(round(length_s * RATE)) / RATE / 1000).astype(np.float32)
    step = round(step_s * RATE)
    found = [w for i in range(0, len(sound), step) for w in packer.push(sound[i : i + step], i)]
    return found + packer.close()


def test_neighbours_share_a_window_and_long_pauses_are_shortened() -> None:
    (window,) = packed([(1, 3), (3.5, 5), (7, 8)], 10)
    assert len(window.samples) == round((2 + 0.5 + 1.5 + PAUSE_S + 1) * RATE)
    for at, start, length in window.parts:
        assert window.samples[at] == np.float32(start / RATE / 1000)
        assert window.samples[at + length - 1] == np.float32((start + length - 1) / RATE / 1000)
    start, end = window.span_of(2 + 0.5 + 1.5 + PAUSE_S + 0.25, 2 + 0.5 + 1.5 + PAUSE_S + 0.75)
    assert (start, end) == pytest.approx((7.25, 7.75))


def test_a_long_pause_or_a_full_window_begins_another() -> None:
    assert len(packed([(1, 3), (3 + WAIT_S + 0.1, 9)], 12)) == 2
    windows = packed([(k, k + 4.5) for k in range(0, 50, 5)], 55)
    assert len(windows) > 1
    assert all(len(w.samples) <= LONGEST_S * RATE for w in windows)


def test_endless_speech_is_cut_and_nothing_of_it_is_lost() -> None:
    windows = packed([(1, 90)], 95)
    assert all(len(w.samples) <= LONGEST_S * RATE for w in windows)
    whole = np.concatenate([w.samples for w in windows])
    assert np.array_equal(whole, (np.arange(RATE, 90 * RATE) / RATE / 1000).astype(np.float32))


def test_windows_do_not_depend_on_chunks() -> None:
    stretches = [(1.0, 3.0), (3.5, 34.0), (35.0, 36.0), (44.0, 45.5)]
    one, two = packed(stretches, 50, 1.0), packed(stretches, 50, 10.0)
    assert [w.parts for w in one] == [w.parts for w in two]


def test_blocks_name_what_is_no_sound_and_do_not_depend_on_chunks() -> None:
    sound = made.noise(2.5).astype(np.float32)
    sound[: RATE // 2] = 0
    sound[RATE : RATE + RATE // 2] = np.nan

    def cut(step: int) -> list[Block]:
        blocks = Blocks()
        found = [b for i in range(0, len(sound), step) for b in blocks.push(sound[i : i + step], 800 + i)]
        return found + list(blocks.close())

    whole = cut(len(sound))
    reasons = [r for b in whole for r in b.reasons]
    half = RATE // 2
    assert reasons == [(800, 800 + half, "silence"), (800 + RATE, 800 + RATE + half, "not_finite")]
    assert [(b.start, len(b.samples)) for b in whole] == [(800, RATE), (800 + RATE, RATE), (800 + 2 * RATE, half)]
    for one, two in zip(whole, cut(777), strict=True):
        assert one.start == two.start
        assert one.reasons == two.reasons
        assert np.array_equal(one.samples, two.samples)
        assert np.isfinite(one.samples).all()


def test_a_hole_in_the_sound_is_unreadable() -> None:
    blocks = Blocks()
    noise = made.noise(0.3).astype(np.float32)
    found = [*blocks.push(noise, 0), *blocks.push(noise, round(0.7 * RATE)), *blocks.close()]
    assert [r for b in found for r in b.reasons] == [(round(0.3 * RATE), round(0.7 * RATE), "unreadable")]
