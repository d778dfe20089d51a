"""Clips of the same sound are found, however loud, coded or cut; other takes of the same sentence are not."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from moodal.dsp.fingerprint import MOST_WRONG, fingerprint, near_duplicates

Sound = npt.NDArray[np.float32]


def voice(seed: int, seconds: float = 2.5) -> Sound:
    """Harmonics whose pitch and colour wander, with pauses: each seed another utterance."""
    rng = np.random.default_rng(seed)
    n = int(seconds * 16000)
    at = np.linspace(0, 1, 12)
    pitch = np.interp(np.arange(n) / n, at, rng.uniform(90, 260, 12))
    phase = 2 * np.pi * np.cumsum(pitch) / 16000
    sound = np.zeros(n)
    for k in range(1, 18):
        sound += np.interp(np.arange(n) / n, at, rng.uniform(0, 1, 12)) * np.sin(k * phase + rng.uniform(0, 6)) / k
    loud = np.interp(np.arange(n) / n, at, rng.choice([0.0, 0.3, 1.0], 12, p=[0.2, 0.3, 0.5]))
    return (0.1 * sound * loud + rng.normal(0, 1e-4, n)).astype(np.float32)


def matches(changed: list[Sound], clips: list[Sound]) -> list[tuple[int, int]]:
    return [(m.a, m.b) for m in near_duplicates([fingerprint(s) for s in changed], [fingerprint(s) for s in clips])]


CLIPS = [voice(s) for s in range(12)]


@pytest.mark.parametrize("change", ["same", "quieter", "cut", "noise", "duller", "rounded"])
def test_the_same_sound_is_found(change: str) -> None:
    rng = np.random.default_rng(1)

    def changed(sound: Sound) -> Sound:
        if change == "quieter":
            return (0.2 * sound).astype(np.float32)
        if change == "cut":
            return sound[3777:-2500]
        if change == "noise":  # 30 dB below the voice
            return (sound + rng.normal(0, sound.std() * 10 ** (-30 / 20), len(sound))).astype(np.float32)
        if change == "duller":
            return np.convolve(sound, np.full(4, 0.25)).astype(np.float32)
        if change == "rounded":  # 8 bits
            return (np.round(sound * 127) / 127).astype(np.float32)
        return sound

    assert matches([changed(s) for s in CLIPS], CLIPS) == [(i, i) for i in range(len(CLIPS))]


def test_other_sounds_are_not_found() -> None:
    assert matches([voice(s) for s in range(100, 112)], CLIPS) == []


def test_silence_noise_and_too_little_sound_match_nothing() -> None:
    rng = np.random.default_rng(0)
    odd = [np.zeros(32000, np.float32), rng.normal(0, 0.1, 32000).astype(np.float32), np.zeros(0, np.float32),
           CLIPS[0][:3000]]  # fmt: skip
    assert matches(odd, CLIPS) == []
    assert matches(CLIPS, odd) == []
    assert matches([], []) == []


def test_takes_of_one_sentence_by_one_actor_are_not_the_same_sound(tmp_path: Path) -> None:
    """RAVDESS: each actor says each sentence twice in each manner; the nearest two takes differ in 0.24 of the bits."""
    home = Path(os.environ.get("MOODAL_DATA", "")) / "speech_ravdess" / "clips.tar"
    if not os.environ.get("MOODAL_DATA") or not home.is_file():
        pytest.skip("MOODAL_DATA has no speech_ravdess")
    from moodal import media

    def load(data: bytes, name: str) -> Sound:
        (tmp_path / name).write_bytes(data)
        recording = media.read(tmp_path / name)
        return np.concatenate([c.samples for c in recording.chunks("sound")])  # type: ignore[union-attr]

    with tarfile.open(home) as tar:
        members = sorted(m for m in tar.getnames() if Path(m).stem.endswith("-13"))[:24]
        sounds = [load(tar.extractfile(m).read(), Path(m).name) for m in members]  # type: ignore[union-attr]
    first = [i for i, m in enumerate(members) if Path(m).stem.split("-")[5] == "01"]
    second = [i for i, m in enumerate(members) if Path(m).stem.split("-")[5] == "02"]
    prints = [fingerprint(s) for s in sounds]
    found = list(near_duplicates([prints[i] for i in first], [prints[i] for i in second], 0.5))
    assert all(m.wrong > MOST_WRONG for m in found)
    assert any(m.wrong < 0.3 for m in found), "the nearest takes are what the threshold is held against"
    coded = [load(_mp3(sounds[i]), f"{i}.mp3") for i in second]
    again = list(near_duplicates([fingerprint(s) for s in coded], [prints[i] for i in second]))
    assert [(m.a, m.b) for m in again] == [(i, i) for i in range(len(second))]


def _mp3(sound: Sound) -> bytes:
    import av

    out = io.BytesIO()
    with av.open(out, "w", format="mp3") as container:
        stream = container.add_stream("mp3", rate=16000)
        stream.bit_rate, stream.layout = 32000, "mono"
        frame = av.AudioFrame.from_ndarray(sound[None] * np.float32(0.9), format="fltp", layout="mono")
        frame.sample_rate = 16000
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    return out.getvalue()
