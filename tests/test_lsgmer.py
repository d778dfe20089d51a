"""LSGMER by the tests of its specification, on generated data: learning, padding, permutation, attribution, divergence,
consistency, temperature, averages, missing modalities, splits, selection, chance, determinism."""

from __future__ import annotations

import math
import re
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from moodal.core.errors import UsageError  # noqa: E402
from moodal.lab.bench.protocols import protocol  # noqa: E402
from moodal.lab.data import Dataset, Labels, LeakageError, people  # noqa: E402
from moodal.lab.models import build  # noqa: E402
from moodal.lab.models.base import Loss  # noqa: E402
from moodal.lab.nn.divergence import js_divergence, kl_divergence  # noqa: E402
from moodal.lab.nn.losses import criterion  # noqa: E402
from moodal.lab.train import TorchLearner  # noqa: E402
from moodal.lab.train.label_text import label_vectors  # noqa: E402
from planted import two_bits  # noqa: E402

WIDTHS = {"audio": 40, "text": 48}
ABLATIONS = {
    "no label signal": {"lse": {"enabled": False}},
    "feature queries": {"lse": {"direction": "feature_queries"}},
    "no average": {"lse": {"ema": 0.0}},
    "frozen": {"lse": {"labels": "frozen"}},
    "shuffled": {"lse": {"labels": "shuffled"}},
    "no consistency": {"apc": {"weight": 0.0}},
    "tau 1": {"apc": {"tau": 1.0}},
    "stop p": {"apc": {"stop_grad": "p"}},
    "stop q": {"apc": {"stop_grad": "q"}},
    "kl pq": {"apc": {"divergence": "kl_pq"}},
    "kl qp": {"apc": {"divergence": "kl_qp"}},
    "no cross": {"cross": False},
    "two layers": {"layers": 2},
    "position": {"position": "sinusoidal"},
}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    was = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(was)


def model(classes: int = 4, kind: str = "class", seed: int = 0, widths=WIDTHS, **settings):
    torch.manual_seed(seed)
    return build("lsgmer", widths, classes, kind, **{"d": 16, **settings}).eval()


def batch(n: int = 8, seed: int = 0, widths=WIDTHS):
    rng = torch.Generator().manual_seed(seed)
    values = {m: torch.randn(n, 9 + k, w, generator=rng) for k, (m, w) in enumerate(widths.items())}
    masks = {m: torch.arange(9 + k) < torch.randint(3, 10 + k, (n, 1), generator=rng) for k, m in enumerate(widths)}
    return values, masks, torch.ones(n, len(widths), dtype=torch.bool)


def run(net, *inputs):
    with torch.no_grad():
        return net(*inputs)


def fit(train, validation, seed: int = 0, epochs: int = 10, **settings):
    told = {"d": 32, **settings, "train": {"epochs": epochs, "patience": 0, **settings.pop("train", {})}}
    return TorchLearner("lsgmer", "lsgmer", told).fit(train, validation, label="emotion", seed=seed)


def right(fitted, data) -> np.ndarray:
    return fitted.predict(data.sealed()).scores.argmax(1) == data.index.label("emotion").values


@pytest.fixture(scope="module")
def planted():
    short = {"signal": 0.6, "steps": (20, 16)}
    return tuple(two_bits(n, seed=seed, **short) for seed, n in enumerate((500, 100, 300)))


@pytest.fixture(scope="module")
def fitted(planted):
    return fit(planted[0], planted[1], epochs=12)


# 1 learns


def test_it_learns_a_class_that_takes_both_modalities(planted, fitted) -> None:
    test = planted[2]
    assert right(fitted, test).mean() >= 0.9
    for hidden in ("audio", "text"):
        assert right(fitted, test.without([hidden])).mean() <= 0.6


@pytest.mark.slow
def test_it_learns_within_the_figures_of_the_specification() -> None:
    train, validation, test = two_bits(2000, seed=0), two_bits(300, seed=1), two_bits(600, seed=2)
    whole = fit(train, validation, d=64, epochs=12)
    assert right(whole, test).mean() >= 0.95
    assert found(whole, test, 200) >= 0.5
    for only in ("audio", "text"):
        alone = fit(train.only([only]), validation.only([only]), d=64, epochs=6)
        assert right(alone, test.only([only])).mean() <= 0.55


# 2 padding: the same for all models in the laws; here also the mass on padding


def test_attention_on_padding_is_exactly_nothing() -> None:
    values, masks, present = batch()
    for direction in ("label_queries", "feature_queries"):
        out = run(model(lse={"direction": direction}), values, masks, present)
        for m in WIDTHS:
            rows = out[f"attention_{m}"]
            assert bool((rows * ~masks[m].unsqueeze(1) == 0).all())
            assert torch.allclose(rows.sum(-1), torch.ones(8, 4), atol=1e-6)


# 3 labels have no order


def test_permuting_the_labels_permutes_what_is_said_and_nothing_else() -> None:
    net, other, inputs = model(), model(), batch()
    order = torch.tensor([2, 0, 3, 1])
    with torch.no_grad():
        for name in ("labels.average", "labels.trained", "classifier.weight", "classifier.bias"):
            target, source = (dict([*m.named_parameters(), *m.named_buffers()])[name] for m in (other, net))
            target.copy_(source[order])
    a, b = run(net, *inputs), run(other, *inputs)
    for key in ("logits", "q", "cosine"):
        assert torch.allclose(a[key][:, order], b[key], atol=1e-5), key
    for m in WIDTHS:
        assert torch.allclose(a[f"attention_{m}"][:, order], b[f"attention_{m}"], atol=1e-5)
    assert torch.allclose(a["fused"], b["fused"], atol=1e-5)


def test_renaming_labels_changes_nothing_but_names() -> None:
    data = two_bits(60, seed=0)
    labels = data.index.label("emotion")
    renamed = Dataset(data.index.with_labels(emotion=replace(labels, names=tuple("abcd"))), data.features)
    one, two = (fit(d, d, epochs=2, d=8) for d in (data, renamed))
    assert np.array_equal(one.predict(data).scores, two.predict(data).scores)
    assert two.names == tuple("abcd")


# 4 attribution


def test_contributions_account_for_the_linear_part_in_full() -> None:
    net = model().double()
    rows = [torch.randn(5, 4, 16, dtype=torch.float64, requires_grad=True) for _ in WIDTHS]
    weight = torch.randn(5, 1, 16, dtype=torch.float64)
    given = net.fusion.contributions(rows, weight)
    out = (net.fusion(rows) * weight).sum()
    slopes = torch.autograd.grad(out, rows)
    for k, row in enumerate(rows):
        assert torch.allclose(given[..., k, :], row * slopes[k], atol=1e-12)
    # Completeness: with the bias's own part it is the slope times the first layer's output.
    u = net.fusion.first(torch.cat(rows, -1)).detach().requires_grad_()
    through = torch.autograd.grad((net.fusion.second(torch.nn.functional.silu(u)) * weight).sum(), u)[0]
    whole = (through * u).sum()
    linear = given.sum() + (through * net.fusion.first.bias).sum()
    assert (linear - whole).item() == pytest.approx(0, abs=1e-4)


def found(fitted, data, count: int) -> float:
    """How often the step that the true label looks at most is a planted one, among examples that are got right."""
    truth, hit = data.index.label("emotion").values, right(fitted, data)
    return float(
        np.mean(
            [
                str(int(told[f"attention_{m}"][truth[i]].argmax())) in data.index[f"{m}_at"][i].split()
                for i, told in enumerate(fitted.explain(data, range(count)))
                if hit[i]
                for m in WIDTHS
            ]
        )
    )


def test_planted_steps_are_looked_at_most(planted, fitted) -> None:
    assert found(fitted, planted[2], 80) >= 0.45  # looking anywhere finds one in three of ten cases


def test_shares_say_who_spoke(planted, fitted) -> None:
    told = fitted.predict(planted[2].without(["text"])).extra["shares"]
    assert np.allclose(told, [1, 0])
    both = fitted.predict(planted[2]).extra["shares"]
    assert np.allclose(both.sum(1), 1, atol=1e-5)
    assert (both > 0).all()


# 5 divergence


def test_js_divergence_has_its_properties() -> None:
    rng = torch.Generator().manual_seed(0)
    p, q = (torch.rand(200, 5, dtype=torch.float64, generator=rng).softmax(-1) for _ in range(2))
    js = js_divergence(p, q)
    assert torch.allclose(js, js_divergence(q, p))
    assert bool((js > 0).all())
    assert bool((js <= math.log(2)).all())
    assert bool((js_divergence(p, p) == 0).all())
    assert torch.allclose(js, (kl_divergence(p, (p + q) / 2) + kl_divergence(q, (p + q) / 2)) / 2)
    hot = torch.eye(3, dtype=torch.float64)
    assert float(js_divergence(hot[0], hot[1])) == pytest.approx(math.log(2), abs=1e-12)
    assert float(js_divergence(hot[0], hot[0])) == 0


def test_js_divergence_and_its_gradient_are_finite_with_zeros() -> None:
    for dtype in (torch.float32, torch.float64):
        p = torch.tensor([[1.0, 0, 0], [0.5, 0.5, 0]], dtype=dtype, requires_grad=True)
        q = torch.tensor([[0.0, 1, 0], [0, 0, 1]], dtype=dtype, requires_grad=True)
        js_divergence(p, q).sum().backward()
        assert bool(p.grad.isfinite().all())
        assert bool(q.grad.isfinite().all())
    logits = [torch.randn(4, 5, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(lambda a, b: js_divergence(a.softmax(-1), b.softmax(-1)), logits)


# 6 consistency


def agreement(fitted, data) -> float:
    told = fitted.predict(data)
    return float((told.extra["q"].argmax(1) == told.scores.argmax(1)).mean())


def test_consistency_makes_the_two_opinions_agree(planted, fitted) -> None:
    without = fit(planted[0], planted[1], epochs=4, apc={"weight": 0.0})
    assert agreement(fitted, planted[2]) >= 0.95
    assert agreement(without, planted[2]) < 0.7
    assert fitted.predict(planted[2]).extra["js"].mean() < without.predict(planted[2]).extra["js"].mean() / 3


def test_without_weight_the_loss_and_gradients_are_the_plain_ones_to_the_bit() -> None:
    values, masks, present = batch()
    target = torch.arange(8) % 4
    grads = []
    for plain in (True, False):
        net = model(apc={"weight": 0.0}).train()
        torch.manual_seed(1)
        out = net(values, masks, present)
        loss = criterion("class", out["logits"], target) if plain else net.objective(out, target, Loss())
        loss.backward()
        grads.append({k: p.grad for k, p in net.named_parameters() if p.grad is not None} | {"loss": loss.detach()})
    assert grads[0].keys() == grads[1].keys()
    assert all(torch.equal(grads[0][k], grads[1][k]) for k in grads[0])


@pytest.mark.parametrize("side", ["p", "q"])
def test_the_stopped_side_gets_no_gradient_of_consistency(side: str) -> None:
    values, masks, present = batch()
    target = torch.arange(8) % 4

    def gradient(name: str, **apc):
        net = model(apc=apc, dropout=0.0).train()
        net.objective(net(values, masks, present), target, Loss()).backward()
        return dict(net.named_parameters())[name].grad

    # The classifier's bias belongs to p alone.
    plain, stopped = gradient("classifier.bias", weight=0.0), gradient("classifier.bias", stop_grad=side)
    assert torch.equal(plain, stopped) == (side == "p")
    assert not torch.equal(plain, gradient("classifier.bias"))


def test_consistency_grows_with_the_ramp() -> None:
    net, inputs, target = model(), batch(), torch.arange(8) % 4
    out = run(net, *inputs)
    plain, half, whole = (float(net.objective(out, target, Loss(), ramp)) for ramp in (0.0, 0.5, 1.0))
    assert plain == float(criterion("class", out["logits"], target))
    assert half - plain == pytest.approx((whole - plain) / 2, rel=1e-4)
    assert whole - plain == pytest.approx(0.5 * float(out["js"].mean()), rel=1e-4)


# 7 temperature


def test_at_temperature_one_the_cosines_cap_confidence() -> None:
    for classes, cap in ((4, 0.559), (6, 0.399), (7, 0.349)):
        net = model(classes, apc={"tau": 1.0})
        simplex = torch.eye(classes, 16) - torch.full((classes, 16), 1 / classes) * (torch.arange(16) < classes)
        with torch.no_grad():
            net.labels.average.copy_(simplex)
        cosine = torch.nn.functional.normalize(simplex, dim=-1) @ torch.nn.functional.normalize(simplex, dim=-1).t()
        assert float(net._opinions(cosine, cosine)[1].max()) == pytest.approx(cap, abs=1e-3)
        assert float(run(net, *batch(64))["q"].max()) <= cap + 1e-3
        sharp = model(classes, apc={"tau": 0.1})
        assert float(sharp._opinions(cosine, cosine)[1].max()) > 0.999


# 8 averages of the labels


def test_the_average_of_the_labels() -> None:
    for ema in (0.0, 0.9, 1.0):
        net = model(lse={"ema": ema}).train()
        start = net.labels.average.clone()
        with torch.no_grad():
            net.labels.trained.add_(1.0)
        for _ in range(5):
            net.after_step()
        expected = ema**5 * start + (1 - ema**5) * net.labels.trained
        assert torch.allclose(net.labels.average, expected, atol=1e-6)
        if ema == 1:
            assert torch.equal(net.labels.average, start)
        if ema == 0:
            assert torch.equal(net.labels.average, net.labels.trained)


def test_no_average_moves_in_evaluation_and_it_is_part_of_the_state() -> None:
    net = model()
    with torch.no_grad():
        net.labels.trained.add_(1.0)
    before = net.labels.average.clone()
    net.after_step()
    assert torch.equal(net.labels.average, before)
    assert torch.equal(net.state_dict()["labels.average"], before)
    other = model(seed=3)
    other.load_state_dict(net.state_dict())
    assert torch.equal(other.labels.average, before)


def test_the_forward_pass_has_the_value_of_the_average_and_the_gradient_of_what_is_trained() -> None:
    net = model().train()
    with torch.no_grad():
        net.labels.trained.add_(1.0)
    labels = net.labels()
    assert torch.equal(labels, net.labels.average)
    labels.square().sum().backward()
    assert torch.allclose(net.labels.trained.grad, 2 * net.labels.average)


# 9 missing modalities: finite and indifferent in the laws; here abstaining


def test_nothing_present_is_abstained_from(planted, fitted) -> None:
    nothing = fitted.predict(planted[2].without(["audio", "text"]))
    assert nothing.withheld.all()
    assert np.isfinite(nothing.scores).all()
    assert not fitted.predict(planted[2].without(["audio"])).withheld.any()


# 10 splits


@pytest.mark.parametrize(
    ("use", "settings", "key"),
    [
        ("group-kfold", {"group": "session", "k": 4}, "session"),
        ("leave-one-subject-out", {}, "subject"),
        ("official", {"by": "trial"}, "trial"),
    ],
    ids=["loso", "lospo", "official"],
)
def test_no_session_or_speaker_is_on_both_sides(use, settings, key) -> None:
    data = people(6, 6, modalities=("text",))
    part = np.where(np.arange(len(data)) < 24, "train", "test")
    index = data.index.with_columns(split=part)
    for fold in protocol(use, **settings).split(Dataset(index, data.features)):
        sides = [set(index[key][rows]) for rows in (fold.train, fold.validation, fold.test)]
        assert not sides[0] & sides[1]
        assert not sides[0] & sides[2]
        assert not sides[1] & sides[2]


def test_nothing_outside_the_training_part_moves_the_scale(planted) -> None:
    train, validation = planted[0].take(np.arange(60)), planted[1].take(np.arange(30))
    wild = validation.features["text"]
    wild = Dataset(validation.index, {**validation.features, "text": replace(wild, values=wild.values * 100 + 7)})
    one, two = fit(train, validation, epochs=1), fit(train, wild, epochs=1)
    for m in WIDTHS:
        assert torch.equal(one.model.scale[m].mean, two.model.scale[m].mean)
        assert torch.equal(one.model.scale[m].spread, two.model.scale[m].spread)


# 11 selection


def test_test_labels_cannot_be_read_before_the_end(planted, fitted) -> None:
    test = planted[2].sealed()
    fitted.predict(test)
    with pytest.raises(LeakageError):
        fit(planted[0], test)


# 12 chance


def test_shuffled_labels_give_chance() -> None:
    train, validation = two_bits(200, seed=0, shuffled=True), two_bits(60, seed=1, shuffled=True)
    test = two_bits(400, seed=2, shuffled=True)
    rate = right(fit(train, validation, epochs=3), test).mean()
    assert abs(rate - 0.25) < 3 * math.sqrt(0.25 * 0.75 / 400)


def test_a_constant_input_gives_the_majority() -> None:
    data = two_bits(120, seed=0)
    features = {m: replace(f, values=np.ones_like(f.values)) for m, f in data.features.items()}
    names = data.index.label("emotion").names
    told = [names[2] if i % 3 else names[i % 4] for i in range(len(data))]
    constant = Dataset(data.index.with_labels(emotion=Labels.of_classes(told, names)), features)
    assert set(fit(constant, constant, epochs=4).predict(constant).scores.argmax(1)) == {2}


# 13 determinism: same seed, same bits; state exact (laws and test_train); here through the learner


def test_two_trainings_are_equal_to_the_bit(planted) -> None:
    train, validation = planted[0].take(np.arange(80)), planted[1]
    one, two = (fit(train, validation, epochs=2).model.state_dict() for _ in range(2))
    assert all(torch.equal(one[k], two[k]) for k in one)


# Ablations, other labels, more modalities


@pytest.mark.parametrize("name", ABLATIONS)
def test_every_switch_runs_and_changes_the_training(name: str) -> None:
    values, masks, present = batch()

    def trained(**settings):
        net = model(**settings).train()
        torch.manual_seed(0)
        optimiser = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.1)
        for _ in range(3):
            optimiser.zero_grad()
            net.objective(net(values, masks, present), torch.arange(8) % 4, Loss()).backward()
            optimiser.step()
            net.after_step()
        return run(net.eval(), values, masks, present)

    plain, switched = trained(), trained(**ABLATIONS[name])
    assert bool(switched["logits"].isfinite().all())
    assert not torch.equal(plain["logits"], switched["logits"])


def test_labels_that_start_from_their_names() -> None:
    vectors = label_vectors(("happy", "happiness", "fear"))
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]
    net = model(3, lse={"init": "text"}, label_vectors=vectors)
    assert torch.allclose(net.labels.average.norm(dim=1), torch.ones(3), atol=1e-5)
    with pytest.raises(UsageError, match="label_vectors"):
        model(3, lse={"init": "text"})


def test_frozen_labels_stay() -> None:
    net = model(lse={"labels": "frozen"})
    assert not net.labels.trained.requires_grad


def test_values_have_no_consistency_term_and_several_labels_have_one_each() -> None:
    inputs = batch()
    net = model(2, "continuous")
    out = run(net, *inputs)
    assert "q" not in out
    target = torch.zeros(8, 2)
    assert torch.equal(net.objective(out, target, Loss()), criterion("continuous", out["logits"], target))
    several = model(5, "multilabel")
    out = run(several, *inputs)
    assert out["q"].shape == (8, 5)
    assert out["js"].shape == (8,)
    assert bool(((out["q"] >= 0) & (out["q"] <= 1)).all())


def test_the_size_is_that_of_the_specification() -> None:
    net = build("lsgmer", WIDTHS, 4)
    absent = sum(p.numel() for p in net.absent.parameters())
    assert sum(p.numel() for p in net.parameters()) - absent == 85_684


def test_python_of_its_page_runs() -> None:
    page = Path(__file__).parent.parent / "docs" / "explanation" / "lsgmer.md"
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(block, {})


def test_recipes_of_its_page_are_read() -> None:
    page = Path(__file__).parent.parent / "docs" / "explanation" / "lsgmer.md"
    (block,) = re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    for part in tomllib.loads(block)["learner"]:
        TorchLearner(part["name"], part["use"], part["settings"])
