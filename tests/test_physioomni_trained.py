"""PhysioOmni by the tests of its specification that train it: on generated bodies with a hidden state and nuisances."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from moodal.lab.data import Dataset  # noqa: E402
from moodal.lab.data.synthetic_body import BODY, Hidden, bodies  # noqa: E402
from moodal.lab.models.physioomni.specs import SIZES, SPECS  # noqa: E402
from moodal.lab.models.physioomni.tokenizer import Tokenizer, _rows, target  # noqa: E402
from moodal.lab.train import state  # noqa: E402
from moodal.lab.train.physioomni import PhysioLearner, PhysioSettings, pretrain  # noqa: E402
from moodal.lab.train.physioomni.prepared import prepare  # noqa: E402

pytestmark = pytest.mark.slow
SETTINGS = {
    "tokenizer_train": {"epochs": 24, "batch": 16, "lr": 2e-3},
    "msm_train": {"epochs": 25, "batch": 16, "lr": 2e-3},
    "train": {"epochs": 20, "batch": 16},
}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    was = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(was)


@pytest.fixture(scope="module")
def world() -> tuple[Dataset, Hidden]:
    return bodies(12, 16, seconds=4, seed=1)


def parts(data: Dataset) -> tuple[Dataset, Dataset, Dataset]:
    """Eight people, two, two."""
    who = np.array([int(s[1:]) for s in data.index["subject"]])
    return data.take(who <= 8), data.take((who == 9) | (who == 10)), data.take(who >= 11)


@pytest.fixture(scope="module")
def pretrained(world, tmp_path_factory: pytest.TempPathFactory):
    """The folder of a pre-training on the training people, and what it tells."""
    folder = tmp_path_factory.mktemp("pretrained")
    made = pretrain(parts(world[0])[0], PhysioSettings.of(SETTINGS, "test"), folder=folder)
    return folder, made.told


@pytest.fixture(scope="module")
def tokenizer(pretrained):
    """Stage 1 as it was left."""
    how = PhysioSettings.of(SETTINGS, "test")
    made = Tokenizer(tuple(BODY), SIZES["tiny"], how.tokenizer, how.encoder)
    made.load_state_dict(state.load(pretrained[0] / "tokenizer.npz")[1]["model"])
    return made.eval()


@pytest.fixture(scope="module")
def fitted(world, pretrained):
    train, validation, _ = parts(world[0])
    told = {"init": str(pretrained[0]), "train": SETTINGS["train"]}
    return PhysioLearner("physioomni", told).fit(train, validation, label="state", seed=0)


def right(fit, data: Dataset, shown=tuple(BODY)) -> float:
    seen = data.without([m for m in BODY if m not in shown]).sealed()
    return float((fit.predict(seen).scores.argmax(1) == data.index.label("state").values).mean())


def test_all_codebooks_are_used(pretrained) -> None:
    used = pretrained[1]["perplexity"]
    assert set(used) == {"shared", *BODY}
    assert min(used.values()) >= 16, used


def probe(features, target_, people) -> float:
    """Accuracy of a linear probe on people it has not seen."""
    from sklearn.linear_model import LogisticRegression

    seen = people <= 8
    fit = LogisticRegression(max_iter=500).fit(features[seen], target_[seen])
    return float(fit.score(features[~seen], target_[~seen]))


def codes_by_second(tokenizer, world, m: str, kind: str):
    """One-hot codes of each second (means over channels and patches), what was hidden in it, and who it was."""
    data, hidden = world
    codes = tokenizer.codes(prepare(data, tuple(BODY)).batch(np.arange(len(data))))
    index = (codes.shared if kind == "shared" else codes.private)[m].numpy()
    channels, seconds = len(BODY[m][0]), hidden.state.shape[1]
    one_hot = np.eye(64)[index.reshape(len(data), channels, seconds, -1)].mean(axis=3)
    features = one_hot.transpose(0, 2, 1, 3).reshape(len(data) * seconds, -1)
    who = np.repeat([int(s[1:]) for s in data.index["subject"]], seconds)
    return features, hidden.state.ravel(), hidden.nuisance[m].ravel(), who


def test_shared_codes_tell_the_state_and_private_ones_what_is_the_signals_own(world, tokenizer) -> None:
    told = {}
    for m in ("eeg", "emg"):
        for kind in ("shared", "private"):
            features, state, nuisance, who = codes_by_second(tokenizer, world, m, kind)
            told[m, kind] = probe(features, state, who), probe(features, nuisance, who)
    for m in ("eeg", "emg"):
        assert told[m, "shared"][0] > 0.85, told
        assert told[m, "shared"][0] >= told[m, "private"][0] + 0.1, told
        assert told[m, "private"][1] >= told[m, "shared"][1] + 0.1, told


@pytest.mark.parametrize(
    "m",
    [
        "emg",
        pytest.param("ecg", marks=pytest.mark.xfail(
            reason="a beat's place, which only its own code knows, is most of a wave; docs/lab/LOG.md", strict=True
        )),
    ],
)  # fmt: skip
def test_the_shared_codes_of_the_brain_help_to_rebuild_another(world, tokenizer, m: str) -> None:
    test = parts(world[0])[2]
    given = prepare(test, tuple(BODY)).batch(np.arange(len(test)))
    with torch.no_grad():
        coded = tokenizer.encode(given)
        goal = target(coded[m].tokens, SPECS[m])
        order = torch.randperm(len(test), generator=torch.Generator().manual_seed(0))
        faults = []
        for source in (coded["eeg"], _rows(coded["eeg"], order)):
            rebuilt, told = tokenizer.crossed(m, coded[m], "eeg", source)
            faults.append(float((rebuilt - goal)[told].square().mean()))
    assert faults[0] < 0.9 * faults[1], faults


def test_hidden_patches_are_told_above_chance(pretrained) -> None:
    told = {k: v for k, v in pretrained[1]["msm"][-1].items() if k.startswith("right")}
    assert all(max(told[f"right.{kind}.{m}"] for kind in ("shared", "private")) > 5 / 64 for m in BODY), told


def test_subsets_are_ordered(world, fitted) -> None:
    test = parts(world[0])[2]
    single = {m: right(fitted, test, (m,)) for m in BODY}
    whole = right(fitted, test)
    assert whole >= max(single.values()) - 0.07, (whole, single)  # two of 32 clips
    assert min(single.values()) > 0.6, single
    three = np.mean([right(fitted, test, s) for s in combinations(BODY, 3)])
    two = np.mean([right(fitted, test, s) for s in combinations(BODY, 2)])
    assert whole >= three - 0.07
    assert three >= two - 0.07


def test_prototypes_stand_for_their_classes(world, fitted) -> None:
    test = parts(world[0])[2]
    said = fitted.predict(test.sealed())
    truth = test.index.label("state").values
    z = torch.from_numpy(said.extra["z"]).float()
    nearest = fitted.model.nearest(z).detach().numpy()
    assert abs((nearest == truth).mean() - (said.scores.argmax(1) == truth).mean()) <= 0.03
    proto = fitted.model.proto.detach()
    within = torch.stack([(z[truth == c] - proto[c]).norm(dim=1).mean() for c in (0, 1)]).mean()
    assert float(torch.pdist(proto).min()) > 1.0 * float(within)


def test_without_an_effect_it_stays_at_chance() -> None:
    train, validation, test = parts(bodies(12, 16, seconds=3, effect=0.0, seed=2)[0])
    told = {"init": "scratch", "train": {"epochs": 6, "batch": 32}}
    fit = PhysioLearner("physioomni", told).fit(train, validation, label="state", seed=0)
    assert abs(right(fit, test) - 0.5) < 0.2
