"""A dialogue model of the lab in the product: the same scores everywhere, whatever comes later, and clear doors."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import moodal
from contract import check_cover, check_folder, check_summary, run
from experts import ENCODER, MELD7, Trained, encoder, installed, subtitles, trained
from moodal.core import registry
from moodal.core.bundle import Bundle
from moodal.core.clock import Span
from moodal.core.errors import ModelError, UsageError
from moodal.core.expert import expert_of, find_expert
from moodal.core.extractor import MeasureContext
from moodal.core.scheme import CIRCUMPLEX, mapping, scheme
from moodal.core.stream import Cue, WordsChunk
from moodal.core.track import TrackSet
from moodal.extract.words import SPEC
from moodal.extract.words.dialogue import Running, open_dialogue
from moodal.media.transcript import parse
from moodal.settings import settings_from

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

EKMAN8 = scheme("ekman8").classes
P = [f"p_{c}" for c in EKMAN8]
CLOSE = 1e-4


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as one:
        was = torch.get_num_threads()
        torch.set_num_threads(1)
        yield one
        torch.set_num_threads(was)
    registry._opened.cache_clear()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, patch: pytest.MonkeyPatch) -> Trained:
    """A model that knows the past through its encoder alone."""
    return trained(tmp_path_factory.mktemp("plain"), patch=patch)


@pytest.fixture
def here(plain: Trained, monkeypatch: pytest.MonkeyPatch) -> Trained:
    installed(monkeypatch, plain.folder)
    return plain


@pytest.fixture
def no_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Made-up sentences are English of no kind."""
    from moodal.extract.words import scorer

    monkeypatch.setattr(scorer, "LANGUAGE_FLOORS", 1e9)


def in_ekman8(scores: np.ndarray) -> np.ndarray:
    return mapping("meld7", "ekman8").apply(scores)


def dialogue(made: Trained) -> tuple[list[str], list[str]]:
    index = made.data.index.take(made.test)
    return index["text"].tolist(), index["subject"].tolist()


def at_cues(mood: Any, n: int) -> np.ndarray:
    """The Mood's class scores in the middle of each cue of two seconds."""
    table = mood.columns()
    rows = [int(np.flatnonzero(table["time_s"] >= 2 * i + 1 - 1e-9)[0]) for i in range(n)]
    return np.stack([table[p][rows] for p in P], axis=1)


# ---- the same scores


@pytest.mark.usefixtures("no_gate")
@pytest.mark.parametrize(("context", "use"), [(0, "lsgmer"), (2, "lsgmer"), (3, "late")])
def test_the_same_scores_in_the_bench_the_bundle_the_product_and_the_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, context: int, use: str
) -> None:
    made = trained(tmp_path / "lab", context=context, use=use, patch=monkeypatch)
    part = made.data.take(made.test)
    bench = made.run.fitted().predict(part.sealed()).scores
    assert np.ptp(bench, axis=0).max() > 1e-3, "a model that says one thing of everything proves nothing"
    texts, speakers = dialogue(made)

    model = open_dialogue(expert_of(Bundle.open(made.bundle)))
    assert np.abs(model.predict(texts, speaker=speakers).scores - bench).max() < CLOSE

    running = Running(model)
    one_by_one = [running.tell(t, s) for t, s in zip(texts, speakers, strict=True)]
    assert np.abs(np.array(one_by_one) - bench).max() < CLOSE

    srt = subtitles(tmp_path / "talk.srt", texts, speakers if context else ())
    mood = moodal.analyze(srt, model="talk-tiny")
    assert np.abs(at_cues(mood, len(texts)) - in_ekman8(bench)).max() < CLOSE

    from moodal.lab.score import score

    with (tmp_path / "index.csv").open("w") as file:
        table = csv.writer(file)
        table.writerow(["text", "dialogue", "turn", "subject", "emotion"])
        rows = list(zip(texts, range(len(texts)), speakers, MELD7, strict=False))
        for text, turn, who, label in reversed(rows):
            table.writerow([text, "d", turn, who, label])
    scored = score(tmp_path / "index.csv", bundle="talk-tiny", label="emotion")
    assert scored.answer["scheme"] == "meld7"
    assert np.abs(scored.prediction.scores[::-1] - bench).max() < CLOSE
    assert scored.answer["contamination"]["in-sample"] + scored.answer["contamination"]["held-out"] == len(texts)


@pytest.mark.usefixtures("no_gate")
def test_a_cue_holds_exactly_what_the_model_says(here: Trained, tmp_path: Path) -> None:
    texts, _ = dialogue(here)
    mood = moodal.analyze(subtitles(tmp_path / "talk.srt", texts), model=here.bundle, out=tmp_path)
    track = mood.tracks["words.emotion"].only
    assert len(track) == len(texts)
    assert np.array_equal(at_cues(mood, len(texts)), np.asarray(track.values[:, :8], float))
    assert np.isnan(track["dominance"]).all()
    place = np.array([CIRCUMPLEX[c] for c in EKMAN8])
    assert np.allclose(track.values[:, 8:10], track.values[:, :8] @ place, atol=1e-6)
    [subject] = mood.subjects.values()
    told = np.isfinite(subject.valence[:, 0])
    assert told.all()
    assert np.allclose((subject.valence[:, 2] - subject.valence[:, 1])[np.abs(subject.valence).max(axis=1) < 1], 1.2)
    assert mood.modalities == ("words",)
    assert (subject.support["words"] == 1).all()
    assert mood.basis["valence"] == "mapped"
    assert at_cues(mood, 1)[0, EKMAN8.index("contempt")] == 0
    reloaded = moodal.load(tmp_path / "talk.mood")
    assert np.array_equal(at_cues(reloaded, len(texts)), at_cues(mood, len(texts)))


# ---- laws


def measured(model: Path, cues: list[Cue], step: int, end: float) -> TrackSet:
    extractor = SPEC.make(MeasureContext(Span(0.0, end), options={"reads": "words", "model": str(model)}))
    pieces = []
    for first in range(0, len(cues), step):
        pieces += extractor.push(WordsChunk("words", tuple(cues[first : first + step]), "en"))
    pieces += extractor.close()
    spec = SPEC.track("words.emotion")
    return TrackSet.from_pieces(spec, [p for p in pieces if p.track == spec.name])


def cues_of(texts: list[str]) -> list[Cue]:
    return [Cue(2.0 * i, 2.0 * i + 2, t) for i, t in enumerate(texts)]


@pytest.mark.usefixtures("no_gate")
@pytest.mark.parametrize("step", [1, 2, 3])
def test_chunked_is_whole(here: Trained, step: int) -> None:
    cues = cues_of(dialogue(here)[0])
    whole, cut = (measured(here.bundle, cues, s, 2.0 * len(cues)).only for s in (len(cues), step))
    assert np.array_equal(whole.times, cut.times)
    assert np.array_equal(whole.values, cut.values, equal_nan=True)
    assert whole.gaps == cut.gaps


@pytest.mark.usefixtures("no_gate")
def test_only_the_past_counts_and_it_does(here: Trained) -> None:
    texts = dialogue(here)[0]
    whole = measured(here.bundle, cues_of(texts), 9, 99.0).only
    for k in range(1, len(texts)):
        part = measured(here.bundle, cues_of(texts[:k]), 9, 99.0).only
        assert np.array_equal(part.values, whole.values[:k], equal_nan=True)
    other = measured(here.bundle, cues_of(["you are late again!", *texts[1:]]), 9, 99.0).only
    assert not np.allclose(other.values[1, :8], whole.values[1, :8]), "the first turn is past to the second"
    assert np.array_equal(other.values[4:], whole.values[4:], equal_nan=True), "and out of reach of the fifth"


@pytest.mark.usefixtures("no_gate")
def test_live_is_the_same_as_a_file(here: Trained, tmp_path: Path) -> None:
    texts = dialogue(here)[0]
    mood = moodal.analyze(subtitles(tmp_path / "talk.srt", texts), model="talk-tiny")
    with moodal.stream(("words",), only="words", model="talk-tiny") as live:
        points = [p for c in cues_of(texts) for p in live.push(WordsChunk("words", (c,), "en"))] + live.close()
    told = [next(p for p in points if p.start >= 2 * i + 1 - 1e-9) for i in range(len(texts))]
    assert np.array_equal(np.array([list(p.classes.values()) for p in told]), at_cues(mood, len(texts)))
    assert told[0].support == {"words": 1.0}
    with pytest.raises(UsageError, match="talk-tiny reads words"):
        moodal.stream(("picture",), only="face", model="talk-tiny")


def test_a_stretch_without_words_and_another_language_are_gaps(here: Trained) -> None:
    cues = [Cue(0, 2, "What a wonderful day, I am so happy today!"), Cue(4, 6, "You are so late again.")]
    one = measured(here.bundle, cues, 1, 8.0).only
    assert [(g.start, g.end, g.reason) for g in one.gaps] == [(2, 4, "no_words"), (6, 8, "no_words")]
    foreign = [Cue(0, 2, "Ich bin heute wirklich sehr glücklich, das ist wunderbar.")]
    assert {g.reason for g in measured(here.bundle, foreign, 1, 2.0).only.gaps} == {"language"}
    # A name or a cry has little of any language: what was said before it tells.
    assert len(measured(here.bundle, [*cues, Cue(6, 8, "Ni-chou chi-ma!")], 1, 8.0).only) == 3


@pytest.mark.parametrize(
    ("texts", "speakers"),
    [
        (["Anna: Hello.", "Dr. Cole: Come in!"], ["Anna", "Dr. Cole"]),
        (["Anna: Hello.", "Come in!"], [None, None]),
        (["Note: one cue alone is no pattern."], [None]),
        (["10:30 it was.", "11:15 now."], [None, None]),
    ],
)
def test_srt_names_speakers_if_every_cue_does(tmp_path: Path, texts: list[str], speakers: list[str | None]) -> None:
    cues = parse(subtitles(tmp_path / "talk.srt", texts))[0]
    assert [c.speaker for c in cues] == speakers
    said = [t.split(": ", 1)[1] if s else t for t, s in zip(texts, speakers, strict=True)]
    assert [c.text for c in cues] == said


# ---- what is told of it


@pytest.mark.usefixtures("no_gate")
def test_summary_provenance_page_and_edits_name_the_model(here: Trained, tmp_path: Path) -> None:
    texts = dialogue(here)[0]
    subtitles(tmp_path / "talk.srt", texts)
    ran = run("analyze", "talk.srt", "--model", "talk-tiny", "--scheme", "ekman8,sentiment3", "--json", cwd=tmp_path)
    assert ran.code == 0, ran.err
    [summary] = ran.rows
    check_summary(summary, others=("sentiment3",))
    check_folder(tmp_path / "talk.mood")
    check_cover(tmp_path / "talk.mood")
    named = {m["name"]: m for m in summary["models"]}
    assert {"talk-tiny", ENCODER} <= set(named)
    assert "late-v0" not in named
    assert named["talk-tiny"]["commercial"] is False
    assert summary["calibrated"] is True
    assert named["talk-tiny"]["contamination"] == "held-out"
    train = here.data.index["text"][:40]
    known = max(train, key=lambda t: len(t.split()))
    assert len(known.split()) >= 6
    subtitles(tmp_path / "known.srt", ["What a day!", known])
    [of_training] = run("analyze", "known.srt", "--model", "talk-tiny", "--json", cwd=tmp_path).rows
    assert {m["name"]: m for m in of_training["models"]}["talk-tiny"]["contamination"] == "in-sample"
    provenance = json.loads((tmp_path / "talk.mood" / "provenance.json").read_text())
    assert provenance["fusion"]["model"] == "talk-tiny"
    assert provenance["settings"]["model"] == "talk-tiny"
    assert provenance["fusion"]["encoders"]["text"]["name"] == ENCODER
    assert "talk-tiny" in (tmp_path / "talk.mood" / "index.html").read_text()
    before = moodal.load(tmp_path / "talk.mood")
    after = moodal.people(tmp_path / "talk.mood", merge="voice", name="Anna")
    assert np.array_equal(at_cues(after, len(texts)), at_cues(before, len(texts)))
    assert after.calibrated
    assert [m["name"] for m in after.models] == [m["name"] for m in before.models]
    shown = run("models", "list", "--json", cwd=tmp_path).rows[0]
    assert {"talk-tiny", ENCODER} <= {row["name"] for row in shown}


@pytest.mark.usefixtures("no_gate", "models")
def test_other_modalities_give_their_tracks_and_no_support(here: Trained, tmp_path: Path) -> None:
    import recordings as made

    made.write_video(tmp_path / "talk.mp4", made.portrait(4), sound=made.silence(4))
    texts = dialogue(here)[0][:2]
    options = ("--with", subtitles(tmp_path / "said.srt", texts), "--model", "talk-tiny", "--json")
    [summary] = run("analyze", "talk.mp4", *options, "--only", "face,words", cwd=tmp_path).rows
    check_summary(summary)
    [person] = summary["subjects"]
    assert person["id"] == "p1"
    assert all(s["support"] in ({}, {"words": 1.0}) for s in person["segments"])
    mood = moodal.load(tmp_path / "talk.mood")
    assert {"face.expression", "words.emotion"} <= set(mood.tracks)
    alone = run("analyze", "talk.mp4", *options, cwd=tmp_path).rows[0]
    assert "face.expression" not in moodal.load(tmp_path / "talk.mood").tracks
    assert [s["id"] for s in alone["subjects"]] == ["voice"]


@pytest.mark.usefixtures("no_gate")
def test_label_sets_follow_the_manifest(here: Trained, tmp_path: Path) -> None:
    source = Bundle.open(here.bundle)
    encoder(tmp_path / f"{ENCODER}.bundle")
    told = {**source.manifest, "name": "sets", "half_width": {"valence": 0.3}}
    told["calibration"] = {**(told["calibration"] or {}), "label_sets": {"least": 0.14, "level": 0.8}}
    Bundle.write(tmp_path / "sets.bundle", told, source.card, {}, {"model": source.graph("model")})
    texts = dialogue(here)[0]
    mood = moodal.analyze(subtitles(tmp_path / "talk.srt", texts), model=tmp_path / "sets.bundle", out=tmp_path)
    [subject] = mood.subjects.values()
    wanted = subject.classes["ekman8"] >= 0.14
    wanted[np.arange(len(wanted)), subject.classes["ekman8"].argmax(axis=1)] = True
    assert np.array_equal(subject.label_set["ekman8"], wanted)
    assert mood.summary()["coverage_aimed_at"] == 0.8
    [told_subject] = moodal.load(tmp_path / "talk.mood").summary()["subjects"]
    for state in told_subject["segments"]:
        assert set(state["label_set"]) >= {c for c, v in state["classes"].items() if v >= 0.14 + 1e-6}
    assert np.allclose((subject.valence[:, 2] - subject.valence[:, 1])[np.abs(subject.valence).max(axis=1) < 1], 0.6)


@pytest.mark.usefixtures("no_gate")
def test_many_with_a_path_in_processes_and_a_changed_bundle_is_done_again(here: Trained, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        subtitles(tmp_path / "in" / f"{name}.srt", ["What a wonderful day, I am so happy today!"])
    home = tmp_path / "bundles"
    home.mkdir()
    for file in here.folder.iterdir():
        (home / file.name).write_bytes(file.read_bytes())
    command = ("analyze", "in", "--model", home / "talk-tiny.bundle", "--out", "out", "--json")
    ran = run(*command, "--jobs", "2", cwd=tmp_path)
    assert ran.code == 0, ran.err
    assert all("talk-tiny" in {m["name"] for m in row["models"]} for row in ran.rows)
    assert not any(row["timing"]["analysis_s"] for row in run(*command, cwd=tmp_path).rows), "finished"
    source = Bundle.open(home / "talk-tiny.bundle")
    told = {**source.manifest, "version": "2"}
    Bundle.write(home / "talk-tiny.bundle", told, source.card, {}, {"model": source.graph("model")})
    assert all(row["timing"]["analysis_s"] for row in run(*command, cwd=tmp_path).rows)


# ---- doors


def test_commercial_use_is_refused(here: Trained, tmp_path: Path) -> None:
    subtitles(tmp_path / "talk.srt", ["I am so happy today"])
    for name in ("talk-tiny", str(here.bundle)):
        ran = run("analyze", "talk.srt", "--model", name, "--commercial", cwd=tmp_path)
        assert ran.code == 2
        assert "commercial use is not allowed by talk-tiny (made up: no terms)" in ran.err
        assert ENCODER not in ran.err, "the encoder allows it"
    assert list(tmp_path.iterdir()) == [tmp_path / "talk.srt"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("talk-tinny", "--model: unknown bundle 'talk-tinny'. Did you mean talk-tiny?"),
        ("nothing.bundle", "nothing.bundle: no such bundle"),
        (ENCODER, f"{ENCODER} is an encoder, which other bundles use"),
        ("words-v0", "words-v0 does not run by itself"),
    ],
)
def test_a_name_that_cannot_be_run_is_one_line(here: Trained, tmp_path: Path, name: str, says: str) -> None:
    subtitles(tmp_path / "talk.srt", ["I am so happy today"])
    ran = run("analyze", "talk.srt", "--model", name, cwd=tmp_path)
    assert (ran.code, ran.out, len(ran.complaints)) == (2, "", 1)
    assert says in ran.err
    assert list(tmp_path.iterdir()) == [tmp_path / "talk.srt"]


def test_what_it_reads_may_not_be_left_out(here: Trained, tmp_path: Path) -> None:
    subtitles(tmp_path / "talk.srt", ["I am so happy today"])
    ran = run("analyze", "talk.srt", "--model", "talk-tiny", "--only", "face", cwd=tmp_path)
    assert (ran.code, len(ran.complaints)) == (2, 1)
    assert "--only: talk-tiny reads words, which is left out" in ran.err


def test_the_fusion_that_ships_changes_nothing(tmp_path: Path) -> None:
    assert find_expert("late-v0") is None
    with_it = settings_from(model="late-v0")
    assert with_it.expert is None
    assert with_it.only == settings_from().only


@pytest.mark.parametrize("how", ["missing", "another", "damaged encoder", "damaged graph", "truncated", "no table"])
def test_a_bundle_that_lacks_something_is_one_line(
    here: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    subtitles(tmp_path / "talk.srt", ["I am so happy today"])
    home = tmp_path / "home"
    home.mkdir()
    file, other = home / "talk-tiny.bundle", home / f"{ENCODER}.bundle"
    file.write_bytes(here.bundle.read_bytes())
    source = Bundle.open(file)
    says = ""
    if how == "missing":
        says = f"talk-tiny: needs the encoder {ENCODER}, which is not installed"
    elif how == "another":
        encoder(other, seed=1)
        says = f"talk-tiny: needs the encoder {ENCODER} with SHA-256"
    elif how == "damaged encoder":
        whole = (here.folder / other.name).read_bytes()
        other.write_bytes(whole[: len(whole) // 2])
        says = "text-tiny.bundle: is not a readable bundle"
    elif how == "truncated":
        file.write_bytes(file.read_bytes()[:-200])
        encoder(other)
        says = "talk-tiny.bundle: is not a readable bundle"
    elif how == "damaged graph":
        encoder(other)
        Bundle.write(file, source.manifest, "", {}, {"model": source.graph("model")[:500]})
        says = "its graph cannot be run"
    else:
        encoder(other)
        told = {**source.manifest, "scheme": "toy"}
        told["model"] = {**told["model"], "classes": [f"c{i}" for i in range(7)]}
        Bundle.write(file, told, "", {}, {"model": source.graph("model")})
        says = "no table maps c0, c1, c2, c3, c4, c5, c6 to ekman8"
    installed(monkeypatch, home)
    for name in ("talk-tiny", str(file)):
        ran = run("analyze", "talk.srt", "--model", name, cwd=tmp_path)
        assert (ran.code, ran.out, len(ran.complaints)) == (2, "", 1), ran.err
        assert says in ran.err
    # Nothing of this stops whoever does not ask for it.
    assert run("analyze", "talk.srt", "--json", cwd=tmp_path).code == 0


def test_an_encoder_is_found_by_its_hash_beside_the_bundle(
    here: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    encoder(elsewhere / f"{ENCODER}.bundle", seed=5)
    installed(monkeypatch, elsewhere)
    expert = find_expert(str(here.bundle))
    assert expert is not None
    assert expert.encoders["text"].path == here.folder / f"{ENCODER}.bundle"


def test_export_refuses_features_of_another_encoder(here: Trained, tmp_path: Path, monkeypatch) -> None:
    from moodal.lab.export import export

    encoder(tmp_path / f"{ENCODER}.bundle", seed=7)
    installed(monkeypatch, tmp_path)
    with pytest.raises(ModelError, match="is not the one that the features of this run were made with"):
        export(here.run, tmp_path / "x.bundle")
    assert not (tmp_path / "x.bundle").exists()


def test_a_manifest_says_what_is_read(here: Trained) -> None:
    told = Bundle.open(here.bundle).manifest
    assert told["inputs"] == ["words.transcript", "dialogue"]
    assert told["encoders"]["text"]["sha256"] == Bundle.open(here.folder / f"{ENCODER}.bundle").sha256()
    assert told["dialogue"] == {"turns": 3, "speakers": False}
    assert told["uses"] == [ENCODER]
    assert told["scheme"] == "meld7"
    assert [(d["name"], d["n"]) for d in told["data"]] == [("talk", 78)]
    assert f"comes from the encoder {ENCODER}" in Bundle.open(here.bundle).card


def test_a_sentence_reads_the_same_in_any_company(tmp_path: Path) -> None:
    from moodal.extract.words.encoder import TextEncoder
    from moodal.lab.nn.text import TextNet
    from moodal.lab.train.text import write_encoder

    torch.manual_seed(0)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{i}" for i in range(40))]
    net = TextNet(len(vocabulary), 2, d=24, heads=2, inner=32)
    told = {"name": "e", "version": "1", "licence": "", "commercial": False, "data_terms": "", "longest": 48, "own": 16}
    write_encoder(tmp_path / "e.bundle", net, vocabulary, {**told, "past": 2}, "")
    model = TextEncoder(Bundle.open(tmp_path / "e.bundle")).load()
    rng = np.random.default_rng(0)
    texts = [" ".join(f"w{k}" for k in rng.integers(0, 40, rng.integers(1, 14))) for _ in range(20)]
    before = [texts[max(0, i - 2) : i] for i in range(20)]
    together = model.states(texts, before)
    for i, states in enumerate(together):
        assert np.abs(model.states([texts[i]], [before[i]])[0] - states).max() < 1e-5
        ids, own = model.sequence(texts[i], before[i])
        types = torch.tensor([[0] * own + [1] * (len(ids) - own)])
        with torch.no_grad():
            whole = net.eval()(torch.tensor([ids]), types, torch.ones(1, len(ids), dtype=torch.bool))[0, :own]
        assert np.abs(whole.numpy() - states).max() < 0.2, "eight bits a weight cost little"
