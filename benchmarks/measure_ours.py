"""One measurement of moodal a process; the last line of output is JSON."""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import numpy as np


def frames(clip: str, out: str) -> dict[str, float]:
    """Decoded frames for the peer, so that its decoding is not counted."""
    import moodal

    pictures, times = [], []
    for chunk in moodal.read(clip).chunks("picture"):
        pictures += list(chunk.frames)
        times += chunk.times.tolist()
    np.savez(out, frames=np.stack(pictures), times=np.array(times))
    return {"frames": len(pictures)}


def face(clip: str) -> dict[str, float]:
    """Every stored face track of a clip, decoding included, models loaded before."""
    import moodal
    from moodal.extract.face import SPEC
    from moodal.measure import Memory, measure

    recording = moodal.read(clip)
    want = frozenset(t.name for t in SPEC.tracks if t.keep)
    began = time.perf_counter()
    result = measure(recording, Memory(), modalities=("face",), want=want)
    return {"seconds": time.perf_counter() - began - result.load_s}


def demo(out: str, size: str) -> dict[str, float]:
    """The demo recording at another size."""
    import av

    from moodal import weights
    from moodal.media.demo import assemble

    width, height = (int(v) for v in size.split("x"))
    with tempfile.TemporaryDirectory() as work:
        small = Path(work) / "demo.mp4"
        assemble(weights.path("demo-portrait"), weights.path("demo-speech"), small)
        if width == 640:
            Path(out).write_bytes(small.read_bytes())
            return {"ok": 1}
        with av.open(str(small)) as source, av.open(out, "w") as target:
            video = target.add_stream("libx264", rate=30, options={"preset": "veryfast"})
            video.width, video.height, video.pix_fmt = width, height, "yuv420p"
            sound = target.add_stream_from_template(source.streams.audio[0])
            for packet in source.demux():
                if packet.dts is None:
                    continue
                if packet.stream.type == "audio":
                    packet.stream = sound
                    target.mux(packet)
                    continue
                for frame in packet.decode():
                    large = frame.reformat(width=width, height=height)
                    large.pts = frame.pts
                    target.mux(video.encode(large))
            target.mux(video.encode(None))
    return {"ok": 1}


def analysis(clip: str) -> dict[str, float]:
    """Everything `moodal analyze` does by default."""
    import moodal

    with tempfile.TemporaryDirectory() as out:
        return dict(moodal.analyze(clip, out=out).timing or {})


def speech(out: str) -> dict[str, float]:
    """60 s of speech at 16 kHz: the demo's reading, once and a half."""
    import wave

    import moodal
    from moodal import weights

    chunks = moodal.read(weights.path("demo-speech")).chunks("sound")
    samples = np.concatenate([c.samples for c in chunks])
    samples = np.tile(samples, 2)[: 60 * 16000]
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return {"ok": 1}


def egemaps(sound: str) -> dict[str, float]:
    """CPU time of the descriptors and functionals of a sound file, warm: alone, and as `moodal extract` tells them."""
    import moodal
    from moodal.analyze import extract, functionals
    from moodal.dsp.egemaps_functionals import functionals as over
    from moodal.extract.voice.egemaps import descriptors

    def alone() -> None:
        over(descriptors(np.concatenate([c.samples for c in moodal.read(sound).chunks("sound")])))

    def told() -> None:
        functionals(extract(sound, "voice.egemaps"), "speech.wav")

    out = {}
    for name, work in (("alone", alone), ("told", told)):
        work()
        began = time.process_time()
        work()
        out[name] = time.process_time() - began
    return out


def agreement(sounds: str, out: str) -> dict[str, float]:
    """Our 88 functionals of stored samples: as `moodal extract` tells them, and of openSMILE's own contours."""
    from moodal.core.clock import Span
    from moodal.core.extractor import MeasureContext
    from moodal.core.stream import SoundChunk
    from moodal.core.track import TrackSet
    from moodal.dsp.egemaps_functionals import FUNCTIONALS
    from moodal.dsp.egemaps_functionals import functionals as over
    from moodal.extract.voice import SPEC, functionals
    from moodal.extract.voice.tracks import EGEMAPS, SUBJECT

    stored = np.load(sounds)
    told, borrowed = [], []
    for samples in np.split(stored["samples"], np.cumsum(stored["lengths"])[:-1]):
        context = MeasureContext(Span(0.0, len(samples) / 16000), frozenset({EGEMAPS.name}))
        extractor = SPEC.make(context)
        pieces = [*extractor.push(SoundChunk("sound", 0, samples, 16000)), *extractor.close()]
        tracks = TrackSet.from_pieces(EGEMAPS, [p for p in pieces if p.track == EGEMAPS.name])
        row = functionals(tracks[SUBJECT])
        told.append([row[name] for name in FUNCTIONALS])
    for contours in np.split(stored["contours"].astype(float), np.cumsum(stored["frames"])[:-1]):
        contours[contours[:, 10] == 0, 10:] = np.nan  # 0 says unvoiced there
        borrowed.append(over(contours))
    np.savez(out, told=np.array(told), borrowed=np.array(borrowed), names=np.array(FUNCTIONALS))
    return {"clips": len(told)}


def arousal(clips: str, out: str) -> dict[str, float]:
    """For each sound file: overall arousal (null: withheld), longest gap's reason, levels, and the rule's cues."""
    import importlib

    import moodal
    from moodal.extract.voice.emotion import CUES

    windows = importlib.import_module("moodal.extract.voice.windows")
    rule, seen = windows.arousal, []

    def watched(values: np.ndarray, voiced: np.ndarray, syllables_per_s: float) -> tuple[float, float]:
        answer = rule(values, voiced, syllables_per_s)
        if np.isfinite(answer[0]):
            means = values[voiced].mean(axis=0)
            seen.append([syllables_per_s if c[1] is None else float(means[c[1]]) for c in CUES])
        return answer

    windows.arousal = watched
    answers = []
    for clip in json.loads(Path(clips).read_text(encoding="utf-8")):
        seen.clear()
        mood = moodal.analyze(clip, only="voice")
        subject = mood.summary()["subjects"][0]
        gaps = sorted((g for g in subject["gaps"] if g["modality"] == "voice"), key=lambda g: g["start_s"] - g["end_s"])
        samples = np.concatenate([c.samples for c in moodal.read(clip).chunks("sound")])
        level = 10 * np.log10(max(float(np.mean(samples**2, dtype=np.float64)), 1e-20))
        answers.append(
            {
                "arousal": subject["overall"]["arousal"]["value"],
                "reason": gaps[0]["reason"] if gaps else "",
                "level": level,
                "crest": level - 20 * np.log10(max(float(np.abs(samples).max()), 1e-10)),
                "cues": np.nanmean(seen, axis=0).tolist() if seen else [],
            }
        )
    Path(out).write_text(json.dumps(answers), encoding="utf-8")
    return {"clips": len(answers)}


def loop(out: str, minutes: str) -> dict[str, float]:
    """The demo at 10 frames a second, repeated without encoding it again."""
    import av

    with tempfile.TemporaryDirectory() as work:
        whole, small = Path(work) / "demo.mp4", Path(work) / "small.mp4"
        demo(str(whole), "640x360")
        with av.open(str(whole)) as source, av.open(str(small), "w") as target:
            video = target.add_stream("libx264", rate=10, options={"preset": "veryfast", "bf": "0"})
            video.width, video.height, video.pix_fmt = 640, 360, "yuv420p"
            for index, frame in enumerate(source.decode(video=0)):
                if index % 3 == 0:
                    frame.pts, frame.time_base = index // 3, Fraction(1, 10)
                    target.mux(video.encode(frame))
            target.mux(video.encode(None))
        with av.open(out, "w") as target:
            pictures, sounds = av.open(str(small)), av.open(str(whole))
            tracks = {
                "video": target.add_stream_from_template(pictures.streams.video[0]),
                "audio": target.add_stream_from_template(sounds.streams.audio[0]),
            }
            for turn in range(round(float(minutes) * 60 / 24)):
                parts = [p for s in (pictures, sounds) for p in _packets(s, turn)]
                for packet in sorted(parts, key=lambda p: float(p.dts * p.time_base)):
                    packet.stream = tracks[packet.stream.type]
                    target.mux(packet)
    return {"ok": 1}


def _packets(source, turn: int):
    source.seek(0)
    kind = "video" if source.streams.video and not source.streams.audio else "audio"
    for packet in source.demux(**{kind: 0}):
        # Run-up packets before second 0 would fall into the turn before.
        if packet.dts is None or min(packet.pts, packet.dts) < 0 or float(packet.pts * packet.time_base) >= 24.0:
            continue
        shift = round(turn * 24 / packet.time_base)
        packet.pts += shift
        packet.dts += shift
        yield packet


def memory(clip: str) -> dict[str, float]:
    """Peak resident memory of a whole analysis, MB."""
    analysis(clip)
    return {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def day(folder: str) -> dict[str, float]:
    """A wristband's folder of 24 hours at its true rates, with ten minutes off the wrist."""
    rng = np.random.default_rng(0)
    seconds = 24 * 3600
    t = np.arange(seconds * 64) / 64
    beats = np.cumsum((70 + 10 * np.sin(2 * np.pi * t / 7200) + 3 * np.sin(2 * np.pi * t / 600)) / 60 / 64)
    pulse = 80 * np.exp(3 * (np.cos(2 * np.pi * beats) - 1)) + 2 * rng.standard_normal(len(t))
    pulse[len(t) // 3 : len(t) // 3 + 64 * 600] = rng.standard_normal(64 * 600) * 0.05
    slow = np.arange(seconds * 4) / 4
    skin = 2 + 0.5 * np.sin(2 * np.pi * slow / 5000) + 0.002 * rng.standard_normal(len(slow))
    shape = 0.3 * (np.exp(-np.arange(80) / 16) - np.exp(-np.arange(80) / 4))
    for at in rng.integers(0, len(slow) - 80, 3000):
        skin[at : at + 80] += shape
    movement = np.tile([0, 0, 64], (seconds * 32, 1)) + rng.integers(-1, 2, (seconds * 32, 3))
    home = Path(folder)
    home.mkdir(exist_ok=True)
    for name, rate, values, form in (
        ("BVP", 64, pulse[:, None], "%.2f"),
        ("EDA", 4, skin[:, None], "%.4f"),
        ("TEMP", 4, 33 + 0.3 * np.sin(slow / 3000)[:, None], "%.2f"),
        ("ACC", 32, movement, "%d"),
    ):
        head = "\n".join(", ".join([x] * values.shape[1]) for x in ("1700000000.000000", f"{rate}.000000"))
        np.savetxt(home / f"{name}.csv", values, fmt=form, delimiter=",", header=head, comments="")
    return {"ok": 1}


def wristband(folder: str, out: str) -> dict[str, float]:
    """A whole analysis of it: reading, measuring, concluding, saving and its page."""
    import moodal

    began = time.perf_counter()
    mood = moodal.analyze(folder, out=out)
    seconds = time.perf_counter() - began
    page = (Path(mood.path or out) / "index.html").stat().st_size / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    return {"real_time": mood.duration_s / seconds, "peak_mb": peak, "page_mb": page}


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
