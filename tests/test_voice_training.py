"""Making the voice expert: rooms, the network in its two forms, what is stored small, and a recipe that loads."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from moodal.core import registry
from moodal.lab.data.cache import Cache
from moodal.lab.experts import load
from moodal.lab.experts import voice_rooms as rooms

torch = pytest.importorskip("torch")

from moodal.lab.experts import voice  # noqa: E402
from moodal.lab.experts.voice_net import Clips, Encoder, Training, VoiceNet, embed, mean_of, settled, train  # noqa: E402
from moodal.lab.experts.voice_store import stored_small  # noqa: E402
from moodal.lab.experts.work import Work  # noqa: E402
from moodal.lab.nn.settings import parse  # noqa: E402
from moodal.lab.nn.whisper import Block, WhisperEncoder  # noqa: E402

RATE = rooms.RATE_HZ


def power_db(sound: np.ndarray, low: float, high: float) -> float:
    spectrum = np.abs(np.fft.rfft(sound)) ** 2
    hz = np.fft.rfftfreq(len(sound), 1 / RATE)
    return float(10 * np.log10(spectrum[(hz >= low) & (hz < high)].sum() + 1e-12))


def test_noise_falls_as_it_says() -> None:
    sound = rooms.noise(8 * RATE, np.random.default_rng(0), -3.0)
    assert sound.std() == pytest.approx(1, abs=0.01)
    # Pink: every octave has the same power.
    assert power_db(sound, 500, 1000) == pytest.approx(power_db(sound, 2000, 4000), abs=0.5)


def test_noise_stands_as_far_below_as_asked() -> None:
    rng = np.random.default_rng(0)
    sound, other = rng.normal(size=RATE).astype(np.float32), rng.normal(size=RATE).astype(np.float32)
    added = rooms.with_noise(sound, other, 12.0) - sound
    assert 10 * np.log10(np.mean(sound**2) / np.mean(added**2)) == pytest.approx(12, abs=0.01)
    assert rooms.with_noise(np.zeros(9, np.float32), other[:9], 0.0).max() == 0


def test_a_telephone_takes_bottom_and_top() -> None:
    sound = rooms.noise(4 * RATE, np.random.default_rng(0), 0.0)
    line = rooms.band(sound, 300, 3400)
    assert power_db(line, 1000, 2000) == pytest.approx(power_db(sound, 1000, 2000), abs=0.5)
    assert power_db(line, 6000, 8000) < power_db(sound, 6000, 8000) - 20


def test_rooms_linger_and_speed_shortens() -> None:
    click = np.zeros(RATE, np.float32)
    click[1000] = 1
    told = rooms.reverberant(click, np.random.default_rng(0), 0.4, 0.0)
    assert np.argmax(np.abs(told)) == 1000
    early, late = np.sum(told[1032:3000] ** 2), np.sum(told[6400:8400] ** 2)
    assert late < early / 100
    assert len(rooms.speed(np.zeros(RATE, np.float32), 1.25)) == 12_800


def test_changed_copies_are_the_same_each_time() -> None:
    sound = rooms.noise(RATE, np.random.default_rng(1)) * np.float32(0.1)
    for seed in range(20):
        a, b = (rooms.changed(sound, np.random.default_rng(seed), [sound]) for _ in range(2))
        assert np.array_equal(a, b)
        assert np.isfinite(a).all()
        assert np.abs(a).max() <= 1


def _made(copies: int = 2, people: int = 6, each: int = 12, d: int = 24) -> Clips:
    """Frames whose mean tells the class, on top of what is the person's."""
    rng = np.random.default_rng(0)
    place = rng.normal(size=(8, d))
    truth = np.tile(np.arange(each) % 4, people)
    person = np.repeat(np.arange(people), each)
    voices = rng.normal(size=(people, d))
    frames, starts = [], []
    for _ in range(copies):
        lengths = rng.integers(5, 12, len(truth))
        parts = [1.5 * place[c] + 0.5 * voices[p] + rng.normal(0, 0.5, (n, d))
                 for c, p, n in zip(truth, person, lengths, strict=True)]  # fmt: skip
        frames.append(np.concatenate(parts).astype(np.float16))
        starts.append(np.concatenate([[0], np.cumsum(lengths)]))
    return Clips(frames, starts, truth, person, person % 2, 8)


def _net(d: int = 24) -> VoiceNet:
    torch.manual_seed(0)
    return VoiceNet([Block(d, 2)], 8, 2, heads=4)


def test_it_learns_what_is_there_and_again_to_the_byte() -> None:
    clips = _made()
    rows = np.flatnonzero(clips.person < 4)
    told = Training(epochs=12, lr=1e-3, groups=2, each=6)
    a, b = (train(_net(), clips, rows, told, 1) for _ in range(2))
    assert all(torch.equal(v, w) for v, w in zip(a.state_dict().values(), b.state_dict().values(), strict=True))
    assert a.known.sum(1).tolist() == [4, 4]
    test = np.flatnonzero(clips.person >= 4)
    arrays = voice._arrays(a, embed(a, clips.frames[0], clips.starts[0], rows))
    e = embed(a, clips.frames[0], clips.starts[0], test)
    for scores in (voice._plain(e, arrays), voice._each(clips.person[test], e, arrays)):
        assert (scores.argmax(axis=1) == clips.truth[test]).mean() > 0.8
        assert np.allclose(np.exp(scores).sum(axis=1), 1)


def test_who_else_is_in_the_batch_changes_nothing() -> None:
    clips, net = _made(), _net().eval()
    rows = np.arange(10)
    whole = embed(net, clips.frames[0], clips.starts[0], rows)
    alone = np.concatenate([embed(net, clips.frames[0], clips.starts[0], rows[i : i + 1]) for i in rows])
    assert np.allclose(whole, alone, atol=1e-5)


def test_averaged_weights_answer_as_their_mean_and_know_their_own_spread() -> None:
    told = [{"w": np.full((2, 3), float(k), np.float32), "known": np.array([True, False])} for k in (1, 2, 6)]
    mean = mean_of(told)
    assert torch.equal(mean["w"], torch.full((2, 3), 3.0))
    assert mean["known"].tolist() == [True, False]
    torch.manual_seed(0)
    net = VoiceNet([WhisperEncoder(1, 24, 2, 100).blocks[0]], 8, 2)
    e = np.random.default_rng(0).normal(3.0, 2.0, (400, net.width)).astype(np.float32)
    z = settled(net, [e[:150], e[150:]]).scale(torch.from_numpy(e))
    assert z.mean(0).abs().max() < 1e-3
    assert (z.std(0) - 1).abs().max() < 1e-2


@pytest.mark.slow
def test_a_fold_trained_again_from_nothing_scores_as_the_bundle_says(data: Path, tmp_path: Path) -> None:
    known = registry.bundles().get("voice")
    if known is None:
        pytest.skip("the bundle voice is not installed")
    recipe = load("voice")
    settings = parse(voice.Settings, recipe.settings, "voice")
    work = Work(tmp_path, recipe.fingerprint(), recipe.seed, cache=Cache(tmp_path / "cache"))
    people = voice._people(work)
    frames = [voice._frames(settings, work, people, k) for k in range(settings.copies + 1 + len(voice.HARDER))]
    # Its first fold leaves four actors out; all other people are one fold more, which is not looked at.
    fold = np.minimum(voice._folds(people, settings.folds), 1)
    told = voice._told(settings, work, people, frames, fold)
    here = (fold == 0) & (people.corpus == 0)
    for mode, name in (("plain", "ravdess"), ("person", "ravdess, baseline mode")):
        right = told[mode][here].argmax(axis=1) == people.truth[here]
        uar = np.mean([right[people.truth[here] == c].mean() for c in np.unique(people.truth[here])])
        low, high = known.manifest["scores"][name]["interval"]
        assert low <= uar <= high, name


@pytest.mark.slow
def test_what_ships_is_what_was_trained() -> None:
    pytest.importorskip("onnxscript")
    import onnxruntime

    torch.manual_seed(0)
    stem = WhisperEncoder(2, 24, 2, 100)
    net = VoiceNet([stem.blocks[1]], 8, 2)
    whole = Encoder(stem, net, 4, 100).eval()
    mel = torch.randn(1, 120, 80)
    with torch.inference_mode():
        frames = stem(mel, torch.ones(1, 120, dtype=torch.bool))[0][1][0].view(-1, 4, 24).mean(1)
        told = torch.cat([net(frames, torch.tensor([len(frames)]))[0], frames.mean(0), frames.std(0, correction=0)])
        assert torch.allclose(told, whole(mel)[0], atol=1e-4)
    program = torch.onnx.export(
        whole, (mel,), dynamo=True, input_names=["mel"], output_names=["embedding"],
        dynamic_shapes=({1: torch.export.Dim("time", min=20, max=200)},), verbose=False,
    )  # fmt: skip
    buffer = io.BytesIO()
    program.save(buffer)
    small = stored_small(buffer.getvalue(), least=500)
    assert len(small) < 0.7 * len(buffer.getvalue())
    for length in (20, 63, 120):
        part = mel[:, :length]
        (told,) = onnxruntime.InferenceSession(small).run(None, {"mel": part.numpy()})
        with torch.inference_mode():
            assert np.abs(told - whole(part).numpy()).max() < 0.05


def test_people_are_left_out_whole() -> None:
    names = [f"ravdess {i:02d}" for i in range(1, 21)] + [f"nemo {c}" for c in "ABCDEFG"] + [f"emodb {i}" for i in "12"]
    people = voice.People([], np.zeros(58), np.zeros(58), np.tile(np.arange(29), 2), sorted(names))
    fold = voice._folds(people, 7)
    assert np.array_equal(fold[:29], fold[29:])
    of = {k: [people.names[p] for p in range(29) if fold[p] == k] for k in range(7)}
    assert [sum(n.startswith("nemo") for n in of[k]) for k in range(7)] == [1] * 7
    assert [sum(n.startswith("ravdess") for n in of[k]) for k in range(7)] == [4, 4, 4, 4, 4, 0, 0]
    # Odd numbers are men.
    assert all(sum(int(n[-2:]) % 2 for n in of[k] if n.startswith("ravdess")) in (0, 2) for k in range(7))


def test_the_recipe_is_read() -> None:
    recipe = load("voice")
    settings = parse(voice.Settings, recipe.settings, "voice")
    assert isinstance(settings, voice.Settings)
    assert recipe.commercial is False
