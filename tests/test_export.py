"""A run becomes a folder, a folder a bundle, and the bundle says without torch what the model said with it."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from moodal.cli.app import build  # noqa: E402
from moodal.core import content  # noqa: E402
from moodal.core.bundle import BUNDLE_FIELDS, Bundle  # noqa: E402
from moodal.core.errors import InputError, ModelError, UsageError  # noqa: E402
from moodal.core.register import status  # noqa: E402
from moodal.lab import recipes  # noqa: E402
from moodal.lab.data import Dataset, Index, people  # noqa: E402
from moodal.lab.data.contents import contents  # noqa: E402
from moodal.lab.export import export  # noqa: E402
from moodal.lab.export import graph as graphs  # noqa: E402
from moodal.lab.train.folder import RunFolder  # noqa: E402
from moodal.lab.train.run import train  # noqa: E402
from moodal.weights.run_bundle import BundleModel  # noqa: E402
from planted import dialogues  # noqa: E402

RECIPE = """
name = "try"
title = "synthetic people"
label = "emotion"
metric = "uar"
[data]
set = "synthetic"
[features.audio]
[features.text]
[protocol]
use = "leave-one-subject-out"
[[learner]]
name = "fused"
use = "lsgmer"
settings = { d = 8, heads = 2, train = { epochs = 3, batch = 16 } }
[[learner]]
name = "plain"
use = "logistic"
"""


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    was = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(was)


def made() -> tuple[Dataset, SimpleNamespace]:
    data = people(9, 8, modalities=("audio", "text"), absent=0.2, seed=3)
    held = [data.index["subject"] == s for s in ("s01", "s02")]
    rows = dict(zip(("train", "validation", "test"), (~held[0] & ~held[1], *held), strict=True))
    return data, SimpleNamespace(name="1", **{k: np.flatnonzero(r) for k, r in rows.items()})


def trained(out: Path, learner: str = "fused", **told) -> RunFolder:
    data, fold = made()
    return train(recipes.parse(RECIPE, "try"), learner, data, fold, out, **told)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunFolder:
    return trained(tmp_path_factory.mktemp("runs") / "a")


@pytest.fixture(scope="module")
def bundle(run, tmp_path_factory) -> Bundle:
    return export(run, tmp_path_factory.mktemp("bundles") / "try-a.bundle")


# The folder


def test_a_run_folder_tells_what_was_done(run) -> None:
    told = run.run
    assert told["recipe"]["name"] == "try"
    assert told["settings"]["train"]["epochs"] == 3
    assert told["settings"]["apc"]["tau"] == 0.1  # defaults are told too
    assert told["environment"]["torch"] == torch.__version__
    assert told["data"]["modalities"]["audio"]["present"]["train"] > 0
    assert run.scores["test"]["n"] == 8
    assert set(run.scores["test"]["figures"]) == {"accuracy", "uar", "macro_f1", "weighted_f1"}
    assert len(list(csv.DictReader((run.path / "curves.csv").open()))) == 3
    assert len(list(csv.DictReader((run.path / "predictions.csv").open()))) == 16
    assert not (run.path / "state").exists()
    data, fold = made()
    assert len(run.training_clips()) == len(fold.train) + len(fold.validation)
    assert all(len(c) == 16 for c in run.training_clips())
    assert not set(run.training_clips()) & set(contents(data.take(fold.test).index))


def test_killed_and_started_again_the_folder_is_the_same(run, tmp_path) -> None:
    def dies(told: str, share: float) -> None:
        if share > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "b", progress=dies)
    with pytest.raises(InputError, match="has not finished"):
        RunFolder.open(tmp_path / "b")
    shares: list[float] = []
    trained(tmp_path / "b", progress=lambda told, share: shares.append(share))
    assert len(shares) == 1
    for file in run.path.iterdir():
        if file.name != "timing.json":
            assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes(), file.name
    trained(tmp_path / "b", progress=lambda told, share: shares.append(share))
    assert len(shares) == 1  # finished: nothing is done again
    assert trained(tmp_path / "b", seed=1).run["seed"] == 1  # another run replaces it


def test_doors_of_a_run(tmp_path) -> None:
    with pytest.raises(UsageError, match="moodal bench try"):
        trained(tmp_path / "x", "plain")
    with pytest.raises(UsageError, match="has no learner"):
        trained(tmp_path / "x", "fussed")
    with pytest.raises(InputError, match="not the folder of a run"):
        RunFolder.open(tmp_path)


# The bundle


def test_a_bundle_is_complete(run, bundle) -> None:
    assert set(BUNDLE_FIELDS) <= set(bundle.manifest)
    assert bundle.name == "try-a"
    assert bundle.manifest["model"]["parity"]["found"] <= graphs.PARITY
    clips = bundle.array("training_clips")
    assert clips.dtype == np.dtype("U16")
    assert clips.tolist() == run.training_clips()
    card = bundle.card
    assert "Not for" in card
    assert "made up: no terms" in card
    assert f"{run.scores['test']['figures']['uar']:.3f}" in card
    value = bundle.manifest["scores"]["test_uar"]
    assert value["interval"][0] <= value["value"] <= value["interval"][1]
    assert json.dumps(dict(bundle.manifest))
    data, fold = made()
    part = data.take(fold.test[:1]).index, data.take(fold.train[:1]).index
    told = [status(bundle, content=contents(index)[0], data_set="synthetic") for index in part]
    assert told == ["held-out", "in-sample"]


def test_an_example_comes_back_by_its_content_and_by_its_text() -> None:
    columns = {"clip": ["a", "b", "c"], "text": ["Oh,  Yeah?", "", ""], "content": ["0" * 16, "f" * 64, ""]}
    told = contents(Index.build("x", columns, {}))
    assert content.of_text("oh, yeah?") in told
    assert "0" * 16 in told
    assert "f" * 16 in told
    assert len(told) == 4


def test_exported_is_trained(run, bundle) -> None:
    fitted, model = run.fitted(), BundleModel(bundle)
    data, fold = made()
    test = data.take(fold.test)
    for subset in (("audio", "text"), ("audio",), ("text",)):
        part = test.without([m for m in ("audio", "text") if m not in subset])
        told = fitted.predict(part)
        batch = part.batch(np.arange(len(part)))
        ours = model.predict(batch.values, batch.masks, batch.present)
        assert np.abs(told.scores - ours.scores).max() < 1e-4
        assert np.array_equal(told.withheld, ours.withheld)
        assert np.allclose(told.extra["q"], ours.extra["q"], atol=1e-4)
        alone = {m: [f[i] if len(f[i]) else None for i in range(len(part))] for m, f in part.features.items()}
        ragged = model.predict_examples({m: alone[m] for m in subset})
        assert np.abs(ragged.scores - ours.scores).max() < 1e-5


def test_a_bundle_runs_without_torch(bundle) -> None:
    code = (
        "import sys, numpy as np\n"
        "from moodal.weights.run_bundle import BundleModel\n"
        f"model = BundleModel({str(bundle.path)!r})\n"
        "print(model.predict({'audio': np.zeros((2, 5, 40), np.float32)}).scores.shape)\n"
        "assert not {'torch', 'sklearn', 'scipy', 'onnx'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "(2, 4)"


def test_doors_of_a_bundle(bundle, tmp_path) -> None:
    model = BundleModel(bundle)
    with pytest.raises(InputError, match="has none of audio, text"):
        model.predict({"eeg": np.zeros((1, 2, 3))})
    with pytest.raises(InputError, match="not \\(1, time, 40\\)"):
        model.predict({"audio": np.zeros((1, 2, 3))})
    with pytest.raises(InputError, match="not finite"):
        model.predict({"audio": np.full((1, 2, 40), np.nan)})
    assert model.predict({"audio": np.zeros((0, 2, 40))}).scores.shape == (0, 4)
    assert model.predict_examples({"audio": [None, np.zeros((3, 40))]}).withheld.tolist() == [True, False]
    Bundle.write(tmp_path / "x.bundle", dict.fromkeys(BUNDLE_FIELDS, ""), "")
    with pytest.raises(ModelError, match="holds no exported model"):
        BundleModel(tmp_path / "x.bundle")


def test_an_export_that_differs_is_not_written(run, bundle, tmp_path, monkeypatch) -> None:
    class Other(RunFolder):
        def fitted(self):
            fitted = super().fitted()
            with torch.no_grad():
                fitted.model.classifier.weight[0] += 0.1
            return fitted

    monkeypatch.setattr(graphs, "graph", lambda model: bundle.graph("model"))
    with pytest.raises(ModelError, match="differs from the model"):
        export(Other(run.path), tmp_path / "bad.bundle")
    assert list(tmp_path.iterdir()) == []


def test_context_is_made_by_the_bundle_as_in_training(tmp_path) -> None:
    data = dialogues(12, 5)
    rows = np.arange(len(data))
    fold = SimpleNamespace(name="1", train=rows[:40], validation=rows[40:50], test=rows[50:])
    text = RECIPE.replace("[features.audio]\n", "").replace("d = 8,", "d = 8, context = 2,").replace("lsgmer", "late")
    recipe = recipes.parse(text.replace("heads = 2, ", ""), "try")
    run = train(recipe, "fused", data, fold, tmp_path / "run")
    model = BundleModel(export(run, tmp_path / "c.bundle"))
    assert model.context == 2
    assert model.modalities == ("text",)
    part = data.take(fold.test)
    told = run.fitted().predict(part)
    ours = model.predict_examples(
        {"text": [part.features["text"][i] for i in range(len(part))]},
        dialogue=part.index["dialogue"].tolist(), turn=part.index["turn"].tolist(),
        speaker=part.index["subject"].tolist(),
    )  # fmt: skip
    assert np.abs(told.scores - ours.scores).max() < 1e-4
    assert not np.allclose(ours.scores, model.predict_examples({"text": [part.features["text"][0]] * len(part)}).scores)


# The commands


def test_train_and_export_from_the_command_line(tmp_path, capsys) -> None:
    (tmp_path / "try.toml").write_text(
        RECIPE.replace('set = "synthetic"', 'set = "synthetic"\nsettings = { clips = 6 }')
    )
    command = build()
    command(["train", str(tmp_path / "try.toml"), "--out", str(tmp_path / "run")], standalone_mode=False)
    told = capsys.readouterr()
    assert "weighted f1" in told.out
    assert all(len(line) <= 80 for line in told.out.splitlines() if "run" not in line)
    assert "training fused" in told.err
    command(
        ["export", str(tmp_path / "run"), "--out", str(tmp_path / "a.bundle"), "--licence", "CC0-1.0", "--json"],
        standalone_mode=False,
    )
    assert json.loads(capsys.readouterr().out)["licence"] == "CC0-1.0"
    assert BundleModel(tmp_path / "a.bundle").modalities == ("audio", "text")


def test_the_commands_load_no_torch_to_be_listed() -> None:
    code = "import sys, moodal.cli.app as a; a.build(); import moodal.lab.train; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
