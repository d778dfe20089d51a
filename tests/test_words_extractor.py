"""Transcripts and sound to words and emotion: spans, subjects, and why nothing is told where nothing is."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

import moodal
import recordings as made
from moodal.analyze import analyze_into
from moodal.core.clock import Span, Timeline
from moodal.core.errors import InputError, MissingExtra, ModelError
from moodal.core.extractor import MeasureContext
from moodal.core.scheme import scheme
from moodal.core.stream import Chunk, Cue, SoundChunk, WordsChunk
from moodal.core.track import Piece, Track, TrackSet
from moodal.extract.words import SPEC, teller
from moodal.extract.words.model import TextModel
from moodal.settings import settings_from

CLASSES = scheme("ekman8").classes
TRANSCRIPT, EMOTION = "words.transcript", "words.emotion"


def run(stream: Iterable[Chunk], end: float, *, start: float = 0.0, clock: str = "time", **options: object) -> dict:
    extractor = SPEC.make(MeasureContext(Span(start, end), clock=clock, options=dict(options)))
    pieces: list[Piece] = []
    for chunk in stream:
        pieces += extractor.push(chunk)
    pieces += extractor.close()
    return {t.name: TrackSet.from_pieces(t, [p for p in pieces if p.track == t.name]) for t in SPEC.tracks}


def cues(*rows: tuple[float, float, str], language: str | None = "en") -> list[Chunk]:
    return [WordsChunk("words", tuple(Cue(*row) for row in rows), language)]


def sound(samples: np.ndarray, cut_s: float = 1.0) -> list[Chunk]:
    step = round(cut_s * made.RATE)
    data = samples.astype(np.float32)
    return [SoundChunk("sound", i, data[i : i + step], made.RATE) for i in range(0, len(data), step)]


def top(track: Track) -> list[str]:
    return [CLASSES[i] for i in track.values[:, : len(CLASSES)].argmax(axis=1)]


def reasons(tracks: dict[str, TrackSet]) -> set[str]:
    """Reasons for gaps, after checking that nothing at all is told and the gaps leave no hole."""
    for one in tracks.values():
        assert len(one.only) == 0
    return {g.reason for one in tracks.values() for g in one.only.gaps}


SRT = "1\n00:00:01,000 --> 00:00:03,000\nI am so happy!\n\n2\n00:00:04,000 --> 00:00:06,500\nI hate you, go away.\n"
VTT = "WEBVTT\n\n00:01.000 --> 00:03.000\nI am so happy!\n\n00:04.000 --> 00:06.500\nI hate you, go away.\n"
WHISPER = {
    "language": "en",
    "segments": [
        {"start": 1.0, "end": 3.0, "text": " I am so happy!", "words": [
            {"start": 1.0, "end": 1.2, "word": " I", "probability": 0.8},
            {"start": 1.2, "end": 1.6, "word": " am", "probability": 0.9},
            {"start": 1.6, "end": 2.0, "word": " so", "probability": 0.7},
            {"start": 2.0, "end": 2.8, "word": " happy!", "probability": 1.0},
        ]},
        {"start": 4.0, "end": 6.5, "text": " I hate you, go away."},
    ],
}  # fmt: skip


@pytest.mark.usefixtures("models")
def test_tables_have_all_their_columns_even_where_nothing_is_in_them(tmp_path: Path) -> None:
    made.write_wav(tmp_path / "quiet.wav", made.silence(3))
    spec = next(t for t in SPEC.tracks if t.name == TRANSCRIPT)
    columns = ["time_s", "end_s", "subject", "probability", "text", "quality"]
    assert list(TrackSet(spec).columns()) == columns
    mood = moodal.analyze(tmp_path / "quiet.wav", out=tmp_path, only="words")
    assert list(mood.tracks["words.transcript"].columns()) == columns
    assert list(TrackSet(spec, {"voice": Track.from_pieces(spec, "voice", ())}).columns()) == columns


@pytest.mark.parametrize(("name", "text"), [("a.srt", SRT), ("a.vtt", VTT), ("a.json", json.dumps(WHISPER))])
def test_a_transcript_gives_words_and_emotion_where_they_were_said(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    words, emotion = moodal.extract(path, TRANSCRIPT), moodal.extract(path, EMOTION)
    assert words.subjects == emotion.subjects == ("voice",)
    assert words.only.texts == ("I", "am", "so", "happy!", "I", "hate", "you,", "go", "away.")
    assert ((words.times[:4] >= 1.0) & (words.only.ends[:4] <= 3.0)).all()
    assert ((words.times[4:] >= 4.0) & (words.only.ends[4:] <= 6.5)).all()
    assert (words.only.ends > words.times).all()
    assert list(zip(emotion.times, emotion.only.ends, strict=True)) == [(1.0, 3.0), (4.0, 6.5)]
    assert emotion.only.texts == ("I am so happy!", "I hate you, go away.")
    assert top(emotion.only) == ["happiness", "anger"]
    assert [(g.start, g.end, g.reason) for g in emotion.gaps] == [(0.0, 1.0, "no_words"), (3.0, 4.0, "no_words")]
    if name.endswith("json"):
        assert words.times[:4].tolist() == [1.0, 1.2, 1.6, 2.0]
        assert words.only["probability"][:4] == pytest.approx([0.8, 0.9, 0.7, 1.0])
        assert np.isnan(words.only["probability"][4:]).all()
        assert emotion.quality[0] < emotion.quality[1], "doubtful words make a doubtful emotion"


def test_plain_text_is_of_the_subject_text_one_second_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("I am so happy! The train leaves at nine. I miss her so much, I cried all night.")
    emotion, words = moodal.extract(path, EMOTION), moodal.extract(path, TRANSCRIPT)
    assert emotion.subjects == words.subjects == ("text",)
    assert emotion.times.tolist() == [0.0, 1.0, 2.0]
    assert emotion.only.ends.tolist() == [1.0, 2.0, 3.0]
    assert top(emotion.only) == ["happiness", "neutral", "sadness"]
    assert emotion.gaps == ()
    assert np.isnan(words.only["probability"]).all()
    assert (words.quality == 1).all()
    assert words.times[words.only.texts.index("The")] == 1.0


def test_a_transcript_beside_a_recording_is_read_instead_of_its_sound(tmp_path: Path) -> None:
    made.write_wav(tmp_path / "talk.wav", made.noise(8))
    (tmp_path / "talk.srt").write_text(SRT)
    mood = moodal.analyze(tmp_path / "talk.wav", with_=tmp_path / "talk.srt", only="words")
    assert [w["text"] for w in mood.summary()["words"]][:2] == ["I", "am"]
    assert list(mood.subjects) == ["voice"]
    assert "words-v0" in {m["name"] for m in mood.summary()["models"]}


def test_empty_text_says_no_words(tmp_path: Path) -> None:
    assert reasons(run([], 3.0, reads="words")) == reasons(run(cues(), 3.0)) == {"no_words"}
    path = tmp_path / "empty.txt"
    path.write_text(" \n\n ")
    mood = moodal.analyze(path)
    assert not any(s.told.any() for s in mood.subjects.values())
    assert {g.reason for g in mood.gaps if g.modality == "words"} == {"no_words"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("... 12 345 !!", "no_words"),
        ("zxqv blorp", "language"),
        ("Ich bin heute sehr glücklich.", "language"),
        ("¿Dónde está la biblioteca de la ciudad?", "language"),
    ],
)
def test_a_cue_without_english_has_words_but_no_emotion(text: str, reason: str) -> None:
    tracks = run(cues((1, 2, text), language=None), 3.0)
    assert tracks[TRANSCRIPT].only.texts == tuple(text.split())
    assert len(tracks[EMOTION].only) == 0
    assert [g.reason for g in tracks[EMOTION].only.gaps if g.start <= 1.0 and g.end >= 2.0] == [reason]


def test_a_transcript_that_names_another_language_is_withheld_and_the_option_overrules_it() -> None:
    rows = cues((0, 1, "I am so happy!"), language="pl")
    assert {g.reason for g in run(rows, 1.0)[EMOTION].only.gaps} == {"language"}
    assert top(run(rows, 1.0, language="en-GB")[EMOTION].only) == ["happiness"]


def test_cues_are_cut_to_the_span_measured() -> None:
    tracks = run(cues((0, 2, "so happy"), (3, 6, "so sad"), (8, 9, "so what")), 4.0, start=1.0)
    emotion = tracks[EMOTION].only
    assert list(zip(emotion.times, emotion.ends, strict=True)) == [(1.0, 2.0), (3.0, 4.0)]
    words = tracks[TRANSCRIPT].only
    assert ((words.times >= 1) & (words.ends <= 4)).all()
    assert [(g.start, g.end) for g in emotion.gaps] == [(2.0, 3.0)]


def test_scores_that_are_no_probabilities_are_no_scores() -> None:
    words = ((0.0, 0.5, "so", 97.0), (0.5, 1.0, "happy", -0.3))
    tracks = run([WordsChunk("words", (Cue(0.0, 1.0, "so happy", None, words),), "en")], 1.0)
    for track in (tracks[TRANSCRIPT].only, tracks[EMOTION].only):
        assert ((track.quality >= 0) & (track.quality <= 1)).all()
    assert np.isnan(tracks[TRANSCRIPT].only["probability"]).all()


def test_overlapping_cues_are_both_told_in_order() -> None:
    tracks = run(cues((0, 4, "I am so happy!"), (1, 3, "I hate you!"), (2, 5, "That is disgusting.")), 5.0)
    emotion = tracks[EMOTION].only
    assert emotion.times.tolist() == [0.0, 1.0, 2.0]
    assert top(emotion) == ["happiness", "anger", "disgust"]
    assert emotion.gaps == ()
    assert (np.diff(tracks[TRANSCRIPT].only.times) >= 0).all()


def test_only_what_is_wanted_is_measured() -> None:
    extractor = SPEC.make(MeasureContext(Span(0.0, 1.0), want=frozenset([TRANSCRIPT])))
    pieces = [*extractor.push(cues((0, 1, "so happy"))[0]), *extractor.close()]
    assert {p.track for p in pieces} == {TRANSCRIPT}


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(
    ("kind", "reason"), [("silence", "silence"), ("noise", "no_words"), ("hum", "no_words"), ("nan", "not_finite")]
)
def test_sound_of_nothing_has_no_words_and_a_reason(kind: str, reason: str) -> None:
    pytest.importorskip("faster_whisper")
    samples = {
        "silence": made.silence(4),
        "noise": made.noise(6),
        "hum": 0.2 * np.sin(2 * np.pi * 50 * np.arange(4 * made.RATE) / made.RATE),
        "nan": np.full(3 * made.RATE, np.nan),
    }[kind]
    end = len(samples) / made.RATE
    tracks = run(sound(samples), end, reads="sound")
    assert reasons(tracks) == {reason}
    for one in tracks.values():
        assert one.subjects == ("voice",)
        assert Timeline(g.span for g in one.only.gaps).duration == pytest.approx(end)


@pytest.mark.usefixtures("models")
def test_sound_at_another_rate_is_refused_in_one_line() -> None:
    pytest.importorskip("faster_whisper")
    extractor = SPEC.make(MeasureContext(Span(0.0, 1.0), options={"reads": "sound"}))
    with pytest.raises(InputError, match="44100 Hz") as error:
        extractor.push(SoundChunk("sound", 0, np.zeros(441, np.float32), 44100))
    assert "\n" not in str(error.value)


@pytest.fixture
def no_whisper(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if faster-whisper were not installed."""
    monkeypatch.setitem(sys.modules, "faster_whisper", None)


@pytest.mark.usefixtures("models", "no_whisper")
@pytest.mark.parametrize("only", ["words", "voice,words"])
def test_without_the_optional_package_words_are_a_gap_and_the_run_is_done(tmp_path: Path, only: str) -> None:
    recording = moodal.read(made.write_wav(tmp_path / "talk.wav", made.silence(2)))
    mood, measured = analyze_into(recording, tmp_path / "talk.mood", settings_from(only=only))
    assert not measured.failed, "going without an optional package is no failure: exit code 0"
    assert measured.withheld["words"] == "no_model"
    (warning,) = [w for w in mood.warnings if "faster-whisper" in w]
    assert "pip install 'moodal[asr]'" in warning
    assert "\n" not in warning
    gaps = [g for g in mood.gaps if g.modality == "words"]
    assert {g.reason for g in gaps} == {"no_model"}
    assert sum(g.end - g.start for g in gaps) == pytest.approx(2.0)
    assert "words-v0" not in {m["name"] for m in mood.summary()["models"]}


@pytest.mark.usefixtures("no_whisper")
def test_a_transcript_needs_no_optional_package(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    path.write_text(SRT)
    assert top(moodal.extract(path, EMOTION).only) == ["happiness", "anger"]


@pytest.mark.usefixtures("models", "no_whisper")
def test_the_missing_package_is_named_where_sound_is_announced_and_a_gap_where_it_is_not() -> None:
    with pytest.raises(MissingExtra, match="faster-whisper"):
        SPEC.make(MeasureContext(Span(0.0, 1.0), options={"reads": "sound"}))
    assert reasons(run(sound(made.silence(1)), 1.0)) == {"no_model"}


@pytest.mark.usefixtures("models")
def test_a_folder_that_is_no_speech_model_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("faster_whisper")
    (tmp_path / "model.bin").write_bytes(b"no model")
    for line in ("no tokenizer.json", "cannot be loaded"):
        with pytest.raises(ModelError, match=line) as error:
            SPEC.make(MeasureContext(Span(0.0, 1.0), options={"reads": "sound", "asr_model": str(tmp_path)}))
        assert "\n" not in str(error.value)
        (tmp_path / "tokenizer.json").write_text("{}")


def test_a_damaged_text_model_is_one_line_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged() -> TextModel:
        raise ModelError("array labels cannot be read", where="words-v0.bundle", fix="Install moodal again.")

    monkeypatch.setattr(teller, "open_model", damaged)
    monkeypatch.setattr("moodal.core.expert.ROLES", ())  # as where no expert of words is installed
    path = tmp_path / "a.srt"
    path.write_text(SRT)
    with pytest.raises(ModelError, match="array labels cannot be read") as error:
        moodal.analyze(path, only="words")
    assert "\n" not in str(error.value)
