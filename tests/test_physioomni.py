"""PhysioOmni by the tests of its specification that need no long training: shapes, masks, channels, codes, loading."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from moodal.core import registry  # noqa: E402
from moodal.core.errors import InputError, UsageError  # noqa: E402
from moodal.lab import recipes  # noqa: E402
from moodal.lab.bench import learner  # noqa: E402
from moodal.lab.data import Dataset, LeakageError  # noqa: E402
from moodal.lab.data.dataset import Feature  # noqa: E402
from moodal.lab.data.synthetic_body import BODY, bodies  # noqa: E402
from moodal.lab.models.physioomni.channels import CHANNELS, PUBLISHED, channel_rows, position, row_of  # noqa: E402
from moodal.lab.models.physioomni.codebook import Codebook, perplexity  # noqa: E402
from moodal.lab.models.physioomni.encoder import Encoder, EncoderSettings  # noqa: E402
from moodal.lab.models.physioomni.finetune import FinetuneSettings, PhysioOmni  # noqa: E402
from moodal.lab.models.physioomni.load import encoder_states, load_encoders  # noqa: E402
from moodal.lab.models.physioomni.msm import Masked, MsmSettings, draw  # noqa: E402
from moodal.lab.models.physioomni.specs import SIZES, SPECS  # noqa: E402
from moodal.lab.models.physioomni.tokenizer import Tokenizer, TokenizerSettings  # noqa: E402
from moodal.lab.models.physioomni.tokens import Tokens, collate, patches, present_of, thinned  # noqa: E402
from moodal.lab.train.average import Averaged  # noqa: E402
from moodal.lab.train.physioomni import PhysioFitted, PhysioLearner, PhysioSettings, pretrain  # noqa: E402
from moodal.lab.train.physioomni.prepared import prepare  # noqa: E402
from moodal.lab.train.physioomni.settings import FILLED  # noqa: E402
from moodal.lab.train.stages import Pretrained, check_unseen  # noqa: E402

TINY, PUBLIC = SIZES["tiny"], SIZES["published"]
NAMES = {m: names for m, (names, _) in BODY.items()}
SUBSETS = [s for k in range(1, 5) for s in combinations(NAMES, k)]
SHORT = {"epochs": 1, "batch": 8}
BANDS = EncoderSettings(**FILLED["tiny"]["encoder"])


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    was = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(was)


def example(m: str, seconds: float, seed: int = 0, names=None):
    spec = SPECS[m]
    names = NAMES[m] if names is None else names
    values = 40 * np.random.default_rng(seed).normal(size=(round(seconds * spec.rate_hz), len(NAMES[m])))
    order = [NAMES[m].index(n) for n in names]
    return patches(values[:, order], channel_rows(names), spec)


def signals(seconds=(3.0, 2.0, 4.0)):
    """Examples of unequal length; the second has no eye signal."""
    return {
        m: collate([None if m == "eog" and i == 1 else example(m, s, i) for i, s in enumerate(seconds)], SPECS[m])
        for m in NAMES
    }


def model(classes: int = 3, kind: str = "class", seed: int = 0, encoder: EncoderSettings | None = None, **settings):
    torch.manual_seed(seed)
    return PhysioOmni(tuple(NAMES), classes, kind, TINY, FinetuneSettings(**settings), encoder).eval()


def run(net, *given):
    with torch.no_grad():
        return net(*given)


# Sizes and channels


def test_encoders_have_the_published_numbers_of_parameters() -> None:
    with torch.device("meta"):
        counts = {m: sum(p.numel() for p in Encoder(SPECS[m], PUBLIC.d(SPECS[m]), 12, 10).parameters()) for m in NAMES}
    assert counts == {"eeg": 7_839_576, "eog": 2_010_576, "ecg": 2_010_576, "emg": 2_010_576}


def test_channel_names_lead_to_one_table() -> None:
    assert len(PUBLISHED) == 132
    assert len(set(CHANNELS)) == len(CHANNELS) <= 256
    assert (CHANNELS.index("HEO"), CHANNELS.index("ECG"), CHANNELS.index("EMG")) == (100, 102, 103)
    assert row_of("T3") == row_of("EEG T7-Ref") == row_of("t7")
    assert row_of("T3", as_named=True) != row_of("T7", as_named=True)
    assert row_of("EEG C4-M1") == row_of("C4")
    assert row_of("EEG C4-A1") == CHANNELS.index("C4-A1")
    with pytest.raises(InputError, match=r"Nearest: .*CP3"):
        row_of("CP33")
    with pytest.raises(InputError, match="are one channel"):
        channel_rows(["T3", "Cz", "T7"])


def test_places_on_the_head_are_symmetric() -> None:
    for left, right in (("F3", "F4"), ("T7", "T8"), ("PO7", "PO8"), ("M1", "M2"), ("FC5", "FC6")):
        (ax, ay), (bx, by) = position(left), position(right)
        assert ax == pytest.approx(-bx)
        assert ax < 0
        assert ay == pytest.approx(by)
    assert position("F3")[1] > position("C3")[1] > position("P3")[1]
    assert position("EMG") is None


# Any subset, hidden is absent


def test_every_subset_runs_and_what_is_absent_cannot_count() -> None:
    net, given = model(), signals()
    for subset in SUBSETS:
        rows = torch.tensor([m in subset for m in NAMES]).expand(2, 4)
        two = {m: t.take(torch.tensor([0, 2])) for m, t in given.items()}
        out = run(net, two, rows)
        assert bool(out["logits"].isfinite().all())
        alone = run(net, {m: two[m] for m in subset})
        noise = {
            m: t if m in subset else replace(t, x=torch.full_like(t.x, float("nan")), pad=torch.ones_like(t.pad))
            for m, t in two.items()
        }
        for other in (alone, run(net, noise)):
            assert torch.allclose(out["logits"], other["logits"], atol=1e-6)
            assert torch.allclose(out["logits_each"], other["logits_each"], atol=1e-6, equal_nan=True)


def test_nothing_at_all_is_refused() -> None:
    net, given = model(), signals()
    with pytest.raises(InputError, match="example 2 has none"):
        net(given, torch.tensor([[True] * 4, [False] * 4, [True] * 4]))
    with pytest.raises(InputError, match="none of its modalities"):
        net({"breath": given["eeg"]})


def test_an_absent_modality_is_not_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    net, given = model(), signals()
    seen = []
    forward = net.encoders["eog"].forward
    monkeypatch.setattr(
        net.encoders["eog"], "forward", lambda tokens, *a: (seen.append(len(tokens)), forward(tokens))[1]
    )
    run(net, given)
    assert seen == [2]


# Channels and padding


def test_order_of_channels_does_not_matter_and_some_may_be_gone() -> None:
    net = model()
    names = ("O2", "F3", "O1", "F4")
    one, two = (collate([example("eeg", 3, names=n)], SPECS["eeg"]) for n in (NAMES["eeg"], names))
    assert torch.allclose(run(net, {"eeg": one})["z"], run(net, {"eeg": two})["z"], atol=1e-5)
    fewer = collate([example("eeg", 3, names=("O1", "F4"))], SPECS["eeg"])
    assert bool(run(net, {"eeg": fewer})["logits"].isfinite().all())


def longer(t: Tokens, more: int = 9) -> Tokens:
    n = len(t)
    return Tokens(
        torch.cat([t.x, torch.full((n, more, t.x.shape[2]), float("nan"))], 1),
        torch.cat([t.channel, torch.zeros(n, more, dtype=torch.long)], 1),
        torch.cat([t.time, torch.zeros(n, more, dtype=torch.long)], 1),
        torch.cat([t.pad, torch.ones(n, more, dtype=torch.bool)], 1),
    )


@pytest.mark.parametrize("encoder", [EncoderSettings(), BANDS], ids=["published", "tiny"])
def test_padded_is_cropped(encoder: EncoderSettings) -> None:
    net, given = model(encoder=encoder), signals()
    tokenizer = Tokenizer(tuple(NAMES), TINY, None, encoder).eval()
    alone = [{m: t.take(torch.tensor([i])) for m, t in given.items()} for i in range(3)]
    alone[1].pop("eog")
    whole, codes = run(net, given), tokenizer.codes(given)
    for i, one in enumerate(alone):
        padded = {m: longer(t) for m, t in one.items()}
        for each in (one, padded):
            assert torch.allclose(run(net, each)["z"], whole["z"][i : i + 1], atol=1e-5)
            told = tokenizer.codes(each)
            for m in one:
                count = int((~one[m].pad).sum())
                assert torch.equal(told.shared[m][0, :count], codes.shared[m][i, :count])
                assert torch.equal(told.private[m][0, :count], codes.private[m][i, :count])
        a, b = run(tokenizer, one), run(tokenizer, padded)
        assert all(torch.allclose(a[k], b[k], atol=1e-5) for k in a)


def test_repeating_what_is_there_hardly_moves_the_mean_and_doubles_the_sum() -> None:
    once = collate([example("eeg", 4)], SPECS["eeg"])
    # The same patches twice at the same places: what length alone does, without the embeddings of later places.
    twice = Tokens(*(torch.cat([t, t], dim=1) for t in (once.x, once.channel, once.time, once.pad)))
    net, summed = model(), model(reorg="sum")
    a, b = (run(net, {"eeg": t})["z"] for t in (once, twice))
    assert float((a - b).norm() / a.norm()) < 0.05
    with torch.no_grad():
        slots = [summed.layout["eeg"].slots(summed.encoders["eeg"](t)[1], t.pad) for t in (once, twice)]
    assert float((2 * slots[0] - slots[1]).norm() / slots[1].norm()) < 0.05


def test_places_in_time_end_somewhere() -> None:
    with pytest.raises(InputError, match="102"):
        example("ecg", 103)
    assert example("ecg", 0.1) is None
    assert len(example("ecg", 0.2).x) == 1


# What enters


def test_a_spectrum_lets_the_amplitude_in() -> None:
    soft = collate([example("eeg", 3)], SPECS["eeg"])
    loud = replace(soft, x=3 * soft.x)
    for encoder, moves in ((EncoderSettings(), False), (BANDS, True)):
        net = model(encoder=encoder)
        torch.nn.init.zeros_(net.encoders["eeg"].patch_embed.conv1.bias)  # through it, some amplitude shows
        a, b = (run(net, {"eeg": t})["z"] for t in (soft, loud))
        assert (float((a - b).norm() / a.norm()) > 1e-3) == moves


def test_what_is_hidden_does_not_show_in_the_references_of_others() -> None:
    torch.manual_seed(0)
    net = Encoder(SPECS["eeg"], 64, 2, 4, BANDS).eval()
    tokens, mask = collate([example("eeg", 3)], SPECS["eeg"]), torch.zeros(64)
    hidden = draw(tokens, 0.5)
    other = replace(tokens, x=torch.where(hidden.unsqueeze(-1), 50 * torch.randn_like(tokens.x), tokens.x))
    # By each token alone, so that the convolutions' normalisation tells nothing either.
    net.settings = replace(BANDS, norm="token")
    a, b = (run(net, t, hidden, mask)[1] for t in (tokens, other))
    assert torch.allclose(a, b, atol=1e-5)


def test_references_are_the_mean_of_all_and_the_neighbours() -> None:
    net = Encoder(SPECS["eeg"], 64, 2, 4, BANDS)
    names = ("F3", "F4", "O1", "O2")
    same = np.tile(40 * np.random.default_rng(0).normal(size=(600, 1)), 4)
    tokens = collate([patches(same, channel_rows(names), SPECS["eeg"])], SPECS["eeg"])
    kept = {}
    net.spectrum.enter.register_forward_pre_hook(lambda _m, given: kept.update(told=given[0]))
    net.eval()
    run(net, tokens)
    bands = kept["told"].shape[-1] // 3
    least = np.log(net.spectrum.least)
    assert bool((kept["told"][..., :bands] > least + 5).all())
    # What is the same everywhere is nothing against the mean; and these four have no near neighbours but one another.
    assert torch.allclose(kept["told"][..., bands:], torch.tensor(least, dtype=torch.float32), atol=0.05)


def test_neighbours_on_the_head_start_alike() -> None:
    torch.manual_seed(0)
    table = torch.nn.functional.normalize(Encoder(SPECS["eeg"], 64, 2, 4, BANDS).pos_embed.weight.detach(), dim=1)
    f3, f1, o2 = (table[row_of(n)] for n in ("F3", "F1", "O2"))
    assert float(f3 @ f1) > float(f3 @ o2) + 0.2


def test_pretraining_may_see_some_channels_at_a_time() -> None:
    tokens = signals()["eeg"]
    torch.manual_seed(0)
    some, at = thinned(tokens, 0.5)
    for i in range(3):
        kept = ~some.pad[i]
        assert len(some.channel[i][kept].unique()) == 2
        assert torch.equal(some.x[i][kept], tokens.x[i][at[i]][kept])
        assert int(kept.sum()) * 2 == int((~tokens.pad[i]).sum())
    assert thinned(signals()["ecg"], 0.5)[0].x.shape == signals()["ecg"].x.shape
    with pytest.raises(UsageError, match="share above 0"):
        PhysioSettings(channels=0.0)
    with pytest.raises(UsageError, match="spectrum"):
        EncoderSettings(spectrum=-1)


# Codes


def test_a_codebook_does_not_change_in_evaluation() -> None:
    tokenizer = Tokenizer(tuple(NAMES), TINY, TokenizerSettings(revive_after=1))
    tokenizer(signals())
    tokenizer.eval()
    before = copy.deepcopy(tokenizer.state_dict())
    run(tokenizer, signals())
    tokenizer.codes(signals())
    assert all(torch.equal(before[k], v) for k, v in tokenizer.state_dict().items())


def test_a_codebook_follows_its_vectors_and_revives_the_unused() -> None:
    torch.manual_seed(0)
    centres = torch.nn.functional.normalize(torch.randn(8, 4), dim=1)
    book = Codebook(16, 4, decay=0.8, revive_after=3)
    for _ in range(40):
        z = centres[torch.randint(8, (256,))] + 0.05 * torch.randn(256, 4)
        _code, index, commit = book(z)
    assert float(commit.detach()) < 0.01
    assert 8 <= perplexity(index, 16) <= 16
    dead = Codebook(16, 4, revive_after=3)
    dead.initted.fill_(True)
    dead.weight[:] = torch.tensor([0.0, 0, 0, 1])
    for _ in range(8):
        _, index, _ = dead(centres[torch.randint(8, (256,))])
    assert perplexity(index, 16) > 4
    assert perplexity(torch.arange(16), 16) == pytest.approx(16)
    assert perplexity(torch.zeros(9, dtype=torch.long), 16) == pytest.approx(1)


def test_a_warm_book_lets_vectors_pass_and_then_starts_from_them() -> None:
    torch.manual_seed(0)
    book = Codebook(8, 4, warm=2)
    z = torch.nn.functional.normalize(torch.randn(64, 4), dim=1)
    for _ in range(2):
        assert torch.allclose(book(z)[0], z, atol=1e-6)
        assert not bool(book.initted)
    code, index, _ = book(z)
    assert bool(book.initted)
    assert torch.allclose(code, book(z)[0], atol=0.6)
    assert not torch.equal(code, z)
    assert perplexity(index, 8) > 4


def test_gradients_are_turned_as_the_vector_was() -> None:
    torch.manual_seed(0)
    book = Codebook(8, 2, gradient="rotate").eval()
    z = torch.nn.functional.normalize(torch.randn(16, 2, dtype=torch.float64), dim=1).float().requires_grad_()
    code, index, _ = book(z)
    assert torch.allclose(code, book.weight[index], atol=1e-6)
    code.backward(book.weight[index].flip(1) * torch.tensor([-1.0, 1.0]))  # along the circle at the code
    along = z.detach().flip(1) * torch.tensor([-1.0, 1.0])  # along the circle at the vector
    assert torch.allclose(z.grad, along, atol=1e-5)


def test_an_uneven_use_of_codes_costs() -> None:
    torch.manual_seed(0)
    book = Codebook(16, 8)
    spread, lumped = book.weight.repeat(4, 1), book.weight[:1].repeat(64, 1)
    assert 0 <= float(book.even(spread)) < 0.5 * float(book.even(lumped))


def test_shared_vectors_of_one_second_are_drawn_together() -> None:
    how = TokenizerSettings(agree_weight=1.0, cross="any", orth="cov", even_weight=0.1, drop_private=0.5, log=True)
    torch.manual_seed(0)
    tokenizer = Tokenizer(tuple(NAMES), TINY, how, BANDS)
    terms = tokenizer(signals())
    assert {"agree.eeg-ecg", "agree.eog-emg", "even.shared", "even.emg", "cross.eeg", "orth.eog"} <= set(terms)
    assert bool(tokenizer.loss(terms).isfinite())
    coded = tokenizer.encode(signals())
    for c in coded.values():  # all alike: nothing tells one second from another
        c.z_shared = torch.ones_like(c.z_shared)
    rows = int(coded["ecg"].frames.there.sum())
    assert float(tokenizer._agree(coded, signals())["agree.eeg-ecg"].detach()) == pytest.approx(np.log(rows), abs=1e-4)
    correlated = torch.randn(200, 16)
    assert float(tokenizer._apart(correlated, correlated)) > 5 * float(
        tokenizer._apart(correlated, torch.randn(200, 16))
    )


def test_shared_codes_are_one_a_second_and_channel() -> None:
    tokens = signals()["ecg"]
    frames = tokens.frames(SPECS["ecg"])
    assert frames.there.sum(1).tolist() == [3, 2, 4]
    assert frames.second[2, :4].tolist() == [0, 1, 2, 3]
    codes = Tokenizer(tuple(NAMES), TINY).codes(signals())
    shared = codes.shared["ecg"][2].reshape(4, 5)
    assert bool((shared == shared[:, :1]).all())
    assert bool((codes.shared["ecg"][1, 10:] == -1).all())


def test_every_present_modality_may_be_the_source_of_others() -> None:
    given = signals()
    tokenizer = Tokenizer(tuple(NAMES), TINY)
    assert {k for k in tokenizer(given) if k.startswith("cross")} == {"cross.eog", "cross.ecg", "cross.emg"}
    without = {m: t for m, t in given.items() if m != "eeg"}
    assert {k for k in tokenizer(without) if k.startswith("cross")} == {"cross.eog", "cross.emg"}
    assert not [k for k in Tokenizer(tuple(NAMES), TINY, TokenizerSettings(cross="none"))(given) if k[:5] == "cross"]
    for half in ("shared", "private"):
        torch.stack(list(Tokenizer(tuple(NAMES), TINY, TokenizerSettings(**{half: False}))(given).values())).sum()


def test_cross_reconstruction_reads_the_source_of_the_same_second() -> None:
    tokenizer = Tokenizer(("eeg", "ecg"), TINY).eval()
    given = {m: collate([example(m, 4)], SPECS[m]) for m in ("eeg", "ecg")}
    coded = tokenizer.encode(given)
    with torch.no_grad():
        asked = []
        tokenizer.ask["ecg"].forward = lambda q, keys, mask: asked.append(mask) or q
        tokenizer.crossed("ecg", coded["ecg"], "eeg", coded["eeg"])
    second = given["eeg"].time[0]  # one shared code a patch: 4 channels, 4 seconds
    assert torch.equal(asked[0][0], torch.arange(4).unsqueeze(1) == second)


# Masked modelling


def test_masks_have_their_share_and_only_masked_places_are_told() -> None:
    tokens = signals()["emg"]
    for span in (1, 3):
        hidden = draw(tokens, 0.5, span)
        assert not bool((hidden & tokens.pad).any())
        share = hidden.sum(1) / (~tokens.pad).sum(1)
        assert bool((share - 0.5).abs().max() < 0.2)
    net = Masked(tuple(NAMES), TINY, MsmSettings(targets="both"))
    codes = Tokenizer(tuple(NAMES), TINY).codes(signals())
    kept = {}
    for m in NAMES:
        net.encoders[m].register_forward_hook(
            lambda _m, _i, out, m=m: (out[1].retain_grad(), kept.update({m: out[1]}))[0]
        )
    hidden = {m: draw(t, 0.5) for m, t in signals().items()}
    terms = net(signals(), codes, hidden=hidden)
    net.loss(terms).backward()
    for m, h in kept.items():
        rows = signals()[m].present
        told = hidden[m][rows][:, : h.shape[1]]
        assert bool((h.grad[~told] == 0).all())
        assert bool((h.grad[told].abs().sum(-1) > 0).all())
    with pytest.raises(UsageError, match="share between 0 and 1"):
        MsmSettings(mask={"eeg": 1.5})


# Fine-tuning


@pytest.mark.parametrize("kind", ["class", "multilabel", "continuous", "distribution"])
@pytest.mark.parametrize(
    "how", [{}, {"reorg": "cls"}, {"reorg": "sum", "fusion": "concat"}], ids=["mean", "cls", "sum"]
)
def test_every_kind_of_label_is_learnt(kind: str, how) -> None:
    net = model(kind=kind, modality_dropout=0.0, **how).train()
    goal = {"class": torch.tensor([0, 1, 2]), "distribution": torch.full((3, 3), 1 / 3)}.get(kind, torch.ones(3, 3))
    terms = net.loss(signals(), goal)
    assert {"fused", "align", "own.eeg", "own.emg"} <= set(terms)
    torch.stack(list(terms.values())).sum().backward()
    assert all(p.grad is None or bool(p.grad.isfinite().all()) for p in net.parameters())
    scores = net.finish(run(net.eval(), signals())["logits"])
    assert scores.shape == (3, 3)


def test_switches_take_terms_away() -> None:
    goal = torch.tensor([0, 1, 2])
    assert "align" not in model(align_weight=0.0).loss(signals(), goal)
    assert not [k for k in model(each_weight=0.0).loss(signals(), goal) if k.startswith("own")]
    by_name = model(loss_weight={"eeg": 0.0}).loss(signals(), goal)
    assert "own.eeg" not in by_name
    assert "own.ecg" in by_name
    assert not any(p.requires_grad for p in model(freeze_encoder=True).encoders.parameters())
    with pytest.raises(UsageError, match="unknown modality"):
        FinetuneSettings(loss_weight={"brain": 1.0})


def test_a_causal_encoder_knows_no_future_and_windows_stream() -> None:
    torch.manual_seed(0)
    net = Encoder(
        SPECS["eeg"], 64, 2, 4, EncoderSettings(causal=True, norm="token", spectrum=8, references=True)
    ).eval()
    whole, start = (collate([example("eeg", s)], SPECS["eeg"]) for s in (4, 4))
    start = replace(start, x=torch.where((start.time < 2).unsqueeze(-1), start.x, 7.0))
    with torch.no_grad():
        a, b = net(whole)[1], net(start)[1]
    early = whole.time[0] < 2
    assert torch.equal(a[0, early], b[0, early])
    assert not torch.allclose(a[0, ~early], b[0, ~early])
    with pytest.raises(UsageError, match="causal"):
        EncoderSettings(causal=True)
    model_, given = model(), signals((2.0, 2.0, 2.0))
    offline = run(model_, given)["logits"]
    for i in range(3):
        one = {m: t.take(torch.tensor([i])) for m, t in given.items() if bool(t.present[i])}
        assert torch.allclose(run(model_, one)["logits"][0], offline[i], atol=1e-6)
        assert torch.equal(run(model_, one)["logits"], run(model_, one)["logits"])


# Published weights


def renamed(size, device=None) -> dict[str, torch.Tensor]:
    """A state of those sizes with the names that the public file has."""
    state = {}
    with torch.device(device or "cpu"):
        for m in NAMES:
            net = Encoder(SPECS[m], size.d(SPECS[m]), size.layers, size.heads)
            for name, tensor in net.state_dict().items():
                state[f"_orig_mod.{m.upper()}_encoder.{name}"] = tensor
            state[f"_orig_mod.{m.upper()}_encoder.mask_token"] = torch.zeros(1, 1, net.d)
            state[f"_orig_mod.{m.upper()}_shared_lm_head.0.weight"] = torch.zeros(net.d, net.d)
    return state


def test_weights_of_the_published_shapes_load_whole_or_not_at_all(tmp_path: Path) -> None:
    public = renamed(PUBLIC, "meta")
    found = encoder_states(public, tuple(NAMES), PUBLIC)
    assert {m: sum(t.numel() for t in s.values()) for m, s in found.items()}["eeg"] == 7_839_576
    short = {k: v for k, v in public.items() if "EMG_encoder" not in k}
    with pytest.raises(InputError, match="no EMG_encoder"):
        encoder_states(short, tuple(NAMES), PUBLIC)
    assert set(encoder_states(short, tuple(NAMES), PUBLIC, allow_missing=["emg"])) == {"eeg", "eog", "ecg"}
    lacking = {k: v for k, v in public.items() if "ECG_encoder.blocks.3.mlp.w2" not in k}
    with pytest.raises(InputError, match=r"ECG_encoder lacks blocks\.3\.mlp\.w2"):
        encoder_states(lacking, tuple(NAMES), PUBLIC)
    with pytest.raises(InputError, match="must be"):
        encoder_states(public, tuple(NAMES), TINY)
    with pytest.raises(InputError, match="unknown names"):
        encoder_states({**public, "EEG_encoder.surprise": torch.zeros(1)}, tuple(NAMES), PUBLIC)

    tiny = renamed(TINY)
    torch.save({"model": tiny, "optimizer": {}, "epoch": 49}, tmp_path / "PhysioOmni.pt")
    net = model()
    net.start_from(load_encoders(tmp_path / "PhysioOmni.pt", tuple(NAMES), TINY))
    for m in NAMES:  # each modality has its own, the heart not the muscles'
        assert torch.equal(net.encoders[m].cls_token, tiny[f"_orig_mod.{m.upper()}_encoder.cls_token"])
    swapped = load_encoders(tmp_path / "PhysioOmni.pt", ("eeg",), TINY, gate="w3")["eeg"]
    assert torch.equal(swapped["blocks.0.mlp.w1.weight"], tiny["_orig_mod.EEG_encoder.blocks.0.mlp.w3.weight"])


def test_a_file_that_runs_code_is_refused(tmp_path: Path) -> None:
    class Bad:
        def __reduce__(self):
            return (Path(tmp_path / "was-here").touch, ())

    (tmp_path / "bad.pt").write_bytes(pickle.dumps({"model": Bad()}))
    with pytest.raises(InputError, match="not a file of weights"):
        load_encoders(tmp_path / "bad.pt", ("eeg",), TINY)
    assert not (tmp_path / "was-here").exists()
    with pytest.raises(InputError, match="no such file"):
        load_encoders(tmp_path / "none.pt", ("eeg",), TINY)


# On a data set


@pytest.fixture(scope="module")
def small() -> Dataset:
    return bodies(4, 4, seconds=2, absent=0.1)[0]


def part(data: Dataset, *people: str) -> Dataset:
    return data.take(np.isin(data.index["subject"], people))


def changed(data: Dataset, m: str, **how) -> Dataset:
    return Dataset(data.index, {**data.features, m: replace(data.features[m], **how)})


def test_signals_come_at_the_models_rate_with_units_checked(small: Dataset) -> None:
    ready = prepare(small, tuple(BODY))
    assert np.array_equal(ready.present, small.present)
    half = replace(small.features["ecg"], rate_hz=250.0)
    slow = prepare(Dataset(small.index, {"ecg": half}), ("ecg",))  # the same samples take twice the time
    assert (~slow.tokens["ecg"].pad).sum() == 2 * (~ready.tokens["ecg"].pad).sum()
    volts = changed(small, "eeg", values=small.features["eeg"].values * np.float32(1e-6))
    with pytest.raises(InputError, match="in volts"):
        prepare(volts, tuple(BODY))
    assert prepare(volts, tuple(BODY), force_units=True).present.any()
    with pytest.raises(InputError, match="no rate"):
        prepare(changed(small, "emg", rate_hz=None), tuple(BODY))
    with pytest.raises(InputError, match="unknown channel"):
        prepare(changed(small, "eeg", fields=("F3", "F4", "O1", "Q9")), tuple(BODY))
    with pytest.raises(InputError, match="without names"):
        prepare(changed(small, "eeg", fields=()), tuple(BODY))


def test_flat_saturated_and_broken_channels_are_left_out(small: Dataset) -> None:
    values = small.features["eeg"].values.copy()
    values[:, 1] = 0
    values[5, 2] = np.nan
    ready = prepare(changed(small, "eeg", values=values), ("eeg",))
    there = int(small.features["eeg"].present.sum())
    assert ready.left_out == {"eeg": there + 1}
    dead = prepare(changed(small, "eeg", values=np.zeros_like(values)), ("eeg", "ecg"))
    assert not dead.present[:, 0].any()
    assert dead.present[:, 1].any()
    assert row_of("F4") not in ready.tokens["eeg"].channel[~ready.tokens["eeg"].pad]


def test_pretraining_sees_only_whom_it_may(small: Dataset) -> None:
    settings = PhysioSettings.of({"tokenizer_train": SHORT, "msm_train": SHORT}, "test")
    seen = part(small, "s01", "s02", "s03").take(np.arange(6))
    made = pretrain(seen, settings)
    assert made.seen["subject"] == set(seen.index["subject"])
    check_unseen(made, part(small, "s01", "s02", "s03"))
    with pytest.raises(LeakageError, match="pre-training has seen subject s02"):
        check_unseen(made, part(small, "s01", "s03"))
    with pytest.raises(LeakageError, match="pre-training has seen trial"):
        check_unseen(made, seen.take(np.arange(5)))
    assert set(made.told["perplexity"]) == {"shared", *BODY}


def test_a_killed_pretraining_goes_on_to_the_same_numbers(small: Dataset, tmp_path: Path) -> None:
    data = small.take(np.arange(6))
    long = PhysioSettings.of({"tokenizer_train": {**SHORT, "epochs": 2}, "msm_train": SHORT}, "test")
    told = []

    def killed(text: str, share: float) -> None:
        told.append(text)
        if len(told) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pretrain(data, long, folder=tmp_path, progress=killed)
    resumed = pretrain(data, long, folder=tmp_path, progress=killed)
    assert len(told) == 3  # one of the first run, then what was left
    whole = pretrain(data, long)
    stored = Pretrained.load(tmp_path)
    for m in BODY:
        for name, tensor in whole.weights[m].items():
            assert torch.equal(tensor, resumed.weights[m][name]), name
            assert torch.equal(tensor, stored.weights[m][name]), name


def test_as_a_learner_it_fits_predicts_withholds_and_repeats(small: Dataset, tmp_path: Path) -> None:
    told = {"init": "scratch", "train": {"epochs": 1, "batch": 8}}
    train, validation, test = part(small, "s01", "s02"), part(small, "s03"), part(small, "s04")
    made = learner("physioomni", told, choose="uar").made()
    assert made.settings()["select"] == "val_uar"
    fitted = made.fit(train, validation, label="state", seed=3)
    again = made.fit(train, validation, label="state", seed=3)
    first = fitted.predict(test.sealed())
    assert np.array_equal(first.scores, again.predict(test.sealed()).scores)
    assert np.allclose(first.scores.sum(1), 1)
    assert first.extra["each"].shape == (len(test), 4, 2)
    gone = fitted.predict(test.without(tuple(BODY)).sealed())
    assert gone.withheld.all()
    assert np.allclose(gone.scores, fitted.prior)
    shown = fitted.predict(test.without(("eeg", "emg")).sealed())
    assert np.array_equal(~shown.withheld, test.only(("eog", "ecg")).present.any(1))
    fitted.save(tmp_path / "model.npz")
    assert np.array_equal(PhysioFitted.load(tmp_path / "model.npz").predict(test).scores, first.scores)


def test_the_whole_may_be_learnt_from_and_weights_averaged(small: Dataset) -> None:
    told = {"init": "scratch", "whole": True, "train": {"epochs": 2, "batch": 8, "average": 0.9}}
    train, validation, test = part(small, "s01", "s02"), part(small, "s03"), part(small, "s04")
    made = learner("physioomni", told, choose="uar").made()
    fitted = made.fit(train, validation, label="state", seed=3)
    assert fitted.validation.withheld.all()
    assert (fitted.told["best_epoch"], fitted.told["selected_on"], fitted.told["temperature"]) == (2, "last", 1.0)
    assert not np.array_equal(
        fitted.predict(test).scores, made.fit(train, test, label="state", seed=3).predict(test).scores
    )
    with pytest.raises(UsageError, match="average"):
        PhysioLearner("mine", {"train": {"average": 1.0}})


def test_an_average_follows_and_gives_the_weights_back() -> None:
    net = torch.nn.Linear(2, 1, bias=False)
    mean = Averaged(net, 0.9)
    start = net.weight.detach().clone()
    with torch.no_grad():
        net.weight.add_(1.0)
    mean.follow()
    with mean.shown():
        assert torch.allclose(net.weight, start + 0.9)  # the first keeps a tenth
    assert torch.allclose(net.weight, start + 1.0)
    with mean.shown(last=True):
        pass
    assert torch.allclose(net.weight, start + 0.9)


def test_what_cannot_be_learnt_from_is_said(small: Dataset) -> None:
    fit = PhysioLearner("mine", {"init": "scratch", "train": SHORT}).fit
    one = part(small, "s01")
    calm = one.take(one.index.label("state").values == 0)
    with pytest.raises(InputError, match="one class only"):
        fit(calm, part(small, "s02"), label="state", seed=0)
    with pytest.raises(InputError, match="no labelled example"):
        fit(one.without(tuple(BODY)), part(small, "s02"), label="state", seed=0)
    renamed_ = Dataset(one.index, {"brain": replace(one.features["eeg"], name="brain")})
    with pytest.raises(UsageError, match="unknown modality 'brain'"):
        fit(renamed_, renamed_, label="state", seed=0)
    with pytest.raises(UsageError, match="Did you mean epochs"):
        PhysioLearner("mine", {"train": {"epoch": 3}})


def test_it_is_found_by_name_and_its_recipe_reads() -> None:
    assert "physioomni" in registry.names("learners")
    recipe = recipes.load("eegmat-physioomni")
    for row in recipe.learner:
        learner(row.use, row.settings, name=row.name, choose="uar")
    with pytest.raises(UsageError, match="Did you mean physioomni"):
        learner("physiomni")


def test_signals_of_the_wrist_and_chest_run_too() -> None:
    rng = np.random.default_rng(0)
    given = {}
    for m, spec in SPECS.items():
        channels = ("ACCX", "ACCY", "ACCZ") if m == "acc" else ({"eeg": "Cz", "eog": "HEO"}.get(m, m),)
        values = spec.centre + spec.scale * rng.normal(size=(round(4 * spec.rate_hz), len(channels)))
        given[m] = collate([patches(values, channel_rows(channels), spec)], spec)
    terms = Tokenizer(tuple(SPECS), TINY)(given)
    assert all(bool(t.isfinite()) for t in terms.values())
    net = PhysioOmni(tuple(SPECS), 2, "class", TINY)
    assert bool(run(net.eval(), given)["logits"].isfinite().all())
    assert present_of(given, tuple(SPECS)).all()


def test_features_without_names_of_one_channel_take_the_modalitys() -> None:
    data, _ = bodies(2, 2, seconds=1, modalities=("ecg",))
    f = data.features["ecg"]
    plain = Feature("ecg", f.values, f.offsets, (), f.rate_hz)
    assert prepare(Dataset(data.index, {"ecg": plain}), ("ecg",)).present.all()
