"""PhysioSync without training it for long: shapes, tables of positives, promises of the sampler, masks, bad input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from moodal.core import registry  # noqa: E402
from moodal.core.errors import InputError, UsageError  # noqa: E402
from moodal.lab import recipes  # noqa: E402
from moodal.lab.data import Dataset  # noqa: E402
from moodal.lab.data.dataset import Feature  # noqa: E402
from moodal.lab.data.labels import Labels  # noqa: E402
from moodal.lab.data.leak import LeakageError  # noqa: E402
from moodal.lab.data.synthetic_sync import watching  # noqa: E402
from moodal.lab.models.physiosync.augment import AugmentSettings, varied  # noqa: E402
from moodal.lab.models.physiosync.contrast import (  # noqa: E402
    Contrast,
    Drawn,
    Table,
    cross_modal,
    group_max,
    nt_xent,
)
from moodal.lab.models.physiosync.encoder import Encoder  # noqa: E402
from moodal.lab.models.physiosync.network import (  # noqa: E402
    FinetuneSettings,
    Form,
    PhysioSync,
    encoders_of,
    windowed,
)
from moodal.lab.models.physiosync.specs import SIZES, Windows, stream_named  # noqa: E402
from moodal.lab.models.physiosync.waves import Waves  # noqa: E402
from moodal.lab.train.physiosync import SyncFitted, SyncLearner, SyncSettings, pretrain  # noqa: E402
from moodal.lab.train.physiosync.prepared import prepare  # noqa: E402
from moodal.lab.train.physiosync.sampler import Sampler, moments  # noqa: E402
from moodal.lab.train.physiosync.settings import PretrainSettings  # noqa: E402
from moodal.lab.train.physiosync.synchrony import isc, retrieval  # noqa: E402

QUICK = {
    "pretrain_train": {"epochs": 1}, "train": {"epochs": 1, "batch": 32}, "augment": {"copies": 1},
    "windows": {"long": 4.0, "short": 2.0},
}  # fmt: skip
FORM = SyncSettings.of(QUICK, "test").form()


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    was = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(was)


@pytest.fixture(scope="module")
def world() -> Dataset:
    return watching(6, 4, seconds=12, window_s=4.0, streams=("eeg", "eda", "ppg"), seed=3)[0]


def parts(data: Dataset) -> tuple[Dataset, Dataset, Dataset]:
    who = np.array([int(s[1:]) for s in data.index["subject"]])
    return data.take(who <= 4), data.take(who == 5), data.take(who == 6)


@pytest.fixture(scope="module")
def fitted(world: Dataset) -> SyncFitted:
    train, validation, _ = parts(world)
    return SyncLearner("physiosync", QUICK).fit(train, validation, label="mood", seed=0)


# --- sizes -----------------------------------------------------------------------------------------------------------


def published(channels: int, seconds: float, level: str) -> float:
    """Millions of parameters of one published encoder, with its unused second perceptron of the last block."""
    form = Form(SIZES["published"], Windows.of({level: seconds}), "flatten")
    with torch.device("meta"):
        made: Encoder = encoders_of(["eeg"], level, form, {"eeg": channels})["eeg"]
    d = SIZES["published"].width(level)
    unused = 2 * 4 * d * d + 5 * d + 2 * d
    return (sum(p.numel() for p in made.parameters()) + unused) / 1e6


@pytest.mark.parametrize(
    ("channels", "seconds", "level", "told"),
    [(32, 5, "long", 70.5), (1, 5, "long", 19.7), (32, 1, "short", 2.83), (1, 1, "short", 0.79),
     (14, 1, "short", 1.65), (2, 1, "short", 0.86)],
)  # fmt: skip
def test_encoders_have_the_published_parameters(channels: int, seconds: float, level: str, told: float) -> None:
    assert abs(published(channels, seconds, level) - told) < (0.05 if told > 10 else 0.0075)


def test_projectors_and_classifier_have_the_published_parameters() -> None:
    form = Form(SIZES["published"], Windows.of({"long": 5, "short": 1}), "flatten")
    channels = {"eeg": 32, "eda": 1}
    with torch.device("meta"):
        model = PhysioSync(["eeg", "eda"], 2, "class", form, channels, FinetuneSettings(fusion="concat"))
        told = {}
        for level in ("long", "short"):
            contrast = Contrast(["eeg"], encoders_of(["eeg"], level, form, channels), form.size, 0.2)
            told[level] = sum(p.numel() for p in contrast.projectors.parameters()) / 1e6
    assert abs(told["long"] - 13.1) < 0.05
    assert abs(told["short"] - 11.0) < 0.05
    assert model.decide[0].in_features == 10_240
    count = sum(p.numel() for part in (model.decide, model.heads) for p in part.parameters()) / 1e6
    assert abs(count - 2.66) < 0.01


def test_the_tiny_size_is_tiny(fitted: SyncFitted) -> None:
    assert sum(p.numel() for p in fitted.model.parameters()) < 500_000


# --- the loss --------------------------------------------------------------------------------------------------------


def looped(z: np.ndarray, positive: list[int], barred: np.ndarray, t: float) -> float:
    z = z / np.linalg.norm(z, axis=1, keepdims=True)
    told = []
    for i, j in enumerate(positive):
        if j < 0:
            continue
        others = [k for k in range(len(z)) if k != i and (k == j or not barred[i, k])]
        told.append(-np.log(np.exp(z[i] @ z[j] / t) / sum(np.exp(z[i] @ z[k] / t) for k in others)))
    return float(np.mean(told))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 7), st.floats(0, 0.4))
def test_the_loss_is_that_of_a_loop_over_a_table_of_positives(seed: int, m: int, gone: float) -> None:
    rng = np.random.default_rng(seed)
    key, copy = rng.integers(0, 3, m), np.zeros(m, np.int64)
    for k in range(3):  # copies of one moment are numbered
        copy[key == k] = np.arange((key == k).sum())
    there = torch.from_numpy(rng.random((m, 2)) >= gone)
    drawn = Drawn(torch.zeros(m, 2, 1), torch.from_numpy(key), torch.from_numpy(copy))
    table = drawn.table(there)
    both, half = np.tile(key, 2), np.repeat([0, 1], m)
    copies, has = np.tile(copy, 2), there.T.flatten().numpy()
    for i, j in enumerate(table.positive.tolist()):
        if j >= 0:
            assert both[i] == both[j]
            assert copies[i] == copies[j]
            assert half[i] != half[j]
            assert has[i]
            assert has[j]
        else:
            assert not (has[i] and has[(i + m) % (2 * m)])
        for k in range(2 * m):  # copies of a moment, and who is not there, are never negatives
            if (both[k] == both[i] or not has[k]) and k != j:
                assert bool(table.barred[i, k])
    z = torch.from_numpy(rng.normal(size=(2 * m, 5)))
    if any(j >= 0 for j in table.positive.tolist()):
        wanted = looped(z.numpy(), table.positive.tolist(), table.barred.numpy(), 0.1)
        assert float(nt_xent(z, table, 0.1)) == pytest.approx(wanted, abs=1e-5)
        order = torch.from_numpy(rng.permutation(m))
        turned = Drawn(drawn.rows, drawn.key[order], drawn.copy[order]).table(there[order])
        again = nt_xent(torch.cat([z[:m][order], z[m:][order]]), turned, 0.1)
        assert float(again) == pytest.approx(wanted, abs=1e-5)
    else:
        assert float(nt_xent(z, table)) == 0


def moments_of(m: int) -> Drawn:
    return Drawn(torch.zeros(m, 2, 1), torch.arange(m), torch.zeros(m, dtype=torch.long))


def test_the_loss_is_least_where_halves_agree_and_moments_do_not() -> None:
    table = moments_of(6).table(torch.ones(6, 2, dtype=torch.bool))
    aligned, noise = torch.eye(6).repeat(2, 1), torch.randn(12, 6)
    assert nt_xent(aligned, table) < 0.01
    assert nt_xent(noise, table) > 0.5
    assert nt_xent(torch.eye(6).roll(1, 0)[torch.arange(12) % 6] + aligned, table) > nt_xent(aligned, table)


def test_after_the_exchange_the_other_group_of_the_other_stream_is_the_positive() -> None:
    m = 5
    drawn, all_there = moments_of(m), torch.ones(m, 2, dtype=torch.bool)
    base = torch.eye(m).unsqueeze(1)
    # Each stream's own halves are unlike; what agrees is a of one with b of the other.
    first = torch.cat([base, base.roll(1, 0)], dim=1).requires_grad_()
    second = torch.cat([base.roll(1, 0), base], dim=1).requires_grad_()
    crossed = cross_modal(first, second, (all_there, all_there), drawn, 0.1)
    assert crossed < 0.01
    # A little noise, so that the gradient does not vanish at the minimum.
    a, b = ((t.detach() + 0.3 * torch.randn(m, 2, m)).requires_grad_() for t in (first, second))
    cross_modal(a, b, (all_there, all_there), drawn, 0.1).backward()
    assert (a.grad.abs().amax(dim=(0, 2)) > 0).all()
    assert (b.grad.abs().amax(dim=(0, 2)) > 0).all()
    same = torch.cat([base, base], dim=1)
    other = torch.cat([base.roll(2, 0), base.roll(2, 0)], dim=1)
    assert cross_modal(same, other, (all_there, all_there), drawn, 0.1) > 5


def test_groups_are_pooled_over_who_is_there() -> None:
    feature = torch.tensor([[[[1.0, 5.0], [float("nan"), 9.0]], [[2.0, 0.0], [3.0, -1.0]]]])
    there = torch.tensor([[[True, False], [True, True]]])
    most, some = group_max(feature, there)
    assert most.tolist() == [[[1.0, 5.0], [3.0, 0.0]]]
    assert some.tolist() == [[True, True]]
    most, some = group_max(feature, torch.zeros_like(there))
    assert (most == 0).all()
    assert not some.any()


# --- the sampler -----------------------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(2, 5), st.integers(1, 3), st.integers(2, 7), st.integers(0, 2))
def test_what_is_drawn_together_is_the_same_moment_of_other_people(
    seed: int, people: int, size: int, batch: int, copies: int
) -> None:
    data = watching(people, 3, seconds=8, window_s=4.0, streams=("eda",), skipped=0.3, seed=seed)[0]
    rng = np.random.default_rng(seed)
    data = data.take(rng.permutation(len(data)))
    index = data.index
    s = PretrainSettings(group_size=size, moments_per_batch=batch)
    if len(moments(index)) < 2 or len(data) < 2:
        return
    sampler = Sampler(index, np.arange(len(data)), s, copies=copies, seed=seed)
    assert sampler.sources == ("stimulus",)
    onset = {}
    for c, t, b in zip(index["clip"], index["trial"], index["start_s"], strict=True):
        onset[c] = b - min(index["start_s"][index["trial"] == t])
    torch.manual_seed(seed)
    seen = []
    for items in sampler.batches(0):
        drawn, _ = sampler.draw(items)
        seen += items.tolist()
        for rows, key in zip(drawn.rows.tolist(), drawn.key.tolist(), strict=True):
            halves = [{index["subject"][r] for r in half if r >= 0} for half in rows]
            assert halves[0]
            assert halves[1]
            assert not halves[0] & halves[1]
            there = [r for half in rows for r in half if r >= 0]
            assert len({index["subject"][r] for r in there}) == len(there)
            told = {(index["stimulus"][r], round(onset[index["clip"][r]], 3)) for r in there}
            assert len(told) == 1
            moment = sampler.moments[key]
            assert told == {(moment.stimulus, moment.onset_ms / 1000)}
    assert len(seen) == len(set(seen))
    assert [len(b) for b in sampler.batches(0)] != []
    assert len(sampler.batches(3)) == len(sampler.batches(0))
    assert all(np.array_equal(a, b) for a, b in zip(sampler.batches(1), sampler.batches(1), strict=True))


def test_without_shared_moments_positives_are_neighbours_in_time(world: Dataset) -> None:
    alone = Dataset(world.index.with_columns(stimulus=world.index["trial"]), world.features)
    sampler = Sampler(alone.index, np.arange(len(alone)), PretrainSettings(near_s=5))
    assert sampler.sources == ("time",)
    torch.manual_seed(0)
    for items in sampler.batches(0):
        drawn, _ = sampler.draw(items)
        rows = drawn.rows[:, :, 0].numpy()
        assert len(set(alone.index["subject"][rows.ravel()])) == 1
        assert (np.abs(np.diff(alone.index["start_s"][rows], axis=1)) <= 5).all()
        apart = np.abs(alone.index["start_s"][rows[:, 0]][:, None] - alone.index["start_s"][rows[:, 0]])
        assert (drawn.near.numpy() == (apart <= 5)).all()


def test_streams_of_one_window_and_random_pairs(world: Dataset) -> None:
    rows = np.arange(len(world))
    torch.manual_seed(0)
    sampler = Sampler(world.index, rows, PretrainSettings(positive="cross_modal"))
    drawn, _ = sampler.draw(sampler.batches(0)[0])
    assert (drawn.rows[:, 0] == drawn.rows[:, 1]).all()
    sampler = Sampler(world.index, rows, PretrainSettings(positive="random"))
    pairs = torch.cat([sampler.draw(b)[0].rows.flatten(1) for b in sampler.batches(0)]).numpy()
    told = world.index["stimulus"][pairs]
    assert (told[:, 0] == told[:, 3]).mean() < 0.7  # one of four films by chance
    both = Sampler(world.index, rows, PretrainSettings(positive="stimulus+time"))
    assert {both.source(b) for b in both.batches(0)} == {"stimulus", "time"}


# --- the model -------------------------------------------------------------------------------------------------------


def waves(b: int, c: int, t: int, patch: int, seed: int = 0, row: int = 0) -> Waves:
    gen = torch.Generator().manual_seed(seed)
    channel = (row + torch.arange(c)).expand(b, c)
    return Waves(torch.randn(b, c, t, patch, generator=gen), channel, torch.ones(b, c, t, dtype=torch.bool))


@pytest.fixture(scope="module")
def model() -> PhysioSync:
    torch.manual_seed(1)
    form = Form(SIZES["tiny"], Windows.of({"long": 4, "short": 1}))
    return PhysioSync(["eeg", "eda"], 3, "class", form, {"eeg": 4, "eda": 1}).eval()


def given_to(model: PhysioSync, b: int = 5, c: int = 4) -> dict[str, Waves]:
    return {"eeg": waves(b, c, 4, model.form.patch("eeg")), "eda": waves(b, 1, 4, model.form.patch("eda"), 9, 140)}


def test_what_is_absent_may_hold_anything_and_a_part_alone_is_told(model: PhysioSync) -> None:
    signals = given_to(model)
    whole = model.predict(signals)
    assert torch.equal(whole["logits"], model.predict(signals)["logits"])  # no dropout in evaluation
    gone = replace(signals["eda"], x=torch.full_like(signals["eda"].x, float("nan")),
                   valid=torch.zeros_like(signals["eda"].valid))  # fmt: skip
    alone = model.predict({"eeg": signals["eeg"]})
    hidden = model.predict(signals, torch.tensor([[True, False]] * 5))
    absent = model.predict({"eeg": signals["eeg"], "eda": gone})
    for other in (hidden, absent):
        assert torch.allclose(alone["logits"], other["logits"], atol=1e-6)
    assert torch.allclose(alone["logits"], whole["logits_each"][:, 0], atol=1e-5)
    assert absent["logits_each"][:, 1].isnan().all()
    assert (absent["confidence"][:, 1] == 0).all()
    assert torch.isfinite(model.predict({"eda": signals["eda"]})["logits"]).all()
    with pytest.raises(InputError, match="example 1 has none"):
        model.predict({"eda": gone, "eeg": replace(signals["eeg"], valid=torch.zeros_like(signals["eeg"].valid))})


def test_channels_come_in_any_order_and_number(model: PhysioSync) -> None:
    signals = given_to(model, c=14)
    w = signals["eeg"]
    order = torch.randperm(14)
    turned = {**signals, "eeg": Waves(w.x[:, order], w.channel[:, order], w.valid[:, order])}
    assert torch.allclose(model.predict(signals)["logits"], model.predict(turned)["logits"], atol=1e-5)
    few = {**signals, "eeg": Waves(w.x[:, :3], w.channel[:, :3], w.valid[:, :3])}
    masked = {**signals, "eeg": replace(w, valid=w.valid & (torch.arange(14) < 3)[None, :, None])}
    assert torch.allclose(model.predict(few)["logits"], model.predict(masked)["logits"], atol=1e-5)
    assert torch.isfinite(model.predict(given_to(model, c=32))["logits"]).all()


def test_padding_is_cropping_and_an_example_alone_is_told_the_same(model: PhysioSync) -> None:
    signals = given_to(model)
    w = signals["eeg"]
    short = {"eeg": Waves(w.x[:, :, 1:], w.channel, w.valid[:, :, 1:])}
    padded = {"eeg": replace(w, valid=w.valid & (torch.arange(4) > 0))}
    assert torch.allclose(model.predict(short)["logits"], model.predict(padded)["logits"], atol=1e-5)
    whole = model.predict(signals)["logits"]
    one = model.predict({m: t.take(torch.tensor([3])) for m, t in signals.items()})["logits"]
    assert torch.allclose(whole[3:4], one, atol=1e-5)


def test_fusions_differ_and_the_confidence_is_that_of_the_head(model: PhysioSync) -> None:
    signals = given_to(model)
    told = model.predict(signals)
    own, there = told["own"]["eeg", "long"]
    short, _ = told["own"]["eeg", "short"]
    sure = torch.cat([own.softmax(-1).amax(-1), short.softmax(-1).amax(-1)], dim=1).mean(dim=1)
    assert torch.allclose(told["confidence"][:, 0], sure, atol=1e-6)
    assert there.all()
    out = {}
    for fusion in ("confidence", "mean", "concat"):
        torch.manual_seed(1)
        made = PhysioSync(model.streams, 3, "class", model.form, model.channels, FinetuneSettings(fusion=fusion)).eval()
        out[fusion] = made.predict(signals)["logits"]
    assert not torch.allclose(out["confidence"], out["mean"], atol=1e-6)


def test_the_flat_front_end_reads_whole_windows_alone() -> None:
    form = Form(replace(SIZES["tiny"], long=16), Windows.of({"long": 2}), "flatten")
    model = PhysioSync(["eeg"], 2, "class", form, {"eeg": 3}).eval()
    signals = {"eeg": waves(4, 3, 2, form.patch("eeg"))}
    assert torch.isfinite(model.predict(signals)["logits"]).all()
    with pytest.raises(InputError, match="flat front end reads"):
        model.predict({"eeg": waves(4, 2, 2, form.patch("eeg"))})
    with pytest.raises(UsageError, match="one length"):
        SyncSettings.of({"front": "flatten", "pps_context_s": 10.0}, "test")


def test_copies_are_scaled_and_noisy_as_published() -> None:
    w = waves(6, 1, 3, 64)
    torch.manual_seed(0)
    told = varied(w, torch.arange(6), AugmentSettings())
    ratio = told.x.flatten(1).std(dim=1) / w.x.flatten(1).std(dim=1)
    assert torch.equal(told.x[0], w.x[0])
    assert 0.69 < ratio[1] < 0.81
    assert 1.19 < ratio[2] < 1.31
    noise = (told.x[5] - w.x[5]).square().mean() / w.x[5].square().mean()
    assert 0.2 < noise < 0.45  # 5 dB is 0.316
    assert torch.equal(varied(w, torch.zeros(6, dtype=torch.long), AugmentSettings()).x, w.x)


# --- data ------------------------------------------------------------------------------------------------------------


def test_windows_end_with_the_example_and_streams_are_their_own(world: Dataset) -> None:
    ready = prepare(world, ("eeg", "eda", "ppg"), FORM, "train")
    long, _ = windowed(ready.waves["eeg"], "eeg", "long", FORM)
    short, count = windowed(ready.waves["eeg"], "eeg", "short", FORM)
    assert count == 2
    assert torch.equal(short.x.reshape(len(world), 2, 4, 2, 128)[:, 1], long.x[:, :, 2:])
    # What is in one stream never comes from another.
    other = {m: f if m == "eda" else replace(f, values=f.values[::-1].copy()) for m, f in world.features.items()}
    again = prepare(Dataset(world.index, other), ("eeg", "eda", "ppg"), FORM, "train")
    assert torch.equal(again.waves["eda"].x, ready.waves["eda"].x)
    assert not torch.equal(again.waves["ppg"].x, ready.waves["ppg"].x)


@pytest.mark.parametrize("norm", ["train", "session_start", "session_past", "window", "per_timepoint"])
def test_what_comes_later_changes_nothing_before_it(world: Dataset, norm: str) -> None:
    train, _, test = parts(world)
    scales = prepare(train, ("eeg", "eda"), FORM, norm).scales
    whole = prepare(test, ("eeg", "eda"), FORM, norm, scales=scales)
    early = np.flatnonzero(test.index["start_s"] < 30)
    part = prepare(test.take(early), ("eeg", "eda"), FORM, norm, scales=scales)
    for m in ("eeg", "eda"):
        assert torch.allclose(whole.waves[m].x[torch.from_numpy(early)], part.waves[m].x, atol=1e-5)
        assert float(whole.waves[m].x.abs().max()) <= 12


def test_windows_in_a_stream_are_those_of_a_file(fitted: SyncFitted, world: Dataset) -> None:
    """Windows of 4 s every second, told one after another, are told as all at once."""
    test = parts(world)[2]
    first = {m: np.concatenate([f[i] for i in range(3)]) for m, f in test.features.items()}
    cut = {m: [first[m][round(s * f.rate_hz) : round((s + 4) * f.rate_hz)] for s in range(8)]
           for m, f in test.features.items()}  # fmt: skip
    rows = np.zeros(8, np.int64)
    index = test.index.take(rows).with_columns(clip=[f"w{s}" for s in range(8)], start_s=np.arange(8.0),
                                               end_s=np.arange(8.0) + 4)  # fmt: skip
    data = Dataset(index, {m: Feature.build(m, cut[m], rate_hz=f.rate_hz, fields=f.fields)
                           for m, f in test.features.items()})  # fmt: skip
    offline = fitted.predict(data).scores
    online = np.concatenate([fitted.predict(data.take(np.array([s]))).scores for s in range(8)])
    assert np.allclose(offline, online, atol=1e-5)


def test_a_slow_stream_may_look_further_back() -> None:
    data = watching(2, 2, seconds=20, window_s=5.0, streams=("eeg", "eda"), seed=1)[0]
    form = SyncSettings.of({"windows": {"long": 5.0, "short": 1.0}, "pps_context_s": 10.0}, "test").form()
    ready = prepare(data, ("eeg", "eda"), form, "train")
    valid = ready.waves["eda"].valid[:, 0].sum(dim=1)
    first = data.index["clip"] == [c[:-4] + "w001" for c in data.index["clip"]]
    assert (valid[torch.from_numpy(first)] == 5).all()
    assert (valid[torch.from_numpy(~first)] == 10).all()
    x = ready.waves["eda"].x[:, 0]
    assert torch.equal(x[1][:5], x[0][5:])
    assert ready.waves["eeg"].x.shape[2] == 5


def test_bad_signals_are_refused_or_left_out(world: Dataset) -> None:
    def changed(m: str, **told: object) -> Dataset:
        return Dataset(world.index, {**world.features, m: replace(world.features[m], **told)})

    eeg = world.features["eeg"]
    for data, what in (
        (changed("eeg", rate_hz=None), "no rate"), (changed("eeg", fields=()), "without names"),
        (changed("eeg", fields=("Fz", "F4", "O1", "Nonsense")), "unknown channel"),
        (changed("eeg", fields=("Fz", "F4", "O1", "O1")), "one channel"),
        (changed("eeg", values=eeg.values * 1e-6), "in volts"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=what):
            prepare(data, ("eeg",), FORM, "train")
    values = eeg.values.copy()
    values[:, 1] = 0.0
    values[: len(eeg[0]), 2] = np.nan
    ready = prepare(changed("eeg", values=values), ("eeg",), FORM, "train")
    assert ready.left_out == {"eeg": len(world) + 1}
    assert not ready.waves["eeg"].valid[:, 1].any()
    assert not ready.waves["eeg"].valid[0, 2].any()
    assert ready.waves["eeg"].valid[1, 2].all()
    assert torch.isfinite(ready.waves["eeg"].x).all()


@pytest.mark.parametrize(
    ("told", "what"),
    [({"windows": {"long": 5.0, "short": 2.0}}, "no multiple"), ({"windows": {"longest": 5.0}}, "unknown window"),
     ({"windows": {"long": 0.0}}, "above 0"), ({"pretrain": {"positive": "film"}}, "unknown positive"),
     ({"pretrain": {"tcl_weight": {"eeg": 1.0}}}, "tcl_weight"), ({"sise": "tiny"}, "Did you mean size"),
     ({"pretrain": {"moments_per_batch": 1}}, "moments_per_batch"), ({"augment": {"copies": -1}}, "copies"),
     ({"augment": {"down": {"low": 2.0, "high": 1.0}}}, "down"), ({"views": 0}, "views"),
     ({"finetune": {"modality_dropout": 1.0}}, "below 1")],
)  # fmt: skip
def test_settings_that_cannot_be_meant_are_refused(told: dict, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        SyncLearner("physiosync", told)


def test_streams_are_chosen_by_name(world: Dataset) -> None:
    train, validation, _ = parts(world)
    for pps, streams in (("none", ("eeg",)), ("gsr", ("eeg", "eda")), ("ppg+eda", ("eeg", "eda", "ppg"))):
        fit = SyncLearner("p", {**QUICK, "init": "scratch", "pps": pps}).fit(train, validation, label="mood", seed=0)
        assert fit.model.streams == streams
    with pytest.raises(UsageError, match="unknown stream"):
        SyncLearner("p", {**QUICK, "pps": "sweat"}).fit(train, validation, label="mood", seed=0)
    with pytest.raises(InputError, match="no stream that pps"):
        SyncLearner("p", {**QUICK, "pps": "none"}).fit(train.only(["eda"]), validation.only(["eda"]), label="mood",
                                                       seed=0)  # fmt: skip
    assert stream_named("bvp").name == "ppg"


# --- stages ----------------------------------------------------------------------------------------------------------


def test_pretraining_has_seen_its_people_alone_and_others_are_refused(world: Dataset, tmp_path) -> None:
    train, validation, test = parts(world)
    s = SyncSettings.of(QUICK, "test")
    made = pretrain(train, s, folder=tmp_path / "a")
    assert made.seen["subject"] == {"s01", "s02", "s03", "s04"}
    assert made.told["positive"] == "stimulus"
    assert set(made.weights) == {f"{m}_{lv}" for m in ("eeg", "eda", "ppg") for lv in ("long", "short")}
    learner = SyncLearner("p", {**QUICK, "init": str(tmp_path / "a")})
    learner.fit(train, validation, label="mood", seed=0)
    fewer = train.take(train.index["subject"] != "s04")
    with pytest.raises(LeakageError, match="has seen subject s04"):
        learner.fit(fewer, test, label="mood", seed=0)
    # Labels play no part.
    blind = Dataset(train.index.with_labels(mood=Labels.of_classes(["low"] * len(train), ("low", "high"))),
                    train.features)  # fmt: skip
    again = pretrain(blind, s)
    assert all(torch.equal(t, made.weights[m][n]) for m, state in again.weights.items() for n, t in state.items())


def test_a_killed_pretraining_goes_on_to_the_same_numbers(world: Dataset, tmp_path) -> None:
    train = parts(world)[0].only(["eeg", "eda"])
    s = SyncSettings.of({**QUICK, "pretrain_train": {"epochs": 3}}, "test")
    whole = pretrain(train, s)

    class Killed(Exception):
        pass

    def kill(what: str, share: float) -> None:
        if "short" in what and share > 0.5:
            raise Killed

    with pytest.raises(Killed):
        pretrain(train, s, folder=tmp_path, progress=kill)
    told: list[str] = []
    resumed = pretrain(train, s, folder=tmp_path, progress=lambda what, share: told.append(what))
    assert len(told) == 1  # two of six epochs of each length were on disk already but one
    assert all(torch.equal(t, whole.weights[m][n]) for m, state in resumed.weights.items() for n, t in state.items())


ABLATIONS: list[dict] = [
    {"pretrain": {"cmca_weight": 0.0}}, {"pretrain": {"tcl_weight": {"eeg": 0.0, "pps": 0.5}}},
    {"pretrain": {"tcl_weight": {"eeg": 0.0, "pps": 0.0}, "cmca_weight": 0.0}},
    {"windows": {"long": 4.0, "short": 0.0}},
    {"windows": {"long": 0.0, "short": 2.0}}, {"finetune": {"fusion": "concat"}}, {"finetune": {"fusion": "mean"}},
    {"finetune": {"stream_loss": 0.0}}, {"pps": "none"}, {"pretrain": {"group_size": 1}}, {"augment": {"copies": 0}},
    {"pretrain": {"positive": "time"}}, {"pretrain": {"positive": "cross_modal"}}, {"pretrain": {"positive": "random"}},
    {"init": "scratch"}, {"prompt": 0}, {"finetune": {"freeze": True}}, {"front": "flatten", "pps": "none"},
    {"pretrain": {"false_negative_mask": False, "positive": "time"}},
]  # fmt: skip


@pytest.mark.parametrize("told", ABLATIONS, ids=str)
def test_every_switch_runs(world: Dataset, told: dict) -> None:
    train, validation, test = parts(world)
    quick = {**QUICK, **told}
    fit = SyncLearner("p", quick).fit(train, validation, label="mood", seed=0)
    scores = fit.predict(test.sealed()).scores
    assert np.isfinite(scores).all()
    assert np.allclose(scores.sum(axis=1), 1)
    if told.get("finetune", {}).get("freeze"):
        start = pretrain(train, SyncSettings.of(quick, "test"))
        assert torch.equal(fit.model.encoders["eeg_long"].cls, start.weights["eeg_long"]["cls"])


def test_other_kinds_of_label_are_learnt(world: Dataset) -> None:
    train, validation, test = parts(world)
    rng = np.random.default_rng(0)

    def told(data: Dataset) -> Dataset:
        some = {
            "pair": Labels("continuous", ("valence", "arousal"), rng.normal(size=(len(data), 2))),
            "both": Labels("multilabel", ("a", "b"), rng.random((len(data), 2)) > 0.5),
        }
        return Dataset(data.index.with_labels(**some), data.features)

    for label in ("pair", "both"):
        fit = SyncLearner("p", {**QUICK, "init": "scratch"}).fit(told(train), told(validation), label=label, seed=0)
        assert fit.predict(test.sealed()).scores.shape == (len(test), 2)


def test_a_fitted_model_comes_back_from_disk(fitted: SyncFitted, world: Dataset, tmp_path) -> None:
    test = parts(world)[2]
    fitted.save(tmp_path / "m.npz")
    again = SyncFitted.load(tmp_path / "m.npz")
    assert np.array_equal(again.predict(test).scores, fitted.predict(test).scores)
    (tmp_path / "bad.npz").write_bytes(b"nothing")
    with pytest.raises(InputError):
        SyncFitted.load(tmp_path / "bad.npz")
    gone = test.without(test.modalities)
    told = fitted.predict(gone)
    assert told.withheld.all()
    assert np.allclose(told.scores, fitted.prior)
    some = fitted.predict(test.without(["eeg", "ppg"]))
    assert not some.withheld.any()
    assert np.isnan(some.extra["each"][:, 0]).all()


def test_synchrony_is_measured(world: Dataset) -> None:
    told = moments(world.index)
    rng = np.random.default_rng(0)
    told_by = {(m.stimulus, m.onset_ms): rng.normal(size=6) for m in told}
    vectors = np.zeros((len(world), 6))
    for m in told:
        for rows in m.rows.values():
            vectors[rows] = told_by[m.stimulus, m.onset_ms]
    hit, chance = retrieval(world, vectors)
    assert hit == 1
    assert chance == pytest.approx(1 / len(told))
    real, null = isc(world, vectors, shifts=(1, 2, 3))
    assert real == pytest.approx(1, abs=1e-6)
    assert null.max() < 0.9
    noise = rng.normal(size=vectors.shape)
    assert retrieval(world, noise)[0] < 0.35
    assert abs(isc(world, noise)[0]) < 0.3


def test_the_learner_is_registered_and_its_recipes_load() -> None:
    assert "physiosync" in registry.names("learners")
    named = [n for n in recipes.names() if "physiosync" in n]
    for protocol in ("", "-within", "-shuffled"):
        assert {f"{s}-physiosync{protocol}" for s in ("deap", "dreamer")} <= set(named)
    for name in named:
        recipe = recipes.load(name)
        for part in recipe.learner:
            if part.use == "physiosync":
                SyncLearner(part.name, dict(part.settings))


def test_a_table_says_who_is_barred() -> None:
    key, half = torch.tensor([0, 1, 0, 1]), torch.tensor([0, 0, 1, 1])
    zero, there = torch.zeros(4, dtype=torch.long), torch.ones(4, dtype=torch.bool)
    near = torch.zeros(4, 4, dtype=torch.bool)
    near[0, 1] = near[1, 0] = True
    table = Table.of(key, half, zero, there, near)
    assert table.positive.tolist() == [2, 3, 0, 1]
    assert bool(table.barred[0, 1])
    assert not bool(table.barred[0, 3])
