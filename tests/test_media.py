"""Video, sound, stills and transcripts: clocks, codecs, damage."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import moodal
import recordings as made
from moodal.core.errors import InputError
from moodal.core.stream import PictureChunk, SoundChunk
from moodal.media.inputs import inputs
from moodal.media.transcript import sentences


def pictures(path: Path) -> tuple[np.ndarray, list[np.ndarray]]:
    times, frames = [], []
    for chunk in moodal.read(path).chunks("picture"):
        assert isinstance(chunk, PictureChunk)
        times += chunk.times.tolist()
        frames += list(chunk.frames)
    return np.array(times), frames


def sound(path: Path) -> tuple[int, np.ndarray]:
    chunks = [c for c in moodal.read(path).chunks("sound") if isinstance(c, SoundChunk)]
    return chunks[0].start_sample, np.concatenate([c.samples for c in chunks])


def steps(n: int) -> list[np.ndarray]:
    """Frames that say their number: grey rises by 8."""
    return [np.full((96, 128, 3), 20 + 8 * i, np.uint8) for i in range(n)]


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [(".mp4", "libx264"), (".mp4", "libx265"), (".webm", "libvpx-vp9"), (".mkv", "libsvtav1"), (".mov", "mpeg4")],
)
def test_video_codecs(tmp_path: Path, suffix: str, codec: str) -> None:
    import av

    if codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no encoder {codec}")
    path = made.write_video(tmp_path / f"v{suffix}", steps(20), fps=10, codec=codec)
    times, frames = pictures(path)
    assert np.allclose(times, np.arange(20) / 10, atol=2e-3)
    assert all(abs(int(f[48, 64, 0]) - (20 + 8 * i)) <= 6 for i, f in enumerate(frames))
    assert moodal.read(path).duration_s == pytest.approx(2.0, abs=0.11)


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [(".m4a", "aac"), (".opus", "libopus"), (".mp3", "libmp3lame"), (".flac", "flac"), (".ogg", "libvorbis")],
)
def test_sound_codecs(tmp_path: Path, suffix: str, codec: str) -> None:
    import av

    if codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no encoder {codec}")
    t = np.arange(3 * 48000) / 48000
    tone = 0.3 * np.sin(2 * np.pi * 440 * t) * (t > 1)
    path = tmp_path / f"s{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=48000, layout="stereo")
        form = stream.codec_context.format.name
        resampler = av.AudioResampler(
            format=form, layout="stereo", rate=48000, frame_size=stream.codec_context.frame_size or 1024
        )
        frame = av.AudioFrame.from_ndarray(
            np.repeat((tone * 32767).astype(np.int16), 2)[None], format="s16", layout="stereo"
        )
        frame.sample_rate, frame.pts, frame.time_base = 48000, 0, Fraction(1, 48000)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    recording = moodal.read(path)
    assert recording.duration_s == pytest.approx(3.0, abs=0.1)
    start, samples = sound(path)
    assert start == pytest.approx(0, abs=0.05 * 16000)
    onset = start + int(np.argmax(np.abs(samples) > 0.1))
    assert onset / 16000 == pytest.approx(1.0, abs=0.06)
    spectrum = np.abs(np.fft.rfft(samples[24000:40000]))
    assert np.argmax(spectrum) * 16000 / 16000 == pytest.approx(440, abs=2)
    assert np.abs(samples).max() == pytest.approx(0.3, abs=0.05)


def test_variable_frame_rate_keeps_true_times(tmp_path: Path) -> None:
    import av

    stamps = [0, 40, 80, 500, 540, 1200, 1240]
    path = tmp_path / "vfr.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for stamp, pixels in zip(stamps, steps(7), strict=True):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = stamp, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    times, _ = pictures(path)
    assert np.allclose(times, np.array(stamps) / 1000, atol=2e-3)
    ends = np.concatenate([c.ends for c in moodal.read(path).chunks("picture")])
    assert np.allclose(ends[:-1], times[1:])


def test_rotated_video_comes_upright(tmp_path: Path) -> None:
    import av

    pixels = np.zeros((96, 128, 3), np.uint8)
    pixels[:, :64] = 255
    flat = made.write_video(tmp_path / "flat.mp4", [pixels] * 5)
    turned = tmp_path / "turned.mp4"
    with av.open(str(flat)) as source, av.open(str(turned), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        try:
            stream.set_display_rotation(90)
        except AttributeError:
            pytest.skip("this PyAV cannot write a display rotation")
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    _, frames = pictures(turned)
    assert frames[0].shape[:2] == (128, 96)
    assert abs(int(frames[0][:40].mean()) - int(frames[0][-40:].mean())) > 200


def test_large_pictures_are_shrunk_and_say_so(tmp_path: Path) -> None:
    path = made.write_video(tmp_path / "large.mp4", [np.full((1080, 1920, 3), 90, np.uint8)] * 3)
    chunk = next(iter(moodal.read(path).chunks("picture")))
    assert isinstance(chunk, PictureChunk)
    assert chunk.frames[0].shape == (720, 1280, 3)
    assert chunk.scale == pytest.approx(1.5)
    assert moodal.read(path).streams[0].info["width"] == 1920


def test_picture_or_sound_alone_and_a_late_sound(tmp_path: Path, clips: Path) -> None:
    assert [s.kind for s in moodal.read(made.write_video(tmp_path / "p.mp4", steps(3))).streams] == ["picture"]
    assert [s.kind for s in moodal.read(made.write_wav(tmp_path / "s.wav", made.noise(1))).streams] == ["sound"]
    late = moodal.read(clips / "face_noface.mov")
    assert late.stream("sound").start_s == pytest.approx(2.425, abs=0.05)  # type: ignore[union-attr]
    first = next(iter(late.chunks("sound")))
    assert isinstance(first, SoundChunk)
    assert first.start_sample / 16000 == pytest.approx(2.425, abs=0.06)


def test_headers_that_lie_do_not_matter(clips: Path) -> None:
    """98 frames are announced, 95 can be decoded."""
    times, frames = pictures(clips / "no_face.mp4")
    assert len(frames) == 95
    recording = moodal.read(clips / "no_face.mp4")
    assert recording.duration_s >= times[-1]


def test_several_sound_tracks_are_said(tmp_path: Path) -> None:
    import av

    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("flac", rate=16000, layout="mono") for _ in range(2)]
        for index, stream in enumerate(streams):
            block = np.full((1, 16000), 1000 * (index + 1), np.int16)
            frame = av.AudioFrame.from_ndarray(block, format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 16000, 0, Fraction(1, 16000)
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    recording = moodal.read(path)
    assert any("2 sound tracks" in w for w in recording.warnings)
    assert np.median(sound(path)[1]) == pytest.approx(1000 / 32768, abs=1e-3)


def test_truncated_tail_is_read_and_said(tmp_path: Path) -> None:
    whole = made.write_video(tmp_path / "whole.mkv", made.snow(4), sound=made.noise(4))
    cut = tmp_path / "cut.mkv"
    data = whole.read_bytes()
    cut.write_bytes(data[: int(0.6 * len(data))])
    recording = moodal.read(cut)
    assert any("breaks off" in w for w in recording.warnings)
    assert 1.0 < recording.duration_s < 3.5
    assert len(pictures(cut)[1]) > 5


def test_not_a_number_stays_one(tmp_path: Path) -> None:
    samples = made.noise(1)
    samples[4000:8000] = np.nan
    _, read = sound(made.write_float_wav(tmp_path / "nan.wav", samples))
    assert np.isnan(read[4100:7900]).all()
    assert np.isfinite(read[:3900]).all()


def test_still_lasts_a_second_and_stands_upright(tmp_path: Path) -> None:
    from PIL import Image

    image = Image.new("RGB", (60, 40), (0, 0, 0))
    image.paste((255, 255, 255), (0, 0, 30, 40))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif)
    recording = moodal.read(tmp_path / "turned.jpg")
    assert (recording.still, recording.duration_s, recording.streams[0].rate_hz) == (True, 1.0, 1.0)
    frame = next(iter(recording.chunks("picture"))).frames[0]  # type: ignore[union-attr]
    assert frame.shape == (60, 40, 3)
    assert frame[:20].mean() > 200


def test_transcripts_of_every_kind(tmp_path: Path) -> None:
    srt = "\ufeff1\r\n00:00:01,000 --> 00:00:02,500\r\nHello <i>there</i>\r\n\r\n2\r\nbroken --> line\r\nlost\r\n"
    vtt = "WEBVTT\n\n00:01.000 --> 00:02.000 align:start\n<v Ann>Good &amp; bad\n"
    whisper = {
        "language": "en",
        "segments": [
            {
                "start": 1.0,
                "end": 2.0,
                "text": " Hi you.",
                "words": [{"start": 1, "end": 1.4, "word": " Hi", "probability": 0.9}],
            }
        ],
    }
    for name, text in (
        ("a.srt", srt),
        ("a.vtt", vtt),
        ("a.json", json.dumps(whisper)),
        ("a.txt", "One. Two!\n\nThree"),
    ):
        (tmp_path / name).write_bytes(text.encode())
    cues = {
        n: [c for k in moodal.read(tmp_path / n).chunks("words") for c in k.cues]
        for n in ("a.srt", "a.vtt", "a.json", "a.txt")
    }  # type: ignore[union-attr]
    assert [(c.start, c.end, c.text) for c in cues["a.srt"]] == [(1.0, 2.5, "Hello there")]
    assert any("line 6" in w for w in moodal.read(tmp_path / "a.srt").warnings)
    assert (cues["a.vtt"][0].speaker, cues["a.vtt"][0].text) == ("Ann", "Good & bad")
    assert cues["a.json"][0].words == ((1.0, 1.4, "Hi", 0.9),)
    assert [(c.start, c.end, c.text) for c in cues["a.txt"]] == [(0, 1, "One."), (1, 2, "Two!"), (2, 3, "Three")]
    assert moodal.read(tmp_path / "a.txt").clock == "order"


def test_latin_text_and_ten_thousand_words(tmp_path: Path) -> None:
    (tmp_path / "latin.srt").write_bytes("1\n00:00:00,000 --> 00:00:01,000\nCafé\n".encode("latin-1"))
    [chunk] = moodal.read(tmp_path / "latin.srt").chunks("words")
    assert chunk.cues[0].text == "Café"  # type: ignore[union-attr]
    (tmp_path / "long.txt").write_text("word " * 10_000)
    assert moodal.read(tmp_path / "long.txt").duration_s == 1.0
    assert sentences("No. 5 is alive. Mr. X agrees.") == ["No. 5 is alive.", "Mr. X agrees."]


def test_a_joined_transcript_keeps_the_medias_length(tmp_path: Path) -> None:
    made.write_wav(tmp_path / "talk.wav", made.noise(2))
    (tmp_path / "talk.srt").write_text(
        "1\n00:00:01,000 --> 00:00:09,000\nlong\n\n2\n00:00:05,000 --> 00:00:06,000\nlate\n"
    )
    recording = moodal.read(tmp_path / "talk.wav", with_=[tmp_path / "talk.srt"])
    assert recording.duration_s == 2.0
    assert any("1 cues lie past the end" in w for w in recording.warnings)
    assert [r[0].name for r in inputs([str(tmp_path)])] == ["talk.wav"]
    assert inputs([str(tmp_path)])[0][1] == [tmp_path / "talk.srt"]
    (tmp_path / "plain.txt").write_text("hi")
    with pytest.raises(InputError, match="has no times"):
        moodal.read(tmp_path / "talk.wav", with_=[tmp_path / "plain.txt"])


@pytest.mark.parametrize(
    ("name", "data", "part"),
    [("a.mp4", b"", "0 bytes"), ("a.wav", b"RIFF" + b"x" * 99, "can read"), ("a.jpg", b"\xff\xd8\xffnope", "picture")],
)
def test_bad_files_say_what_and_where(tmp_path: Path, name: str, data: bytes, part: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=part) as caught:
        moodal.read(tmp_path / name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="no such file"):
        moodal.read(tmp_path / "gone.mp4")
    with pytest.raises(InputError, match="is a folder"):
        moodal.read(tmp_path)
