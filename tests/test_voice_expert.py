"""The voice expert: windows of talk, what is told of them, and the same numbers in a file's score and in its track."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import recordings as made
import voice_bundle
from moodal.core.clock import Span
from moodal.core.errors import InputError, ModelError
from moodal.core.extractor import MeasureContext
from moodal.core.runner import Example, open_runner
from moodal.core.scheme import scheme
from moodal.core.stream import SoundChunk
from moodal.core.track import Track, TrackSet
from moodal.extract.voice import SPEC
from moodal.extract.voice.activity import FRAME
from moodal.extract.voice.expert import FEWEST, VoiceRunner, distance, mixed, own
from moodal.extract.voice.turns import LEAST, LONGEST, PAD, STEP, WINDOW, Turns, Window, trimmed

CLASSES = scheme("ekman8").classes


def turns(speech: np.ndarray, cut: int) -> tuple[list[Window], list[int]]:
    """Windows of frames of which these are speech, and `Turns.final` after each push."""
    near = np.convolve(speech, np.ones(33), "same") > 0
    sound = np.repeat(np.arange(len(speech), dtype=np.float32), FRAME)
    told = Turns()
    found: list[Window] = []
    final: list[int] = []
    for a in range(0, len(speech), cut):
        b = min(a + cut, len(speech))
        new = told.push(sound[a * FRAME : b * FRAME], speech[a:b] > 0, near[a:b])
        assert all(w.first >= (final[-1] if final else 0) for w in new), "a window came that was said not to"
        found += new
        final.append(told.final)
    last = told.close()
    assert all(w.first >= final[-1] for w in last)
    return found + last, final


def talk(*lengths: int, pause: int = 60) -> np.ndarray:
    parts = [np.zeros(pause)]
    for n in lengths:
        parts += [np.ones(n), np.zeros(pause)]
    return np.concatenate(parts)


@pytest.mark.parametrize("n", [LEAST, 60, LONGEST - 2 * PAD])
def test_short_talk_is_one_window(n: int) -> None:
    (window,), _ = turns(talk(n), 30)
    assert (window.first, window.last) == (60 - PAD, 60 + n + PAD)
    assert window.sound[0] == window.first
    assert len(window.sound) == (window.last - window.first) * FRAME


@pytest.mark.parametrize("n", [LONGEST + 1, 300, 1000, 1001])
def test_long_talk_is_windows_up_to_its_end(n: int) -> None:
    windows, _ = turns(talk(n), 30)
    assert {w.last - w.first for w in windows} == {WINDOW}
    assert windows[0].first == 60 - PAD
    assert windows[-1].last == 60 + n + PAD
    assert set(np.diff([w.first for w in windows[:-1]])) <= {STEP}
    assert all(b.first <= a.last for a, b in pairwise(windows))


@pytest.mark.parametrize("cut", [1, 7, 30, 10_000])
def test_cuts_change_no_window(cut: int) -> None:
    speech = talk(20, 5, 400, 100, 230)
    speech[100:104] = 0
    whole, _ = turns(speech, 29)
    found, final = turns(speech, cut)
    assert [(w.first, w.last) for w in found] == [(w.first, w.last) for w in whole]
    assert all(np.array_equal(a.sound, b.sound) for a, b in zip(found, whole, strict=True))
    assert final == sorted(final)


def test_a_word_is_too_short_to_tell() -> None:
    assert turns(talk(LEAST - 1), 30)[0] == []


def test_an_hour_of_talk_needs_little_room() -> None:
    told = Turns()
    for _ in range(200):
        told.push(np.zeros(30 * FRAME, np.float32), np.ones(30, bool), np.ones(30, bool))
        assert len(told._sound) <= LONGEST + 30


def test_silent_ends_are_cut_but_for_a_little() -> None:
    sound = np.concatenate([np.zeros(16_000), np.sin(np.arange(16_000)), np.zeros(16_000)]).astype(np.float32)
    assert len(trimmed(sound)) == 16_000 + 2 * 2400
    assert len(trimmed(np.zeros(5000, np.float32))) == 5000
    assert len(trimmed(np.zeros(3, np.float32))) == 3


def test_far_is_far() -> None:
    rng = np.random.default_rng(0)
    basis, deviation = np.eye(20, 4, dtype=np.float32), np.full(4, 2, np.float32)
    x = rng.normal(size=(500, 20)).astype(np.float32)
    x[:, :4] *= 2
    near = distance(x, basis, deviation, 16.0)
    assert 1 < np.median(near) < 2
    far = distance(np.array([basis[:, 0] * 40, np.eye(20)[10] * 40]).astype(np.float32), basis, deviation, 16.0)
    assert (far > near.max()).all()


def test_own_takes_off_what_is_the_persons() -> None:
    rng = np.random.default_rng(0)
    x, spread = rng.normal(size=(30, 5)).astype(np.float32), np.ones(5, np.float32)
    assert np.allclose(own(x, x, spread), own(x + 3, x + 3, spread), atol=1e-5)
    # A channel that the person never moves stays in bounds.
    x[:, 2] = 1.0
    assert np.abs(own(x + 0.01, x, spread)[:, 2]).max() < 0.2


@pytest.fixture
def runner(tmp_path: Path) -> VoiceRunner:
    told = open_runner(voice_bundle.write(tmp_path / "voice-tiny.bundle"))
    assert isinstance(told, VoiceRunner)
    return told


def test_scores_sum_to_one_and_a_corpus_says_nothing_of_what_it_lacks(runner: VoiceRunner) -> None:
    a = dict(runner._arrays)
    z = np.random.default_rng(0).normal(size=(6, voice_bundle.D)).astype(np.float32)
    assert np.allclose(np.exp(mixed(z, a)).sum(axis=1), 1)
    a["gate_bias"] = np.array([-99, 99], np.float32)
    assert (np.exp(mixed(z, a))[:, [1, 6]] < 1e-6).all()


@pytest.mark.usefixtures("models")
class TestRunner:
    """Files in, scores out."""

    def read(self, runner: VoiceRunner, tmp_path: Path, sound: np.ndarray, start_s: float | None = None,
             end_s: float | None = None) -> np.ndarray | str:  # fmt: skip
        return runner.read(Example(made.write_wav(tmp_path / "clip.wav", sound), None, start_s, end_s))

    def test_a_short_clip_is_one_window(self, runner: VoiceRunner, tmp_path: Path) -> None:
        evidence = self.read(runner, tmp_path, made.speech(4))
        assert isinstance(evidence, np.ndarray)
        assert evidence.shape == (1, 2 * voice_bundle.D)
        told = runner.tell(evidence)
        assert told.scores.shape == (8,)
        assert told.scores.sum() == pytest.approx(1)
        assert told.withheld == ""

    def test_a_stretch_of_a_file_is_that_stretch(self, runner: VoiceRunner, tmp_path: Path) -> None:
        sound = made.speech(8)
        a = self.read(runner, tmp_path, sound, start_s=2.0, end_s=6.0)
        b = self.read(runner, tmp_path, sound[32_000:96_000])
        assert np.allclose(a, b, atol=1e-4)

    @pytest.mark.parametrize(
        ("sound", "reason"),
        [(made.silence(3), "silence"), (made.noise(3, 0.1), "noise"), (made.speech(3)[24_000:27_200], "too_short"),
         (made.noise(10, 0.1), "noise"), (made.silence(10), "silence")],
        ids=["silence", "noise", "a fifth of a second", "long noise", "long silence"],
    )  # fmt: skip
    def test_where_nobody_talks_the_reason_is_told(
        self, runner: VoiceRunner, tmp_path: Path, sound: np.ndarray, reason: str
    ) -> None:
        assert self.read(runner, tmp_path, sound) == reason

    def test_a_text_has_no_voice_and_no_file_is_an_error(self, runner: VoiceRunner, tmp_path: Path) -> None:
        assert runner.read(Example(text="hello")) == "no_stream"
        with pytest.raises(InputError):
            runner.read(Example(tmp_path / "none.wav"))

    def test_a_person_counts_from_enough_clips_on(self, runner: VoiceRunner) -> None:
        rng = np.random.default_rng(0)
        clips = [rng.normal(size=(1, 2 * voice_bundle.D)).astype(np.float32) for _ in range(FEWEST)]
        alone, few, many = (runner.tell(clips[0], p).scores for p in ((), clips[:-1], clips))
        assert np.array_equal(alone, few)
        assert not np.allclose(alone, many)

    def test_what_is_far_is_withheld(self, tmp_path: Path) -> None:
        told = open_runner(voice_bundle.write(tmp_path / "v.bundle", threshold=0.0))
        assert told.tell(np.ones((1, 2 * voice_bundle.D), np.float32)).withheld == "out_of_domain"

    def test_a_damaged_bundle_says_so(self, tmp_path: Path) -> None:
        bundle = voice_bundle.write(tmp_path / "v.bundle")
        from moodal.core.bundle import Bundle

        Bundle.write(tmp_path / "w.bundle", bundle.manifest, "#", {}, {"encoder": b"nothing"})
        with pytest.raises(ModelError):
            open_runner(Bundle.open(tmp_path / "w.bundle"))


def run(sound: np.ndarray, bundle: str | None, cut: float = 100.0) -> dict[str, Track]:
    samples = np.asarray(sound, np.float32)
    options = {"experts": {"voice": bundle}} if bundle else {}
    extractor = SPEC.make(MeasureContext(Span(0.0, len(samples) / made.RATE), options=options))
    step, pieces = round(cut * made.RATE), []
    for first in range(0, len(samples), step):
        pieces += extractor.push(SoundChunk("sound", first, samples[first : first + step], made.RATE))
    pieces += extractor.close()
    found = {t.name: TrackSet.from_pieces(t, [p for p in pieces if p.track == t.name]) for t in SPEC.tracks}
    return {name: tracks["voice"] for name, tracks in found.items()}


@pytest.mark.usefixtures("models")
class TestTrack:
    """``voice.emotion`` with an expert."""

    sound = np.concatenate([made.silence(2), made.speech(5), made.silence(2), made.speech(14), made.silence(1)])

    def test_classes_stand_where_arousal_does(self, tmp_path: Path) -> None:
        path = str(voice_bundle.write(tmp_path / "v.bundle").path)
        without, track = (run(self.sound, b)["voice.emotion"] for b in (None, path))
        assert np.array_equal(track.times, without.times)
        assert np.array_equal(track["arousal"], without["arousal"])
        assert np.isnan(np.stack([without[c] for c in CLASSES])).all()
        classes = np.stack([track[c] for c in CLASSES], axis=1)
        told = np.isfinite(classes).all(axis=1)
        assert told.mean() > 0.9
        assert np.allclose(classes[told].sum(axis=1), 1, atol=1e-5)

    @pytest.mark.parametrize("cut", [0.37, 2.0])
    def test_cuts_change_nothing(self, tmp_path: Path, cut: float) -> None:
        path = str(voice_bundle.write(tmp_path / "v.bundle").path)
        a, b = (run(self.sound, path, c)["voice.emotion"] for c in (100.0, cut))
        assert np.array_equal(a.values, b.values, equal_nan=True)
        assert a.gaps == b.gaps

    def test_what_is_far_has_arousal_alone(self, tmp_path: Path) -> None:
        path = str(voice_bundle.write(tmp_path / "v.bundle", threshold=0.0).path)
        track = run(self.sound, path)["voice.emotion"]
        assert len(track)
        assert np.isnan(np.stack([track[c] for c in CLASSES])).all()
