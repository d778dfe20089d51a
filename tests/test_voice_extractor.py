"""What the voice tracks say of bad sound, of nothing, and of one voice at two levels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import moodal
import recordings as made
from moodal.core.clock import Span
from moodal.core.extractor import MeasureContext
from moodal.core.stream import SoundChunk
from moodal.core.track import Track, TrackSet
from moodal.extract.voice import SPEC, functionals
from moodal.extract.voice.emotion import CUES, LEAST_VOICED, arousal

pytestmark = pytest.mark.usefixtures("models")


def run(sound: np.ndarray) -> dict[str, Track]:
    samples = np.asarray(sound, np.float32)
    extractor = SPEC.make(MeasureContext(Span(0.0, len(samples) / made.RATE)))
    pieces = [*extractor.push(SoundChunk("sound", 0, samples, made.RATE)), *extractor.close()]
    found = {t.name: TrackSet.from_pieces(t, [p for p in pieces if p.track == t.name]) for t in SPEC.tracks}
    return {name: tracks["voice"] for name, tracks in found.items()}


def reasons(track: Track) -> set[str]:
    return {g.reason for g in track.gaps}


@pytest.mark.parametrize(
    ("sound", "reason"),
    [
        (made.silence(3), "silence"),
        (np.full(3 * made.RATE, 0.3), "noise"),
        (made.noise(3, 0.1), "noise"),
        (made.noise(3, 0.0005), "silence"),
        (np.full(3 * made.RATE, np.nan), "not_finite"),
    ],
    ids=["silence", "offset alone", "noise", "faint noise", "nan"],
)
def test_nothing_to_hear_is_a_gap_over_all_of_it(sound: np.ndarray, reason: str) -> None:
    for name, track in run(sound).items():
        assert len(track) == 0, name
        assert reasons(track) == {reason}, name
        assert sum(g.end - g.start for g in track.gaps) == pytest.approx(3.0, abs=1e-6)


def test_speech_tells_every_track() -> None:
    tracks = run(made.speech(6))
    assert all(len(t) for t in tracks.values())
    f0 = tracks["voice.pitch"]["f0"]
    assert 0.3 < np.isfinite(f0).mean() < 0.95
    summary = functionals(tracks["voice.egemaps"])
    assert len(summary) == 88
    assert all(np.isfinite(v) for v in summary.values())


def test_a_fifth_of_a_second_is_too_short_to_say_anything() -> None:
    for name, track in run(made.speech(3)[24000:27200]).items():
        assert len(track) == 0, name
        assert reasons(track) <= {"too_short", "noise", "silence"}, name


def test_clipped_speech_is_not_told() -> None:
    tracks = run(np.clip(made.speech(4) * 200, -1, 1))
    assert "clipped" in reasons(tracks["voice.egemaps"])
    assert len(tracks["voice.emotion"]) == 0


def test_an_offset_changes_neither_pitch_nor_arousal() -> None:
    sound = made.speech(5)
    straight, shifted = run(sound), run(sound + 0.1)
    a, b = straight["voice.pitch"], shifted["voice.pitch"]
    both = np.isin(a.times, b.times), np.isin(b.times, a.times)
    f, g = a["f0"][both[0]], b["f0"][both[1]]
    told = np.isfinite(f) & np.isfinite(g)
    assert (np.isfinite(f) == np.isfinite(g)).mean() > 0.9
    assert np.median(np.abs(12 * np.log2(f[told] / g[told]))) < 0.05
    means = [float(np.nanmean(t["voice.emotion"]["arousal"])) for t in (straight, shifted)]
    assert abs(means[0] - means[1]) < 0.15


@pytest.mark.parametrize(("gain", "within"), [(0.5, 0.05), (0.1, 0.15)])
def test_turning_the_level_down_does_not_calm_the_voice(gain: float, within: float) -> None:
    """At a tenth the ends of words fall under -60 dBFS, where nothing has a pitch."""
    sound = made.speech(5)
    loud, quiet = (float(np.nanmean(run(s)["voice.emotion"]["arousal"])) for s in (sound, sound * gain))
    assert abs(loud - quiet) < within


def test_nan_in_the_middle_is_a_gap_and_speech_goes_on(tmp_path: Path) -> None:
    sound = made.speech(6)
    sound[48000:56000] = np.nan
    track = run(sound)["voice.egemaps"]
    gap = next(g for g in track.gaps if g.reason == "not_finite")
    assert gap.start == pytest.approx(3.0, abs=0.05)
    assert gap.end == pytest.approx(3.5, abs=0.05)
    assert track.times.min() < 2.5
    assert track.times.max() > 4.0
    assert np.isfinite(track.values[:, 0]).all()


def test_telephone_sound_is_read_at_its_own_bandwidth(tmp_path: Path) -> None:
    """8 kHz: the same pitch; what lies above 4 kHz is not there."""
    sound = made.speech(5)
    spectrum = np.fft.rfft(sound)
    spectrum[len(spectrum) // 2 :] = 0
    narrow = np.fft.irfft(spectrum, len(sound))[::2]
    path = made.write_wav(tmp_path / "phone.wav", narrow, 8000)
    a, b = run(sound)["voice.pitch"], moodal.extract(path, "voice.pitch")["voice"]
    assert np.nanmedian(a["f0"]) == pytest.approx(float(np.nanmedian(b["f0"])), rel=0.02)


def test_the_end_of_the_sound_is_told_without_pitch() -> None:
    """The last 20 ms frames lie beyond the last 60 ms window: a spectrum, but no word on voicing."""
    sound = made.speech(4.0)
    tracks = run(sound)
    spectra, pitch = tracks["voice.egemaps"], tracks["voice.pitch"]
    assert spectra.times[-1] - pitch.times[-1] == pytest.approx(0.04, abs=0.011)
    assert pitch.gaps[-1].reason == "too_short"


def window(**shift: float) -> np.ndarray:
    """A second of neutral voice, with cues moved by so many spreads."""
    rows = np.zeros((100, 26))
    for name, column, place, spread, _ in CUES:
        if column is not None:
            rows[:, column] = place + spread * shift.get(name.split()[0].rstrip(","), 0.0)
    return rows


def test_arousal_of_made_up_voices() -> None:
    voiced = np.ones(100, bool)
    rate = CUES[-1][2]
    assert arousal(window(), voiced, rate)[0] == pytest.approx(0, abs=1e-9)
    up, down = (arousal(window(pitch=s, alpha=s, Hammarberg=-s, first=-s), voiced, rate)[0] for s in (2, -2))
    assert up == pytest.approx(-down)
    assert 0.5 < up < 0.9
    assert arousal(window(pitch=99), voiced, rate)[0] < 1
    assert np.isfinite(arousal(window(), voiced, np.nan)).all()


def test_too_little_voice_tells_no_arousal_and_less_is_less_sure() -> None:
    voiced = np.zeros(100, bool)
    voiced[: LEAST_VOICED - 1] = True
    assert np.isnan(arousal(window(), voiced, 4.0)).all()
    widths = []
    for count in (LEAST_VOICED, 40, 100):
        voiced[:count] = True
        widths.append(arousal(window(), voiced, 4.0)[1])
    assert widths == sorted(widths, reverse=True)
    assert len(set(widths)) == 3
