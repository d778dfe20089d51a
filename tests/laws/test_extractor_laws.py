"""Laws of every registered extractor, on every kind of stream it reads.

Chunked = whole; a shift in time shifts the output; fields and ranges are kept; every missing stretch
has a reason; nothing to see or hear gives gaps, not numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

import numpy as np
import pytest

import recordings as made
import signals
from moodal.core import registry
from moodal.core.clock import Span, Timeline
from moodal.core.extractor import ExtractorSpec, MeasureContext
from moodal.core.stream import SIGNAL_KINDS, Chunk, Cue, PictureChunk, SignalChunk, SoundChunk, WordsChunk
from moodal.core.track import Piece, TrackSet

SECONDS = 8.0
#: Signals are slow: responses of the skin and variability of the heart take minutes to show.
SIGNAL_SECONDS = 150.0
FPS = 10
CASES = [(name, kind) for name in registry.names("extractors") for kind in registry.load("extractors", name).SPEC.reads]


@pytest.fixture(autouse=True)
def _networks(request: pytest.FixtureRequest) -> None:
    """Skips where an extractor needs networks that are not here; signals need none."""
    if request.node.callspec.params["kind"] not in SIGNAL_KINDS:
        request.getfixturevalue("models")


def spec_of(name: str) -> ExtractorSpec:
    return registry.load("extractors", name).SPEC


def seconds_of(kind: str) -> float:
    return SIGNAL_SECONDS if kind in SIGNAL_KINDS else SECONDS


@cache
def _signal(kind: str) -> tuple[np.ndarray, np.ndarray]:
    return signals.sampled(kind, SIGNAL_SECONDS)


def _signal_chunks(kind: str, cut: float, shift: float, nothing: str) -> Iterator[Chunk]:
    times, samples = _signal(kind)
    dead = {"nan": np.nan, "zero": 0.0}
    if nothing in dead:
        samples = np.full_like(samples, dead[nothing])
    elif nothing == "noise":
        samples = np.random.default_rng(0).standard_normal(samples.shape) * np.nanstd(samples, axis=0)
    edges = np.searchsorted(times, np.arange(times[0], times[-1] + cut, cut))
    for a, b in zip(edges, np.append(edges[1:], len(times)), strict=True):
        if b > a:
            yield SignalChunk(kind, times[a:b] + shift, samples[a:b], signals.RATES[kind])


@cache
def _pictures() -> tuple[np.ndarray, ...]:
    return tuple(made.portrait(SECONDS, FPS, away=(3, 5)))


@cache
def _speech() -> np.ndarray:
    talk = made.speech(5)
    samples = np.concatenate([made.silence(1.5), talk, made.silence(SECONDS)])
    return samples[: round(SECONDS * made.RATE)].astype(np.float32)


def _cues() -> tuple[Cue, ...]:
    texts = ("I am so happy that you came!", "It was the worst day of my life.", "The train leaves at nine.")
    return tuple(Cue(0.5 + 2.5 * i, 2.4 + 2.5 * i, text) for i, text in enumerate(texts))


def chunks(kind: str, cut: float, *, shift: float = 0.0, nothing: str = "") -> Iterator[Chunk]:
    """The stream of a kind in chunks of ``cut`` s, ``shift`` s later, or with nothing in it."""
    if kind in SIGNAL_KINDS:
        yield from _signal_chunks(kind, cut, shift, nothing)
    elif kind == "words":
        cues = () if nothing else tuple(Cue(c.start + shift, c.end + shift, c.text) for c in _cues())
        step = max(1, round(cut))
        for first in range(0, len(cues), step):
            yield WordsChunk("words", cues[first : first + step], "en")
    elif kind == "sound":
        samples = {"": _speech(), "silence": np.zeros_like(_speech()), "nan": np.full_like(_speech(), np.nan)}[nothing]
        step = max(1, round(cut * made.RATE))
        for first in range(0, len(samples), step):
            start = first + round(shift * made.RATE)
            yield SoundChunk("sound", start, samples[first : first + step], made.RATE)
    else:
        dark = {"dark": 0, "wall": 140}
        frames = [np.full_like(f, dark[nothing]) for f in _pictures()] if nothing else _pictures()
        times = np.arange(len(frames)) / FPS + shift
        step = max(1, round(cut * FPS))
        for first in range(0, len(frames), step):
            part = slice(first, first + step)
            yield PictureChunk("picture", times[part], times[part] + 1 / FPS, frames[part])


def _columns_are_declared(spec: ExtractorSpec, pieces: list[Piece]) -> None:
    declared = {t.name: t for t in spec.tracks}
    for piece in pieces:
        if len(piece.times):
            assert (piece.ends is not None) == declared[piece.track].ends, piece.track
            assert (piece.texts is not None) == declared[piece.track].texts, piece.track


def run(name: str, kind: str, stream: Iterable[Chunk], *, shift: float = 0.0) -> dict[str, TrackSet]:
    spec = spec_of(name)
    extractor = spec.make(MeasureContext(Span(shift, shift + seconds_of(kind)), options={"reads": kind}))
    pieces: list[Piece] = []
    for chunk in stream:
        pieces += extractor.push(chunk)
    pieces += extractor.close()
    _columns_are_declared(spec, pieces)
    return {t.name: TrackSet.from_pieces(t, [p for p in pieces if p.track == t.name]) for t in spec.tracks}


@cache
def whole(name: str, kind: str) -> dict[str, TrackSet]:
    return run(name, kind, chunks(kind, seconds_of(kind)))


def same(a: dict[str, TrackSet], b: dict[str, TrackSet]) -> None:
    assert a.keys() == b.keys()
    for track in a:
        assert set(a[track]) == set(b[track]), track
        for subject, one in a[track].items():
            two = b[track][subject]
            assert np.array_equal(one.times, two.times), (track, subject)
            assert np.array_equal(one.values, two.values, equal_nan=True), (track, subject)
            assert np.array_equal(one.quality, two.quality), (track, subject)
            assert one.gaps == two.gaps, (track, subject)
            assert one.texts == two.texts, (track, subject)
            assert (one.ends is None) == (two.ends is None), (track, subject)
            assert one.ends is None or np.array_equal(one.ends, two.ends), (track, subject)


@pytest.mark.parametrize("cut", [0.01, 0.37, 2.0, 30.0])
@pytest.mark.parametrize(("name", "kind"), CASES)
def test_chunked_is_whole(name: str, kind: str, cut: float) -> None:
    same(run(name, kind, chunks(kind, cut)), whole(name, kind))


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_a_shift_in_time_shifts_the_output(name: str, kind: str) -> None:
    shift = 30.0 if kind in SIGNAL_KINDS else 4.0
    shifted = run(name, kind, chunks(kind, 1.0, shift=shift), shift=shift)
    for track, tracks in whole(name, kind).items():
        for subject, one in tracks.items():
            two = shifted[track][subject]
            assert np.allclose(two.times, one.times + shift, atol=1e-6), (track, subject)
            moved = np.array([shift * (f.name in MOMENTS) for f in one.spec.fields])
            assert np.allclose(two.values, one.values + moved, equal_nan=True, atol=2e-3, rtol=1e-3), (track, subject)
            assert [(round(g.start - shift, 3), round(g.end - shift, 3), g.reason) for g in two.gaps] == [
                (round(g.start, 3), round(g.end, 3), g.reason) for g in one.gaps
            ]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_fields_ranges_and_quality_are_kept(name: str, kind: str) -> None:
    some = 0
    for tracks in whole(name, kind).values():
        spec = tracks.spec
        for track in (t for _, t in tracks.items()):
            some += len(track)
            assert track.values.shape == (len(track), len(spec.fields))
            assert (np.diff(track.times) > 0).all() if track.ends is None else (np.diff(track.times) >= 0).all()
            assert ((track.quality >= 0) & (track.quality <= 1)).all()
            for i, field in enumerate(spec.fields):
                told = track.values[:, i][np.isfinite(track.values[:, i])]
                assert field.low is None or (told >= field.low - 1e-5).all(), (spec.name, field.name)
                assert field.high is None or (told <= field.high + 1e-5).all(), (spec.name, field.name)
    assert some > 0, "the law had nothing to look at"


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_every_missing_stretch_has_a_reason(name: str, kind: str) -> None:
    """Samples that hold and gaps leave no hole, and no sample lies inside a gap."""
    for tracks in whole(name, kind).values():
        for subject, track in tracks.items():
            if not len(track):
                continue
            missing = track.missing()
            middles = (track.times + track.ends) / 2 if track.ends is not None else track.times + 1e-9
            assert not missing.mask(middles).any(), (tracks.spec.name, subject)
            if tracks.spec.name in EVENTS:
                # Between two events nothing is missing; where the signal is, so are they.
                assert track.gaps == whole(name, kind)[EVENTS[tracks.spec.name]][subject].gaps
                continue
            longest = 1.01 / FPS if kind == "picture" else 1.01 / (tracks.spec.rate_hz or 1)
            ends = track.ends if track.ends is not None else track.times + longest
            told = Timeline(zip(track.times, ends, strict=True))
            left = Timeline([(0, seconds_of(kind))]) - told - missing
            assert max((s.duration for s in left), default=0) <= longest, (tracks.spec.name, subject, left)


#: Tracks of events, and the track that is told wherever there could be one.
EVENTS = {"body.scr": "body.eda"}
#: Fields that are moments on the recording's clock.
MOMENTS = ("peak",)

#: What holds no number for whom. Noise in muscle, temperature or acceleration cannot be told from a signal.
_SIGNAL_NOTHING = {"ecg": ("nan", "zero", "noise"), "ppg": ("nan", "zero", "noise"), "resp": ("nan", "zero", "noise")}
_OTHER_NOTHING = {"sound": ("silence", "nan"), "picture": ("dark", "wall"), "words": ("none",)}
NOTHING = [
    (n, k, w)
    for n, k in CASES
    for w in (_SIGNAL_NOTHING.get(k, ("nan", "zero")) if k in SIGNAL_KINDS else _OTHER_NOTHING[k])
]
REASON = {
    "silence": {"silence"},
    "nan": {"not_finite", "artefact"},
    "dark": {"dark"},
    "wall": {"no_face"},
    "none": {"no_words"},
    "zero": {"flat", "no_contact", "out_of_range", "artefact"},
    "noise": {"artefact"},
}


@pytest.mark.parametrize(("name", "kind", "nothing"), NOTHING)
def test_nothing_gives_gaps_and_no_numbers(name: str, kind: str, nothing: str) -> None:
    reasons = set()
    for tracks in run(name, kind, chunks(kind, 1.0, nothing=nothing)).values():
        for _, track in tracks.items():
            if tracks.spec.name != "voice.activity":
                # Two beats in noise may look alike by chance; that makes an interval, and no heart rate.
                assert len(track) <= (3 if (tracks.spec.name, nothing) == ("body.beats", "noise") else 0), track
            reasons |= {g.reason for g in track.gaps}
    assert reasons & REASON[nothing], reasons
