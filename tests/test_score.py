"""``moodal score``: a user's table and labels in, honest figures out; each thing wrong with a table is one line."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import recordings as recorded
from moodal.cli.app import build
from moodal.core import registry
from moodal.core.bundle import Bundle
from moodal.core.content import of_text
from moodal.core.errors import ModelError, MoodalError, UsageError
from moodal.core.register import as_array
from moodal.core.scheme import SCHEMES
from moodal.lab.data.learner import Prediction
from moodal.lab.data.synonyms import dimension, resolve
from moodal.lab.score import Row, Score, open_scorer, score
from moodal.lab.score.scorers import DialogueScorer, FusionScorer, TextScorer
from split_folders import write_csv

EKMAN8 = SCHEMES["ekman8"].classes
VOICE8 = ("neutral", "calm", "happiness", "sadness", "anger", "fear", "disgust", "surprise")


class Told:
    """A scorer whose answers stand in the text: ``happiness 0.8, anger 0.2``, or nothing."""

    uses_baseline = False

    def __init__(self, classes: Sequence[str] = EKMAN8, multilabel: bool = False) -> None:
        self.bundle = registry.bundles()["late-v0"]
        self.schemes: Mapping[str, tuple[str, ...]] = {"toy": tuple(classes), "va": ("valence", "arousal")}
        self.multilabel = frozenset({"toy"}) if multilabel else frozenset()
        self.failed: list[str] = []

    def predict(self, rows: Sequence[Row], scheme: str, progress: Any = None) -> Prediction:
        classes = self.schemes[scheme]
        scores = np.full((len(rows), len(classes)), np.nan)
        for i, row in enumerate(rows):
            told = [part.split() for part in (row.text or "").split(",") if len(part.split()) == 2]
            if told:
                scores[i] = 0.0
            for name, value in told:
                scores[i, classes.index(name)] = float(value)
        withheld = ~np.isfinite(scores).all(axis=1)
        extra = {"decided": scores >= 0.5} if self.multilabel else {}
        return Prediction(np.where(withheld[:, None], 1 / len(classes), scores), withheld, extra)


def table(path: Path, rows: Sequence[tuple[Any, ...]], columns: Sequence[str] = ("text", "label")) -> Path:
    return write_csv(path, [dict(zip(columns, r, strict=True)) for r in rows])


def scored(
    path: Path, rows: Sequence[tuple[Any, ...]], columns: Sequence[str] = ("text", "label"), **more: Any
) -> Score:
    told = more.pop("scorer", None) or Told()
    return score(table(path / "index.csv", rows, columns), bundle=told.bundle, label=more.pop("label", "label"),
                 scorer=told, **more)  # fmt: skip


# ---- labels


@pytest.mark.parametrize(
    ("label", "classes", "scheme", "became", "how"),
    [
        ("Happy", EKMAN8, "ekman8", "happiness", "synonym"),
        ("joy", EKMAN8, "ekman8", "happiness", "synonym"),
        ("ANGRY", EKMAN8, "ekman8", "anger", "synonym"),
        ("fearful", EKMAN8, "ekman8", "fear", "synonym"),
        ("surprised", EKMAN8, "ekman8", "surprise", "synonym"),
        ("pleasant_surprise", EKMAN8, "ekman8", "surprise", "synonym"),
        ("sad", EKMAN8, "ekman8", "sadness", "synonym"),
        ("disgusted", EKMAN8, "ekman8", "disgust", "synonym"),
        ("calm", VOICE8, "", "calm", "same"),
        ("calm", EKMAN8, "ekman8", "neutral", "scheme"),
        ("happy", SCHEMES["goemotions28"].classes, "goemotions28", "joy", "synonym"),
        ("gratitude", EKMAN8, "ekman8", "happiness", "scheme"),
        ("angry", SCHEMES["sentiment3"].classes, "sentiment3", "negative", "scheme"),
        ("guilt", SCHEMES["goemotions28"].classes, "goemotions28", "remorse", "synonym"),
        ("flabbergasted", EKMAN8, "ekman8", None, None),
    ],
)  # fmt: skip
def test_labels_are_read_in_the_words_of_a_scheme(
    label: str, classes: tuple[str, ...], scheme: str, became: str | None, how: str | None
) -> None:
    found = resolve(label, classes, scheme)
    assert (found.name, found.how) == (became, how) if found else became is None


def test_every_class_of_a_scheme_is_itself() -> None:
    for known in SCHEMES.values():
        for c in known.classes:
            found = resolve(c.upper(), known.classes, known.name)
            assert found is not None
            assert found.name == c


def test_dimensions_by_their_usual_names() -> None:
    assert [dimension(n) for n in ("V", "arousal", "EmoDom", "label")] == ["valence", "arousal", "dominance", None]


# ---- figures


def test_the_best_class_among_those_that_occur(tmp_path: Path) -> None:
    rows = [
        ("surprise 0.5, happiness 0.4, anger 0.1", "happy", "a"),
        ("happiness 0.9, anger 0.1", "joy", "a"),
        ("happiness 0.6, anger 0.4", "angry", "b"),
        ("anger 1.0", "angry", "b"),
        ("nothing is told of this one", "angry", "b"),
    ]
    told = scored(tmp_path, rows, ("text", "label", "subject"))
    answer = told.answer
    assert (answer["bundle"], answer["n"], answer["withheld"]) == ("late-v0", 5, 1)
    # Happiness 2 of 2; anger 1 of 3, for a withheld row is wrong.
    assert answer["metrics"]["uar"] == pytest.approx((1 + 1 / 3) / 2, abs=1e-6)
    assert answer["metrics"]["accuracy"] == pytest.approx(3 / 5)
    # Over all classes the first row is told as surprise.
    assert answer["open_set"]["accuracy"] == pytest.approx(2 / 5)
    assert answer["open_set"]["uar"] == pytest.approx((1 / 2 + 1 / 3) / 2, abs=1e-6)
    assert answer["confusion"]["classes"] == ["happiness", "anger"]
    assert answer["confusion"]["counts"] == [[2, 0], [1, 1]]
    assert answer["confusion"]["withheld"] == [0, 1]
    assert answer["trivial"]["uar"] == 0.5
    assert answer["trivial"]["accuracy"] == pytest.approx(3 / 5)
    assert answer["interval_over"] == "2 subjects"
    # Sets at 0.9: {surprise, happiness}, {happiness}, {happiness, anger}, {anger}, none.
    assert answer["coverage"] == {"level": 0.9, "observed": pytest.approx(4 / 5), "mean_set_size": 1.5}
    assert {(m["source"], m["label"], m["how"]) for m in answer["labels"]} == {
        ("happy", "happiness", "synonym"), ("joy", "happiness", "synonym"), ("angry", "anger", "synonym")
    }  # fmt: skip
    kept = told.rows()
    assert [r["source_label"] for r in kept] == ["happy", "joy", "angry", "angry", "angry"]
    assert [r["predicted"] for r in kept] == ["happiness", "happiness", "happiness", "anger", ""]


def test_metrics_agree_with_scikit_learn(tmp_path: Path) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    rows, truth, told = [], [], []
    for i in range(200):
        label = EKMAN8[rng.integers(0, 5)]
        p = rng.dirichlet(np.ones(8))
        p[EKMAN8.index(label)] += 0.3
        rows.append((", ".join(f"{c} {v:.6f}" for c, v in zip(EKMAN8, p / p.sum(), strict=True)), label, f"s{i % 10}"))
        truth.append(label)
        told.append(EKMAN8[int(np.argmax(p[:5]))])
    answer = scored(tmp_path, rows, ("text", "label", "subject")).answer
    oracle = {
        "uar": sklearn.balanced_accuracy_score(truth, told),
        "accuracy": sklearn.accuracy_score(truth, told),
        "macro_f1": sklearn.f1_score(truth, told, average="macro"),
        "weighted_f1": sklearn.f1_score(truth, told, average="weighted"),
    }
    assert answer["metrics"] == pytest.approx(oracle, abs=1e-6)
    for name, (low, high) in answer["interval"].items():
        assert low < answer["metrics"][name] < high
    assert answer["verdict"] == "above chance"


def test_several_labels_a_row(tmp_path: Path) -> None:
    rows = [
        ("joy 0.9, love 0.6", "joy|love"),
        ("joy 0.9, love 0.1", "joy|love"),
        ("anger 0.7, joy 0.6", "anger"),
        ("fear 0.8", "anger"),
    ]
    answer = scored(tmp_path, rows, scorer=Told(("joy", "love", "anger", "fear"), multilabel=True)).answer
    # Thresholds of 0.5: joy hits 2 and 1 false alarm, love 1 hit 1 miss, anger 1 hit 1 miss; fear does not occur.
    f1 = {"joy": 2 * 2 / (3 + 2), "love": 2 / (1 + 2), "anger": 2 / (1 + 2)}
    assert answer["metrics"]["macro_f1"] == pytest.approx(sum(f1.values()) / 3, abs=1e-6)
    assert answer["metrics"]["weighted_f1"] == pytest.approx(sum(f1.values()) / 3, abs=1e-6)
    assert answer["metrics"]["uar"] == pytest.approx((1 + 0.5 + 0.5) / 3, abs=1e-6)
    # Among labels that occur the last row tells nothing, and is not what it is labelled.
    assert answer["metrics"]["accuracy"] == pytest.approx(1 / 4)
    assert answer["confusion"]["hits"] == [2, 1, 1]
    with pytest.raises(MoodalError, match=r"row 1: has several labels \(joy\|love\)"):
        scored(tmp_path, rows, scorer=Told(("joy", "love", "anger", "fear")))


def test_ratings_are_correlated_and_withheld_rows_left_out(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    v, a = rng.uniform(-1, 1, (2, 40))
    rows = [(f"valence {x:.4f}, arousal {y:.4f}", 3 + 2 * x, 3 - 2 * y) for x, y in zip(v, a, strict=True)]
    rows.append(("nothing", 5.0, 1.0))
    answer = scored(tmp_path, rows, ("text", "V", "arousal"), label="V,arousal").answer
    assert answer["metrics"]["pearson_r"] == pytest.approx({"valence": 1.0, "arousal": -1.0}, abs=1e-3)
    assert answer["metrics"]["ccc"]["valence"] == pytest.approx(1.0, abs=1e-3)
    assert answer["scale"] == [1.0, 5.0]
    assert answer["withheld"] == 1
    assert set(answer["interval"]) == {"pearson_r", "ccc"}
    assert answer["verdict"] == "not above chance in arousal"
    for name in (
        "bundle",
        "n",
        "metrics",
        "open_set",
        "interval",
        "coverage",
        "ece",
        "trivial",
        "confusion",
        "withheld",
    ):
        assert name in answer


def test_rows_without_a_label_are_counted_and_left_out(tmp_path: Path) -> None:
    rows = [("anger 1", "anger"), ("fear 1", "fear"), ("fear 1", "")]
    answer = scored(tmp_path, rows).answer
    assert (answer["n"], answer["unlabelled"]) == (2, 1)


def test_the_smallest_scheme_that_holds_all_labels_is_taken(tmp_path: Path) -> None:
    words = open_scorer(registry.bundles()["words-v0"])
    texts = ["I am so happy today", "I hate you all", "thank you so much", "what a strange question"]
    for labels, scheme in (
        (["joy", "anger", "joy", "neutral"], "ekman8"),
        (["positive", "negative", "positive", "neutral"], "sentiment3"),
        (["joy", "anger", "gratitude", "curiosity"], "goemotions28"),
    ):
        told = scored(tmp_path, list(zip(texts, labels, strict=True)), scorer=words)
        assert told.answer["scheme"] == scheme


def test_labels_of_words_are_scored_as_feelings_good_and_bad(tmp_path: Path) -> None:
    rows = [
        ("I am so happy today", "positive"),
        ("I hate you all", "negative"),
        ("The train leaves at nine", "neutral"),
    ]
    answer = scored(tmp_path, rows, scorer=open_scorer(registry.bundles()["words"])).answer
    assert (answer["scheme"], answer["withheld"]) == ("sentiment3", 0)
    assert answer["metrics"]["accuracy"] == 1


def test_training_rows_are_named_in_the_verdict(tmp_path: Path) -> None:
    seen = of_text("anger 1")
    path = tmp_path / "toy.bundle"
    manifest = {**registry.bundles()["late-v0"].manifest, "name": "toy", "data": ["Toy"]}
    Bundle.write(path, manifest, "# toy", {"training_clips": as_array([seen])})
    told = Told()
    told.bundle = Bundle.open(path)
    answer = scored(tmp_path, [("anger 1", "anger"), ("fear 1", "fear")], scorer=told).answer
    assert answer["contamination"] == {"in-sample": 1, "held-out": 1, "unknown": 0}
    assert "1 of 2 rows were in its training data" in answer["verdict"]


# ---- scorers


def test_who_runs_what(tmp_path: Path) -> None:
    bundles = registry.bundles()
    assert isinstance(open_scorer(bundles["words-v0"]), TextScorer)
    assert isinstance(open_scorer(bundles["late-v0"]), FusionScorer)
    odd = Bundle(tmp_path, {**bundles["words-v0"].manifest, "name": "odd", "inputs": ["taste"]})
    with pytest.raises(ModelError, match="read taste"):
        open_scorer(odd)
    talk = Bundle(
        tmp_path, {**bundles["words-v0"].manifest, "name": "talk", "inputs": ["words.transcript", "dialogue"]}
    )
    with pytest.raises(ModelError, match="talk does not run by itself"):
        open_scorer(talk)


def test_a_dialogue_model_gets_whole_dialogues_in_order() -> None:
    asked: list[list[int]] = []

    class Model:
        schemes: Mapping[str, tuple[str, ...]] = {"ekman8": EKMAN8}

        def predict(self, turns: Sequence[Row], scheme: str) -> Prediction:
            asked.append([t.number for t in turns])
            scores = np.full((len(turns), 8), 0.0)
            scores[np.arange(len(turns)), np.arange(len(turns))] = 1.0  # the place in the dialogue
            return Prediction(scores, np.array([t.text == "gone" for t in turns]))

    rows = [Row(1, text="x", dialogue="a", turn=2), Row(2, text="x", dialogue="b", turn=0),
            Row(3, text="gone", dialogue="a", turn=0), Row(4, text="x", dialogue="a", turn=1),
            Row(5, text="x")]  # fmt: skip
    told = DialogueScorer(registry.bundles()["late-v0"], Model()).predict(rows, "ekman8")
    assert asked == [[3, 4, 1], [2], [5]]
    assert np.argmax(told.scores, axis=1)[[0, 1, 3, 4]].tolist() == [2, 0, 1, 0]
    assert told.withheld.tolist() == [False, False, True, False, False]


def test_a_dialogue_bundle_is_found_by_its_registered_module(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Module:
        __name__ = "module"

        @staticmethod
        def dialogue_model(bundle: Bundle) -> Any:
            return type("Model", (), {"schemes": {"ekman8": EKMAN8}})()

    monkeypatch.setattr(registry, "names", lambda kind: ("talk",))
    monkeypatch.setattr(registry, "load", lambda kind, name: Module)
    talk = Bundle(tmp_path, {**registry.bundles()["late-v0"].manifest, "name": "talk", "inputs": ["dialogue"]})
    assert isinstance(open_scorer(talk), DialogueScorer)


def test_words_v0_on_texts(tmp_path: Path) -> None:
    rows = [
        ("I am so happy, this is wonderful!", "happy", "a"),
        ("What a great day, I love it", "happy", "b"),
        ("I am furious, this makes me angry", "angry", "a"),
        ("I hate you, you idiot", "angry", "b"),
        ("Das ist ja ganz furchtbar und traurig", "angry", "b"),
    ]
    path = table(tmp_path / "index.csv", rows, ("text", "label", "subject"))
    answer = score(path, bundle="words-v0", label="label").answer
    assert answer["scheme"] == "ekman8"
    assert answer["withheld"] == 1, "another language is withheld, as in the product"
    assert answer["metrics"]["accuracy"] == pytest.approx(4 / 5)
    assert answer == score(path, bundle="words-v0", label="label").answer


@pytest.mark.usefixtures("models")
def test_late_v0_on_files_texts_and_crops(tmp_path: Path) -> None:
    from PIL import Image

    frame = next(iter(recorded.portrait(1)))
    Image.fromarray(frame).save(tmp_path / "face.png")
    found = FusionScorer(registry.bundles()["late-v0"])
    (tmp_path / "said.txt").write_text("I am so happy. This is wonderful!")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    rows = [Row(1, file=tmp_path / "face.png"), Row(2, text="I hate you. You make me angry!"),
            Row(3, file=tmp_path / "said.txt"), Row(4, file=tmp_path / "broken.png")]  # fmt: skip
    told = found.predict(rows, "ekman8")
    assert told.withheld.tolist() == [False, False, False, True]
    assert told.scores.sum(axis=1) == pytest.approx(1.0, abs=1e-4)
    assert told.extra["sets"][:3].any(axis=1).all()
    assert EKMAN8[int(np.argmax(told.scores[2]))] == "happiness"
    assert [line.split(":")[0] for line in found.failed] == ["row 4"]
    numbers = found.predict(rows[1:3], "va")
    assert numbers.scores[0, 0] < numbers.scores[1, 0]


@pytest.mark.usefixtures("models")
def test_a_face_that_was_cut_out_is_given_room(tmp_path: Path) -> None:
    from PIL import Image

    from moodal.lab.score.crops import is_small, with_room

    picture = Image.fromarray(next(iter(recorded.portrait(1))))
    face = picture.resize((64, 64))
    face.save(tmp_path / "crop.png")
    picture.save(tmp_path / "whole.png")
    assert is_small(tmp_path / "crop.png")
    assert not is_small(tmp_path / "whole.png")
    with Image.open(with_room(tmp_path / "crop.png", tmp_path)) as enlarged:
        assert min(enlarged.size) > 256


# ---- what is wrong with a table


def bad(path: Path, case: str) -> dict[str, Any]:
    """Arguments of `score` for a table with that fault."""
    good = [("anger 1", "anger"), ("fear 1", "fear")]
    told: dict[str, Any] = {"label": "label", "bundle": "words-v0"}
    file = path / "index.csv"
    if case == "no table":
        return {"index": path / "gone.csv", **told}
    if case == "empty":
        file.write_text("")
    elif case == "no rows":
        file.write_text("text,label\n")
    elif case == "no label column":
        told["label"] = "emotion"
        table(file, good)
    elif case == "unknown label":
        table(file, [*good, ("x", "flabbergasted")])
    elif case == "one class":
        table(file, [("x", "happy"), ("y", "joy")])
    elif case == "no labels":
        table(file, [("x", ""), ("y", "")])
    elif case == "both":
        table(file, [("a.wav", "x", "anger")], ("file", "text", "label"))
    elif case == "neither":
        table(file, [("x", "", "anger"), ("", "", "anger")], ("text", "file", "label"))
    elif case == "no input column":
        table(file, [("x", "anger")], ("sentence", "label"))
    elif case == "no file":
        table(file, [("gone.wav", "anger")], ("file", "label"))
    elif case == "bad time":
        table(file, [("x", "soon", "anger")], ("text", "start_s", "label"))
    elif case == "backwards":
        table(file, [("x", 3, 2, "anger")], ("text", "start_s", "end_s", "label"))
    elif case == "no bundle":
        table(file, good)
        told["bundle"] = "nothing-v9"
    elif case == "no dimension":
        table(file, [("x", 1), ("y", 2)], ("text", "dominance"))
        told |= {"label": "dominance", "bundle": "late-v0"}
    elif case == "no number":
        table(file, [("x", 1), ("y", "high")], ("text", "valence"))
        told["label"] = "valence"
    elif case == "one number":
        table(file, [("x", 1), ("y", 1)], ("text", "valence"))
        told["label"] = "valence"
    elif case == "baseline":
        table(file, good)
        told["baseline"] = "subject"
    elif case == "other baseline":
        table(file, good)
        told["baseline"] = "rest"
    elif case == "ragged":
        file.write_text("text,label\na,b,c\n")
    return {"index": file, **told}


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ("no table", "no such table"), ("empty", "is empty"), ("no rows", "no rows"),
        ("no label column", "no column 'emotion'"), ("unknown label", "row 3: is labelled 'flabbergasted'"),
        ("one class", "all 2 rows are labelled 'happiness'"), ("no labels", "no row has a label"),
        ("both", "row 1: has both a file and a text"), ("neither", "row 2: has neither"),
        ("no input column", "neither a column file nor a column text"), ("no file", "row 1: there is no file gone.wav"),
        ("bad time", "row 1: start_s is 'soon'"), ("backwards", "row 1: ends at 2 s"),
        ("no bundle", "unknown bundle 'nothing-v9'"), ("no dimension", "does not tell dominance"),
        ("no number", "row 2: valence is 'high'"), ("one number", "all 2 rows have the valence 1"),
        ("baseline", "needs a column subject"), ("other baseline", "unknown baseline 'rest'"),
        ("ragged", "row 1 has 3 cells"),
    ],
)  # fmt: skip
def test_a_fault_of_the_table_is_one_line(tmp_path: Path, case: str, says: str) -> None:
    with pytest.raises(MoodalError) as error:
        score(**bad(tmp_path, case))
    assert says in str(error.value)
    assert "\n" not in str(error.value)
    assert error.value.exit_code == 2


def test_nothing_that_could_be_read_is_an_error_and_some_is_not(tmp_path: Path) -> None:
    class Deaf(Told):
        def predict(self, rows: Sequence[Row], scheme: str, progress: Any = None) -> Prediction:
            told = super().predict(rows, scheme)
            self.failed = [f"{r.name}: is no sound" for r in rows if r.text == "unreadable"]
            return told

    some = scored(tmp_path, [("anger 1", "anger"), ("unreadable", "fear")], scorer=Deaf())
    assert some.failed == ("row 2: is no sound",)
    with pytest.raises(MoodalError, match="none of 2 rows could be read; the first: row 1: is no sound"):
        scored(tmp_path, [("unreadable", "anger"), ("unreadable", "fear")], scorer=Deaf())


# ---- the command


def run(*args: str) -> tuple[int, str]:
    result = CliRunner().invoke(build(), ["score", *args])
    return result.exit_code, result.stdout


TEXTS = [("I am so happy today", "happy"), ("I hate you", "angry"), ("thank you so much", "happy")]


def test_the_command_prints_json_writes_rows_and_fits_80_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    path = table(tmp_path / "index.csv", TEXTS)
    args = (str(path), "--bundle", "words-v0", "--label", "label")
    code, out = run(*args, "--json", "--out", str(tmp_path / "rows.csv"))
    answer = json.loads(out)
    assert code == 0
    assert (answer["bundle"], answer["n"]) == ("words-v0", 3)
    with (tmp_path / "rows.csv").open() as stream:
        assert [r["source_label"] for r in csv.DictReader(stream)] == ["happy", "angry", "happy"]
    code, out = run(*args)
    assert code == 0
    assert "uar" in out
    assert "happy as happiness" in " ".join(out.split())
    assert max(map(len, out.splitlines())) <= 80


def test_score_loads_no_torch(tmp_path: Path) -> None:
    path = table(tmp_path / "index.csv", TEXTS)
    code = (
        "import sys; from moodal.cli.app import build; from typer.testing import CliRunner; r = CliRunner().invoke("
        f"build(), ['score', {str(path)!r}, '--bundle', 'words-v0', '--label', 'label', '--json']); "
        "print(r.exit_code, [m for m in ('torch', 'sklearn', 'scipy', 'pandas') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == "0 []"


def test_usage_error_names_the_option(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--bundle"):
        score(**bad(tmp_path, "no bundle"))
