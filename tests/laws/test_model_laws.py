"""Laws of every registered model: any subset runs, hidden is absent, padding and order do not matter."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from moodal.core import registry  # noqa: E402
from moodal.core.errors import UsageError  # noqa: E402
from moodal.lab.models import build, names  # noqa: E402
from moodal.lab.models.base import Loss  # noqa: E402
from moodal.lab.train import state  # noqa: E402

MODELS = names()
WIDTHS = {"audio": 10, "text": 12, "eda": 3}
KINDS = ("class", "multilabel", "continuous", "distribution")
SUBSETS = [s for k in (1, 2, 3) for s in combinations(range(3), k)]


@pytest.fixture(autouse=True)
def one_thread():
    was = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(was)


def made(name: str, widths=WIDTHS, kind: str = "class", seed: int = 0, **settings):
    """A small model whose scale is not the identity, in evaluation mode."""
    torch.manual_seed(seed)
    model = build(name, widths, 4, kind, **settings)
    for m, width in widths.items():
        model.scale[m].fit(3 * torch.randn(50, width) + 1)
    return model.eval()


def batch(n: int = 6, steps: int = 7, widths=WIDTHS, seed: int = 1):
    """Examples of unequal length, everything present."""
    rng = torch.Generator().manual_seed(seed)
    values = {m: torch.randn(n, steps + k, w, generator=rng) for k, (m, w) in enumerate(widths.items())}
    masks = {}
    for k, m in enumerate(widths):
        long = torch.randint(1, steps + k + 1, (n,), generator=rng)
        masks[m] = torch.arange(steps + k) < long.unsqueeze(1)
    return values, masks, torch.ones(n, len(widths), dtype=torch.bool)


def run(model, values, masks, present):
    with torch.no_grad():
        return model(values, masks, present)


def same(a, b, *, atol: float = 1e-5) -> None:
    assert a.keys() == b.keys()
    for key in a:
        if key.startswith("attention"):
            steps = min(a[key].shape[-1], b[key].shape[-1])
            assert torch.allclose(a[key][..., :steps], b[key][..., :steps], atol=atol), key
        else:
            assert torch.allclose(a[key], b[key], atol=atol), key


@pytest.mark.parametrize("name", MODELS)
def test_spec_says_what_it_is(name: str) -> None:
    spec = registry.load("models", name).SPEC
    assert spec.name == name
    assert spec.source
    out = run(made(name), *batch())
    reported = {k.split("_")[0] + "_*" if k.startswith("attention") else k for k in out}
    assert reported == {"logits", *spec.reports}


@pytest.mark.parametrize("name", MODELS)
def test_unknown_settings_are_refused_with_the_nearest(name: str) -> None:
    with pytest.raises(UsageError, match="Did you mean dropout"):
        build(name, WIDTHS, 4, dropuot=0.1)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_non_empty_subset_runs_and_is_finite(name: str, kind: str) -> None:
    model = made(name, kind=kind)
    values, masks, _ = batch(len(SUBSETS))
    present = torch.tensor([[k in s for k in range(3)] for s in SUBSETS])
    out = run(model, values, masks, present)
    assert all(bool(t.isfinite().all()) for t in out.values())
    if "shares" in out:
        assert torch.allclose(out["shares"].sum(1), torch.ones(len(SUBSETS)), atol=1e-5)
        assert bool((out["shares"][~present] == 0).all())
    scores = model.finish(out["logits"])
    if kind in ("class", "distribution"):
        assert torch.allclose(scores.sum(1), torch.ones(len(SUBSETS)), atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_hidden_is_absent_whatever_it_holds(name: str) -> None:
    model = made(name)
    values, masks, present = batch()
    for k, m in enumerate(WIDTHS):
        hidden = present.clone()
        hidden[:, k] = False
        by_presence = run(model, values, masks, hidden)
        by_mask = run(model, values, {**masks, m: torch.zeros_like(masks[m])}, present)
        junk = run(model, {**values, m: torch.full_like(values[m], float("nan"))}, masks, hidden)
        one_step = {**values, m: torch.zeros(6, 1, WIDTHS[m])}, {**masks, m: torch.zeros(6, 1, dtype=torch.bool)}
        same(by_presence, by_mask)
        same(by_presence, junk)
        same(by_presence, run(model, *one_step, hidden))


@pytest.mark.parametrize("name", MODELS)
def test_a_modality_that_training_never_saw_is_absent(name: str) -> None:
    model = made(name)
    values, masks, present = batch()
    model.scale["audio"].fit(torch.zeros(0, 10))
    hidden = present.clone()
    hidden[:, 0] = False
    same(run(model, values, masks, present), run(model, values, masks, hidden))


@pytest.mark.parametrize("name", MODELS)
def test_padded_is_cropped(name: str) -> None:
    model = made(name)
    values, masks, present = batch()
    noise = {m: torch.cat([v, 50 * torch.randn(6, 13, v.shape[2])], dim=1) for m, v in values.items()}
    longer = {m: torch.cat([k, torch.zeros(6, 13, dtype=torch.bool)], dim=1) for m, k in masks.items()}
    padded = run(model, noise, longer, present)
    same(run(model, values, masks, present), padded)
    for key, rows in padded.items():
        if key.startswith("attention"):
            assert bool((rows * ~longer[key.removeprefix("attention_")].unsqueeze(1) == 0).all())


@pytest.mark.parametrize("name", MODELS)
def test_examples_do_not_see_each_other(name: str) -> None:
    model = made(name)
    values, masks, present = batch()
    whole = run(model, values, masks, present)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    turned = run(model, {m: v[order] for m, v in values.items()}, {m: k[order] for m, k in masks.items()}, present)
    same({k: v[order] for k, v in whole.items()}, turned)
    alone = run(model, {m: v[2:3] for m, v in values.items()}, {m: k[2:3] for m, k in masks.items()}, present[2:3])
    same({k: v[2:3] for k, v in whole.items()}, alone)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("widths", [{"text": 12}, {"a": 1, "b": 9, "c": 2, "d": 8}], ids=["one", "four"])
def test_any_number_of_modalities(name: str, widths) -> None:
    model = made(name, widths)
    out = run(model, *batch(widths=widths))
    assert out["logits"].shape == (6, 4)
    assert bool(out["logits"].isfinite().all())


@pytest.mark.parametrize("name", MODELS)
def test_gradients_reach_every_trained_parameter_and_are_finite(name: str) -> None:
    model = made(name).train()
    values, masks, present = batch(len(SUBSETS))
    present = torch.tensor([[k in s for k in range(3)] for s in SUBSETS])
    out = model(values, masks, present)
    model.objective(out, torch.arange(len(SUBSETS)) % 4, Loss()).backward()
    for key, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, key
            assert bool(parameter.grad.isfinite().all()), key


@pytest.mark.parametrize("name", MODELS)
def test_state_round_trip_is_exact(name: str, tmp_path: Path) -> None:
    model, other = made(name), made(name, seed=5)
    inputs = batch()
    state.save(tmp_path / "state.npz", {"told": 1}, model=model.state_dict())
    told, groups = state.load(tmp_path / "state.npz")
    other.load_state_dict(groups["model"])
    assert told == {"told": 1}
    for key, tensor in run(model, *inputs).items():
        assert torch.equal(tensor, run(other, *inputs)[key]), key


@pytest.mark.parametrize("name", MODELS)
def test_the_same_seed_gives_the_same_numbers(name: str) -> None:
    def trained():
        model = made(name).train()
        optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
        for step in range(3):
            torch.manual_seed(step)
            values, masks, present = batch(seed=step)
            model.objective(model(values, masks, present), torch.arange(6) % 4, Loss()).backward()
            optimiser.step()
            optimiser.zero_grad()
            model.after_step()
        return model.state_dict()

    first, second = trained(), trained()
    assert all(torch.equal(first[k], second[k]) for k in first)


EXPORTED = [
    pytest.param(name, kind, marks=[] if kind == "class" and name in ("early", "gated") else pytest.mark.slow)
    for name in MODELS
    for kind in KINDS
]


@pytest.mark.parametrize(("name", "kind"), EXPORTED)
def test_exported_is_trained(name: str, kind: str) -> None:
    pytest.importorskip("onnxscript")
    from moodal.lab.export.graph import graph, parity

    model = made(name, kind=kind)
    assert parity(model, graph(model)) <= 1e-4


def test_registry_and_files_agree() -> None:
    folder = Path(registry.load("models", "early").__file__).parent
    found = {p.stem for p in folder.glob("*.py") if "\nSPEC = " in p.read_text()}
    assert found == set(registry.KINDS["models"])
    assert np.isin(["early", "late", "gated", "mult", "lsgmer"], MODELS).all()
