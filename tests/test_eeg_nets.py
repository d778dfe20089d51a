"""Networks of EEG: sizes as published, learning what is planted and nothing else, any channels, one line a fault."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moodal.core.errors import InputError, UsageError
from moodal.lab import bench
from moodal.lab.bench.learners import learner
from moodal.lab.data import Dataset, Feature
from moodal.lab.data.features import make
from moodal.lab.data.synthetic_body import bodies
from moodal.lab.models.eeg import NETS, net_module
from moodal.lab.recipes import FeaturePart

torch = pytest.importorskip("torch")
pytest.importorskip("scipy")

CHANNELS_64 = [f"{row}{k}" for row in ("F", "FC", "C", "CP", "P", "PO", "O", "AF") for k in range(1, 9)]


def built(net: str, channels: int, steps: int, classes: int, **told: Any) -> Any:
    module = net_module(net)
    return module.build(CHANNELS_64[:channels], steps, classes, module.Settings(**told))


@pytest.mark.parametrize(
    ("net", "shape", "told", "count"),
    [
        # Lawhern et al. 2018, table 3: P300 (64 channels, 1 s, two classes) and SMR (22, 2 s, four).
        ("eegnet", (64, 128, 2), {"filters": 8}, 2258),
        ("eegnet", (64, 128, 2), {"filters": 4}, 1066),
        ("eegnet", (22, 256, 4), {"filters": 8, "kernel": 32}, 1716),
        ("eegnet", (22, 256, 4), {"filters": 4, "kernel": 32}, 796),
        ("deepconvnet", (64, 128, 2), {}, 174127),
        ("shallowconvnet", (64, 128, 2), {}, 104002),
        ("shallowconvnet", (22, 256, 4), {}, 40644),
    ],
)
def test_as_many_parameters_as_published(
    net: str, shape: tuple[int, int, int], told: dict[str, Any], count: int
) -> None:
    assert sum(p.numel() for p in built(net, *shape, **told).parameters()) == count


def test_labram_is_of_its_base_size() -> None:
    assert round(sum(p.numel() for p in built("labram", 62, 800, 3, layers=12).parameters()) / 1e6, 1) == 5.8


@pytest.mark.parametrize("net", list(NETS))
def test_what_is_told_of_one_window_hangs_on_no_other(net: str) -> None:
    made = built(net, 16, 5 if net == "dgcnn" else 512, 3).eval()
    x = torch.randn(4, 16, 5 if net == "dgcnn" else 512, generator=torch.Generator().manual_seed(0))
    there = torch.ones(4, 16, dtype=torch.bool)
    there[0, 3] = False
    x[0, 3] = 0
    with torch.no_grad():
        whole = made(x, there)
        assert torch.allclose(whole[1:2], made(x[1:2], there[1:2]), atol=1e-5)
        order = torch.tensor([2, 0, 3, 1])
        assert torch.allclose(whole[order], made(x[order], there[order]), atol=1e-5)


@pytest.mark.parametrize("net", ["labram", "dgcnn"])
def test_a_channel_that_is_not_there_tells_nothing(net: str) -> None:
    made = built(net, 16, 5 if net == "dgcnn" else 512, 3).eval()
    x = torch.randn(2, 16, 5 if net == "dgcnn" else 512, generator=torch.Generator().manual_seed(0))
    there = torch.ones(2, 16, dtype=torch.bool)
    there[:, 3] = False
    other = x.clone()
    other[:, 3] = 7.0
    with torch.no_grad():
        assert torch.allclose(made(x, there), made(other, there), atol=1e-5)


@cache
def planted(effect: float) -> Dataset:
    data, _ = bodies(8, 24, seconds=3, modalities=("eeg",), effect=effect)
    bands = make(data, "bands", FeaturePart("eeg-bands", {"of": "eeg"}))
    return Dataset(data.index, {**data.features, "bands": bands})


def parts(data: Dataset) -> tuple[Dataset, Dataset, Dataset]:
    fold = bench.protocol("group-kfold", k=2).split(data)[0]
    return data.take(fold.train), data.take(fold.validation), data.take(fold.test)


def trained(
    net: str = "eegnet", effect: float = 1.0, epochs: int = 8, seed: int = 0, **told: Any
) -> tuple[Any, Dataset]:
    data = planted(effect).only(["bands" if net == "dgcnn" else "eeg"])
    train, validation, test = parts(data)
    settings = {"net": net, "train": {"epochs": epochs, "batch": 16, "lr": 3e-3}, **told}
    made = learner("eeg-net", settings, choose="uar")
    return made.fit(train, validation, label="state", seed=seed), test


def right(fitted: Any, test: Dataset) -> float:
    return float((fitted.predict(test.sealed()).scores.argmax(1) == test.index.label("state").values).mean())


@pytest.mark.parametrize("net", ["eegnet", "shallowconvnet", "tsception", "dgcnn"])
def test_what_is_planted_is_learnt_of_people_who_were_not_seen(net: str) -> None:
    fitted, test = trained(net, epochs=12)
    # 96 windows of four people: chance is above 0.66 in one draw of a thousand.
    assert right(fitted, test) > 0.66
    assert fitted.told["parameters"] > 0
    assert not fitted.told["left_out"]


@pytest.mark.parametrize("net", ["shallowconvnet", "dgcnn"])
def test_nothing_is_learnt_where_nothing_is_planted(net: str) -> None:
    fitted, test = trained(net, effect=0.0)
    assert 0.35 < right(fitted, test) < 0.65


def test_the_same_seed_gives_the_same_numbers_and_a_file_the_same_network(tmp_path: Path) -> None:
    from moodal.lab.train.eeg import EegFitted

    (a, test), (b, _), (c, _) = (trained(epochs=2, seed=s) for s in (0, 0, 1))
    scores = a.predict(test).scores
    assert np.array_equal(scores, b.predict(test).scores)
    assert not np.array_equal(scores, c.predict(test).scores)
    a.save(tmp_path / "net.npz")
    assert np.array_equal(EegFitted.load(tmp_path / "net.npz").predict(test).scores, scores)
    bad = tmp_path / "bad.npz"
    bad.write_bytes(b"no")
    with pytest.raises(InputError, match="is not a readable checkpoint"):
        EegFitted.load(bad)


def changed(data: Dataset, **told: Any) -> Dataset:
    return Dataset(data.index, {"eeg": replace(data.features["eeg"], **told)})


def test_channels_are_told_by_name_whatever_their_order_or_number() -> None:
    fitted, test = trained(epochs=4)
    eeg = test.features["eeg"]
    scores = fitted.predict(test).scores
    turned = changed(test, values=eeg.values[:, ::-1], fields=tuple(f"EEG {f}" for f in eeg.fields[::-1]))
    assert np.array_equal(fitted.predict(turned).scores, scores)
    fewer = changed(test, values=eeg.values[:, 1:], fields=eeg.fields[1:])
    flat = eeg.values.copy()
    flat[:, 0] = 3.0
    holes = flat.copy()
    holes[:, 0] = np.nan
    less = fitted.predict(fewer)
    assert not less.withheld.any()
    assert np.array_equal(fitted.predict(changed(test, values=flat)).scores, less.scores)
    assert np.array_equal(fitted.predict(changed(test, values=holes)).scores, less.scores)
    some, _ = trained(epochs=1, channels=["O1", "f3"])
    assert some.layout.channels == ("O1", "F3")


def test_an_offset_and_a_gain_of_all_change_nothing() -> None:
    fitted, test = trained(epochs=2)
    eeg = test.features["eeg"]
    shifted = fitted.predict(changed(test, values=eeg.values + 4200)).scores  # DREAMER's electrodes rest there
    assert np.allclose(shifted, fitted.predict(test).scores, atol=2e-2)
    assert fitted.layout.scale.std() > 0


def test_neither_what_follows_a_window_nor_who_is_read_beside_it_changes_what_is_told() -> None:
    fitted, test = trained(epochs=2)
    eeg = test.features["eeg"]
    rows = [eeg[i] for i in range(len(test))]
    scores = fitted.predict(test).scores
    noise = np.random.default_rng(0).normal(0, 200, (len(rows), 40, eeg.width))

    def told(windows: list[Any]) -> Any:
        feature = Feature.build("eeg", windows, rate_hz=eeg.rate_hz, fields=eeg.fields)
        return fitted.predict(Dataset(test.index, {"eeg": feature})).scores

    assert np.allclose(told([np.concatenate([r, n]) for r, n in zip(rows, noise, strict=True)]), scores, atol=1e-5)
    # One window of twice the length makes the others' array longer: what fills it is no signal.
    assert np.allclose(told([np.tile(rows[0], (2, 1)), *rows[1:]])[1:], scores[1:], atol=1e-5)
    alone = test.take(np.array([2]))
    assert np.allclose(fitted.predict(alone).scores[0], scores[2], atol=1e-5)


def test_who_has_no_eeg_is_withheld() -> None:
    fitted, test = trained(epochs=1)
    rows = [None if i < 3 else test.features["eeg"][i] for i in range(len(test))]
    eeg = test.features["eeg"]
    gone = Dataset(test.index, {"eeg": Feature.build("eeg", rows, rate_hz=eeg.rate_hz, fields=eeg.fields)})
    told = fitted.predict(gone)
    assert told.withheld.tolist() == [i < 3 for i in range(len(test))]
    assert np.allclose(told.scores.sum(1), 1)
    assert fitted.predict(test.without(["eeg"])).withheld.all()


def test_its_scale_is_that_of_the_training_part() -> None:
    train, validation, _ = parts(planted(1.0).only(["eeg"]))
    made = learner("eeg-net", {"net": "eegnet", "train": {"epochs": 1}})
    eeg = validation.features["eeg"]
    louder = changed(validation, values=eeg.values * 9)
    a, b = (made.fit(train, v, label="state", seed=0) for v in (validation, louder))
    assert np.array_equal(a.layout.scale, b.layout.scale)


def short(data: Dataset) -> Dataset:
    eeg = data.features["eeg"]
    cut = [eeg[i][:20] for i in range(len(data))]
    return Dataset(data.index, {"eeg": Feature.build("eeg", cut, rate_hz=eeg.rate_hz, fields=eeg.fields)})


@pytest.mark.parametrize(
    ("net", "told", "change", "error", "match"),
    [
        ("eegnet", {"nett": "a"}, None, UsageError, "nett"),
        ("eegnet", {"net": "eegnot"}, None, UsageError, "unknown network 'eegnot'"),
        ("eegnet", {"layers": 4}, None, UsageError, "layers"),
        ("eegnet", {"of": "brain"}, None, UsageError, "has no modality 'brain'"),
        ("eegnet", {"channels": ["Cz"]}, None, InputError, "has no channel 'Cz'"),
        ("dgcnn", {}, None, InputError, "holds no features by band and channel"),
        ("tsception", {"channels": ["F3"]}, None, InputError, "no channel has a partner"),
        ("eegnet", {}, lambda d: changed(d, rate_hz=None), InputError, "eeg has no rate"),
        ("eegnet", {}, lambda d: changed(d, fields=()), InputError, "4 channels without names"),
        ("eegnet", {}, lambda d: changed(d, fields=("T3", "T7", "O1", "O2")), InputError, "are one channel"),
        ("shallowconvnet", {}, short, InputError, "too short"),
        ("labram", {}, short, InputError, "windows last 0.1 s"),
        ("tsception", {}, short, InputError, "too short"),
        ("eegnet", {}, lambda d: d.without(["eeg"]), InputError, "no example has eeg"),
    ],
)
def test_each_fault_is_one_line(
    net: str, told: dict[str, Any], change: Callable[[Dataset], Dataset] | None, error: type[Exception], match: str
) -> None:
    train, validation, _ = parts(planted(1.0).only(["eeg"]))
    if change is not None:
        train, validation = change(train), change(validation)
    with pytest.raises(error, match=match) as caught:
        learner("eeg-net", {"net": net, **told}).fit(train, validation, label="state", seed=0)
    assert "\n" not in str(caught.value)


def test_names_that_are_one_electrode_are_refused_at_prediction_too() -> None:
    fitted, test = trained(epochs=1)
    other = changed(test, fields=("Cz", "Pz", "P3", "P4"))
    with pytest.raises(InputError, match="has none of the channels that were learnt from"):
        fitted.predict(other)


def test_several_modalities_need_a_name() -> None:
    data = planted(1.0)
    both = Dataset(data.index, {"one": data.features["eeg"], "two": data.features["bands"]})
    train, validation, _ = parts(both)
    with pytest.raises(UsageError, match="reads one of one, two"):
        learner("eeg-net", {"net": "eegnet"}).fit(train, validation, label="state", seed=0)
