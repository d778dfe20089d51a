"""Training: killed and resumed to the bit, doors with one clear line, every kind of label, context that never peeks."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from moodal.core.errors import InputError, MoodalError, OutputError, UsageError  # noqa: E402
from moodal.lab.data import Dataset, Feature, Labels, LeakageError, Learner, people  # noqa: E402
from moodal.lab.train import TorchFitted, TorchLearner  # noqa: E402
from moodal.lab.train.calibrate import temperature, thresholds  # noqa: E402
from moodal.lab.train.context import with_past  # noqa: E402
from moodal.lab.train.metrics import figures, interval  # noqa: E402
from moodal.lab.train.packed import Packed, batches  # noqa: E402
from planted import dialogues  # noqa: E402

FAST = {"epochs": 4, "patience": 0, "batch": 16}


@pytest.fixture(autouse=True)
def one_thread():
    was = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(was)


def parts(data: Dataset | None = None, **told) -> tuple[Dataset, Dataset, Dataset]:
    data = data or people(9, 8, modalities=("audio", "text"), absent=0.2, seed=3, **told)
    who = data.index["subject"]
    names = sorted(set(who))
    held = np.isin(who, names[:2]), np.isin(who, names[2:4])
    return tuple(data.take(np.flatnonzero(r)) for r in (~held[0] & ~held[1], *held))


def fit(model: str = "late", data=None, label: str = "emotion", seed: int = 0, folder=None, progress=None, **settings):
    train, validation, test = data or parts()
    settings = {"train": {**FAST, **settings.pop("train", {})}, "d": 8, **settings}
    learner = TorchLearner("x", model, settings)
    return learner.fit(train, validation, label=label, seed=seed, folder=folder, progress=progress), test


class Killed(Exception):
    pass


@pytest.mark.parametrize(
    ("model", "more"),
    [("late", {}), ("lsgmer", {"train": {"ema": 0.5, "accumulate": 2}, "heads": 2})],
    ids=["late", "lsgmer with averages"],
)
def test_killed_and_resumed_ends_with_the_same_bits(model, more, tmp_path, monkeypatch) -> None:
    straight, test = fit(model, **more)
    calls = 0
    real = Packed.batch

    def dying(self, rows):
        nonlocal calls
        calls += 1
        if calls == 10:  # in the middle of an epoch
            raise Killed
        return real(self, rows)

    monkeypatch.setattr(Packed, "batch", dying)
    with pytest.raises(Killed):
        fit(model, folder=tmp_path, **more)
    assert (tmp_path / "state.npz").exists()
    monkeypatch.setattr(Packed, "batch", real)
    epochs = []
    resumed, _ = fit(model, folder=tmp_path, progress=lambda told, share: epochs.append(share), **more)
    assert 0 < len(epochs) < 4  # it did go on, not start again
    assert resumed.told == straight.told
    for key, tensor in straight.model.state_dict().items():
        assert torch.equal(tensor, resumed.model.state_dict()[key]), key
    assert np.array_equal(straight.predict(test).scores, resumed.predict(test).scores)


def test_a_finished_training_is_not_done_again(tmp_path) -> None:
    first, _ = fit(folder=tmp_path)
    epochs = []
    again, _ = fit(folder=tmp_path, progress=lambda told, share: epochs.append(share))
    assert epochs == []
    assert again.told == first.told


def test_a_state_of_another_seed_or_setting_is_not_used(tmp_path) -> None:
    fit(folder=tmp_path, seed=1)
    assert fit(folder=tmp_path)[0].told == fit()[0].told


def test_the_same_seed_gives_the_same_numbers_another_seed_others() -> None:
    assert fit()[0].told == fit()[0].told
    assert fit(seed=1)[0].told["curves"] != fit()[0].told["curves"]


def test_training_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    fit()
    assert torch.equal(before, torch.get_rng_state())


def test_it_is_a_learner_and_learns() -> None:
    learner = TorchLearner("x", "early", {"train": {"epochs": 12}})
    assert isinstance(learner, Learner)
    train, validation, test = parts()
    prediction = learner.fit(train, validation, label="emotion", seed=0).predict(test.sealed())
    assert (prediction.scores.argmax(1) == test.index.label("emotion").values).mean() > 0.6
    assert np.allclose(prediction.scores.sum(1), 1)
    assert json.dumps(learner.settings())


def test_the_trainer_never_reads_test_labels() -> None:
    train, _, test = parts()
    with pytest.raises(LeakageError, match="labels of the test part"):
        fit(data=(train, test.sealed(), test))


def test_nothing_there_is_withheld_and_never_seen_is_absent() -> None:
    train, validation, test = parts()
    fitted, _ = fit("lsgmer", data=(train.without(["audio"]), validation, test), heads=2)
    whole = fitted.predict(test)
    assert np.array_equal(whole.withheld, ~test.present[:, 1])
    assert np.allclose(whole.scores, fitted.predict(test.without(["audio"])).scores, atol=1e-6)
    assert np.allclose(whole.scores[whole.withheld], fitted.prior)
    assert (whole.extra["shares"][~whole.withheld, 0] == 0).all()
    only = fitted.predict(test.only(["text"]))
    assert np.allclose(whole.scores, only.scores, atol=1e-6)


def test_standardised_by_the_training_part_alone() -> None:
    train, validation, test = parts()
    fitted, _ = fit(data=(train, validation, test))
    for m in ("audio", "text"):
        assert np.allclose(fitted.model.scale[m].mean.numpy(), train.features[m].values.mean(0), atol=1e-5)
        assert np.allclose(fitted.model.scale[m].spread.numpy(), train.features[m].values.std(0), atol=1e-4)


def test_save_and_load_are_exact(tmp_path) -> None:
    fitted, test = fit("lsgmer", heads=2, lse={"init": "text"})
    fitted.save(tmp_path / "checkpoint.npz")
    again = TorchFitted.load(tmp_path / "checkpoint.npz")
    assert np.array_equal(fitted.predict(test).scores, again.predict(test).scores)
    assert again.told == fitted.told
    np.load(tmp_path / "checkpoint.npz", allow_pickle=False)["told"]
    (tmp_path / "checkpoint.npz").write_bytes(b"PK\x03\x04 damaged")
    with pytest.raises(InputError, match="Train again"):
        TorchFitted.load(tmp_path / "checkpoint.npz")


# Kinds of label


def relabelled(kind: str) -> tuple[Dataset, Dataset, Dataset]:
    data = people(9, 8, modalities=("audio", "text"), seed=3)
    truth = data.index.label("emotion")
    hot = np.eye(4)[truth.values]
    made = {
        "multilabel": Labels("multilabel", truth.names, (hot + np.roll(hot, 1, axis=1)) > 0),
        "distribution": Labels("distribution", truth.names, 0.7 * hot + 0.075),
        "continuous": Labels("continuous", ("valence", "arousal"), 3 + hot[:, :2] - hot[:, 2:], units="1 to 5"),
    }[kind]
    return parts(Dataset(data.index.with_labels(emotion=made), data.features))


@pytest.mark.parametrize("kind", ["multilabel", "distribution", "continuous"])
def test_every_kind_of_label_is_learnt(kind: str) -> None:
    data = relabelled(kind)
    fitted, test = fit("early", data=data, train={"epochs": 15, "lr": 3e-3})
    told = fitted.predict(test.sealed())
    truth = test.index.label("emotion").values
    got = figures(kind, told.scores, truth)
    assert got["ccc" if kind == "continuous" else "macro_f1"] > 0.7
    if kind == "multilabel":
        assert len(fitted.told["thresholds"]) == 4
        assert ((told.scores >= 0) & (told.scores <= 1)).all()
    if kind == "distribution":
        assert np.allclose(told.scores.sum(1), 1)
    if kind == "continuous":
        assert abs(told.scores.mean() - 3) < 0.3


def test_unlabelled_examples_are_left_out() -> None:
    train, validation, test = parts()
    labels = train.index.label("emotion")
    values = labels.values.copy()
    values[::3] = -1
    some = Dataset(train.index.with_labels(emotion=replace(labels, values=values, source=())), train.features)
    kept, _ = fit(data=(some, validation, test))
    alone, _ = fit(data=(some.take(np.flatnonzero(values >= 0)), validation, test))
    assert kept.told == alone.told


# Doors


def test_unknown_settings_name_the_nearest() -> None:
    with pytest.raises(UsageError, match="Did you mean epochs"):
        TorchLearner("x", "late", {"train": {"epocs": 3}})
    with pytest.raises(UsageError, match="Did you mean weight"):
        TorchLearner("x", "lsgmer", {"apc": {"wieght": 3}})
    with pytest.raises(UsageError, match="Did you mean context"):
        TorchLearner("x", "lsgmer", {"contxt": 3})
    with pytest.raises(UsageError, match="must be a whole number"):
        TorchLearner("x", "lsgmer", {"d": "wide"})
    with pytest.raises(UsageError, match="Choose one of"):
        TorchLearner("x", "lsgmer", {"apc": {"stop_grad": "both"}})
    with pytest.raises(UsageError, match="must be 1 at least"):
        TorchLearner("x", "late", {"train": {"epochs": 0}})
    with pytest.raises(UsageError, match="no figure 'val_f1'"):
        fit(train={"select": "val_f1"})


def test_one_class_only() -> None:
    train, validation, test = parts()
    one = train.take(np.flatnonzero(train.index.label("emotion").values == 1))
    with pytest.raises(InputError, match=r"holds one class only \(happiness\)"):
        fit(data=(one, validation, test))


def test_empty_part() -> None:
    train, validation, test = parts()
    with pytest.raises(InputError, match="the validation part is empty"):
        fit(data=(train, validation.take(np.zeros(0, np.int64)), test))


def test_values_that_are_not_numbers() -> None:
    train, validation, test = parts()
    train.features["text"].values[5, 2] = np.nan
    with pytest.raises(InputError, match="not finite"):
        fit(data=(train, validation, test))


def test_label_outside_its_scheme() -> None:
    train, validation, test = parts()
    labels = train.index.label("emotion")
    bad = replace(labels, values=np.where(np.arange(len(train)) == 3, 9, labels.values))
    with pytest.raises(InputError, match="its label is none of neutral"):
        fit(data=(Dataset(train.index.with_labels(emotion=bad), train.features), validation, test))
    other = replace(labels, names=("a", "b", "c", "d"))
    with pytest.raises(InputError, match="Read both parts with one vocabulary"):
        fit(data=(Dataset(train.index.with_labels(emotion=other), train.features), validation, test))


def test_disk_full_is_one_line(tmp_path, monkeypatch) -> None:
    def full(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="the disk is full"):
        fit(folder=tmp_path)


def test_a_loss_that_is_no_number_is_one_line() -> None:
    with pytest.raises(MoodalError, match="not a number"):
        fit("early", train={"lr": 1e30, "grad_clip": 0.0})


def test_a_feature_of_another_width_is_refused() -> None:
    fitted, test = fit()
    with pytest.raises(InputError, match="trained on 48"):
        fitted.predict(Dataset(test.index, {"text": Feature.table("text", np.zeros((len(test), 3)))}))


def test_of_equal_epochs_the_one_of_lowest_loss_is_chosen() -> None:
    fitted, _ = fit("early", train={"epochs": 12, "lr": 3e-3, "select": "val_accuracy"})
    curves, chosen = fitted.told["curves"], fitted.told["best_epoch"]
    best = max(row["val_accuracy"] for row in curves)
    among = [row for row in curves if row["val_accuracy"] == best]
    assert chosen == min(among, key=lambda row: row["val_loss"])["epoch"]
    assert len(among) > 1


# Batches


def test_batches_hold_every_row_once_and_like_lengths_together() -> None:
    data = people(8, 40, modalities=("audio",), steps=(2, 60))
    fitted, _ = fit(data=parts(data))
    packed = Packed.of(data, fitted.model, torch.device("cpu"))
    cut = list(batches(packed, 16, np.random.default_rng(0)))
    assert sorted(np.concatenate(cut).tolist()) == list(range(len(data)))
    spread = np.mean([np.ptp(packed.longest[rows]) for rows in cut])
    assert spread < np.ptp(packed.longest) / 4
    rows = np.array([7, 3, 11])
    values, masks, present = packed.batch(torch.from_numpy(rows))
    plain = data.batch(rows)
    assert np.array_equal(masks["audio"].numpy(), plain.masks["audio"])
    scaled = fitted.model.scale["audio"](torch.from_numpy(plain.values["audio"])).numpy()
    assert np.array_equal(values["audio"].numpy(), np.where(plain.masks["audio"][..., None], scaled, 0))
    assert np.array_equal(present.numpy(), plain.present)


# Context


def test_context_is_the_past_of_the_same_dialogue() -> None:
    data = dialogues(3, 4)
    past = with_past(data, 2).features["text_past"]
    assert past.lengths.tolist() == [0, 1, 2, 2] * 3
    assert past.fields == ("turns_back", "same_speaker", "speaker_changed")
    own = data.features["text"]
    assert np.array_equal(past[2][:, :6], np.concatenate([own[0], own[1]]))
    assert past[2][:, 6].tolist() == [1.0, 0.5]
    assert past[2][:, 7].tolist() == [1.0, 0.0]
    order = np.random.default_rng(0).permutation(len(data))
    turned = with_past(data.take(order), 2).features["text_past"]
    assert all(np.array_equal(turned[i], past[int(order[i])]) for i in range(len(data)))


def test_later_turns_and_other_parts_change_nothing() -> None:
    data = dialogues(3, 6)
    changed = data.features["text"].values.copy()
    late = np.flatnonzero(data.index["turn"] >= 3)
    changed[late] = 99
    other = Dataset(data.index, {"text": replace(data.features["text"], values=changed)})
    before, after = (with_past(d, 5).features["text_past"] for d in (data, other))
    assert all(np.array_equal(before[i], after[i]) for i in np.flatnonzero(data.index["turn"] <= 3))
    # A part that holds every other turn knows nothing of those between.
    part = with_past(data.take(np.arange(0, 18, 2)), 5).features["text_past"]
    assert part.lengths.tolist() == [0, 1, 2] * 3


def test_only_context_can_learn_what_was_said_before() -> None:
    data = tuple(dialogues(30, seed=s) for s in (0, 1, 2))
    blind, test = fit("early", data=data, train={"epochs": 8, "lr": 5e-3})
    aware, _ = fit("early", data=data, train={"epochs": 8, "lr": 5e-3}, context=1)
    truth = test.index.label("emotion").values
    later = test.index["turn"] > 0
    accuracy = [(f.predict(test).scores.argmax(1) == truth)[later].mean() for f in (blind, aware)]
    assert accuracy[0] < 0.65
    assert accuracy[1] > 0.95


def test_context_without_dialogues_is_one_line() -> None:
    with pytest.raises(InputError, match="no example has a dialogue and a turn"):
        fit(context=3)


# Figures and calibration


def test_figures_agree_with_scikit_learn() -> None:
    sk = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    scores, truth = rng.dirichlet(np.ones(5), 200), rng.integers(0, 4, 200)
    got, told = figures("class", scores, truth), scores.argmax(1)
    assert got["accuracy"] == pytest.approx(sk.accuracy_score(truth, told))
    assert got["uar"] == pytest.approx(sk.recall_score(truth, told, average="macro", labels=range(4)))
    assert got["weighted_f1"] == pytest.approx(sk.f1_score(truth, told, average="weighted"))
    assert got["macro_f1"] == pytest.approx(sk.f1_score(truth, told, average="macro", labels=range(4)))
    on = rng.random((200, 5)) < 0.4
    assert figures("multilabel", scores, on)["macro_f1"] == pytest.approx(
        sk.f1_score(on, scores >= 0.5, average="macro", zero_division=0)
    )
    low, high = interval("class", scores, truth, np.arange(200) % 20, draws=200)["accuracy"]
    assert low < got["accuracy"] < high


def test_temperature_undoes_overconfidence() -> None:
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn(4000, 4, generator=rng)
    target = torch.multinomial(logits.softmax(1), 1, generator=rng).squeeze(1)
    assert temperature("class", 3 * logits, target) == pytest.approx(3, rel=0.1)


def test_thresholds_are_those_of_best_f1() -> None:
    scores = np.array([[0.1], [0.2], [0.3], [0.9]])
    assert thresholds(scores, np.array([[False], [True], [True], [True]]))[0] == pytest.approx(0.15)
    assert thresholds(scores, np.zeros((4, 1), bool))[0] == 0.5


# Parallel


@pytest.mark.slow
def test_two_processes_train_one_model(tmp_path) -> None:
    script = tmp_path / "job.py"
    script.write_text(
        "import sys, torch\n"
        "torch.set_num_threads(1)\n"
        "from test_train import fit\n"
        "from moodal.lab.train.parallel import Group\n"
        "fitted, test = fit('lsgmer', heads=2, train={'epochs': 3})\n"
        "rank = Group.current().rank\n"
        "fitted.save(__import__('pathlib').Path(sys.argv[1]) / f'{rank}.npz')\n"
        "torch.distributed.destroy_process_group()\n"
    )
    paths = [str(Path(__file__).parent), *(p for p in sys.path if p)]
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script), tmp_path],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    one, two = (TorchFitted.load(tmp_path / f"{rank}.npz") for rank in (0, 1))
    assert one.told == two.told
    for key, tensor in one.model.state_dict().items():
        assert torch.equal(tensor, two.model.state_dict()[key]), key
