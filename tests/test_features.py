"""Makers of features, and the small networks and front ends that they stand on."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moodal import weights
from moodal.core.errors import MoodalError, UsageError
from moodal.dsp.mel import log_mel
from moodal.dsp.wordpiece import WordPiece, words
from moodal.lab import recipes
from moodal.lab.data import Cache, Dataset, Feature, Index, people
from moodal.lab.data.features import MAKERS, by_person, features, make
from moodal.lab.data.windows import joined
from moodal.lab.recipes import FeaturePart

RNG = np.random.default_rng(0)
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "un", "##happy", "happy", "!", "i", "am", "not", "##s", "é"]


def raw(width: int, rate: float, seconds: float, n: int = 4, name: str = "eeg") -> Dataset:
    data = people(2, n // 2, modalities=["face"])
    examples = [RNG.normal(size=(round(rate * seconds), width)) for _ in range(n)]
    return Dataset(data.index, {name: Feature.build(name, examples, rate_hz=rate)})


def test_every_maker_is_a_module_with_make() -> None:
    from importlib import import_module

    for module in MAKERS.values():
        assert callable(import_module(module).make)


def test_an_unknown_maker_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown maker of features 'whisker'"):
        make(people(2, 2), "voice", FeaturePart("whisker"), Cache(tmp_path))


def test_band_power_finds_the_band_of_a_tone(tmp_path: Path) -> None:
    data = raw(2, 125.0, 8.0)
    t = np.arange(1000) / 125
    tone = np.stack([30 * np.sin(2 * np.pi * 10 * t), 30 * np.sin(2 * np.pi * 20 * t)], axis=1)
    data = Dataset(data.index, {"eeg": Feature.build("eeg", [tone + RNG.normal(size=(1000, 2))] * 4, rate_hz=125.0)})
    made = make(data, "eeg", FeaturePart("eeg-bands"), Cache(tmp_path))
    power = made[0].reshape(5, 2)
    assert power[:, 0].argmax() == 2  # alpha
    assert power[:, 1].argmax() == 3  # beta
    # A sine of amplitude A has the power A² / 2, all of it in its band: mean density times width gives it back.
    assert np.exp(power[2, 0]) * 5 == pytest.approx(450, rel=0.05)


def test_a_flat_channel_has_no_band_power(tmp_path: Path) -> None:
    data = raw(1, 125.0, 4.0)
    data = Dataset(data.index, {"eeg": Feature.build("eeg", [np.zeros((500, 1))] * 4, rate_hz=125.0)})
    made = make(data, "eeg", FeaturePart("eeg-bands"), Cache(tmp_path))
    assert np.isnan(made.values).all()


def test_hand_features_come_through_the_cache_and_leave_out_what_nothing_allows(tmp_path: Path) -> None:
    from moodal.lab.data.hand import GROUPS

    t = np.arange(2500) / 250
    beats = np.exp(-0.5 * (((t % 0.8) - 0.4) / 0.012) ** 2) * 1000
    data = raw(1, 250.0, 10.0, name="ecg")
    examples = [beats[:, None] + RNG.normal(size=(2500, 1)), np.zeros((2500, 1)), None, beats[:, None]]
    data = Dataset(data.index, {"ecg": Feature.build("ecg", examples, rate_hz=250.0)})
    part = FeaturePart("hand", {"groups": ["ecg.hrv"]})
    made = make(data, "ecg", part, Cache(tmp_path))
    again = make(data, "ecg", part, Cache(tmp_path))
    assert made.fingerprint() == again.fingerprint()
    assert made.present.tolist() == [True, False, False, True]
    assert made[0][0, made.fields.index("ecg.hrv.hr_mean")] == pytest.approx(75, abs=0.5)
    assert "ecg.hrv.lf" not in made.fields  # ten seconds have no low band
    assert set(made.fields) <= {f"ecg.hrv.{f}" for f in GROUPS["ecg.hrv"].fields}
    with pytest.raises(UsageError, match=r"unknown group 'ecg\.hrt'"):
        make(data, "ecg", FeaturePart("hand", {"groups": ["ecg.hrt"]}), Cache(tmp_path))


def test_pieces_are_those_of_the_published_tokeniser() -> None:
    assert WordPiece(VOCABULARY).ids("Unhappy, I AM é!") == [5, 6, 1, 9, 10, 1, 8]
    assert words("Don't\tstop—now 中国") == ["don", "'", "t", "stop", "—", "now", "中", "国"]
    tokenizers = pytest.importorskip("tokenizers")
    from tokenizers.models import WordPiece as Oracle
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer

    letters = [chr(c) for c in range(33, 127)]
    vocabulary = list(
        dict.fromkeys([*VOCABULARY, *letters, *(f"##{c}" for c in letters), "the", "##ing", "ca", "##fe"])
    )
    oracle = tokenizers.Tokenizer(Oracle({p: i for i, p in enumerate(vocabulary)}, unk_token="[UNK]"))
    oracle.normalizer, oracle.pre_tokenizer = BertNormalizer(lowercase=True), BertPreTokenizer()
    ours = WordPiece(vocabulary)
    for text in ("The café's going—really?!", "x" * 120, "a\u0000b\u200bc", "naïve  \n  Ünïted $5 < 6", "", "🙂 ok"):
        assert ours.ids(text) == oracle.encode(text).ids, text


def test_log_mel_is_whispers() -> None:
    theirs = pytest.importorskip("faster_whisper.feature_extractor").FeatureExtractor(80)
    sound = RNG.normal(scale=0.1, size=20_000).astype(np.float32)
    ours = log_mel(sound)
    # The library pads its sound with silence, which the last frame sees; ours mirrors the edge.
    assert np.abs(ours[:-1].T - theirs(sound)[:, : len(ours) - 1]).max() < 1e-4
    assert log_mel(np.zeros(100, np.float32)).shape == (0, 80)


@pytest.mark.usefixtures("models")
def test_the_cut_encoder_agrees_with_the_whole_one() -> None:
    torch = pytest.importorskip("torch")
    ctranslate2 = pytest.importorskip("ctranslate2")
    from moodal.lab.nn.whisper import packaged
    from moodal.weights.ctranslate2 import arrays as ct2_arrays

    mel = log_mel(RNG.normal(scale=0.1, size=16_000 * 30).astype(np.float32))
    encoder = packaged(4)
    with torch.inference_mode():
        told, _ = encoder(torch.from_numpy(mel)[None], torch.ones(1, len(mel), dtype=torch.bool))
    model = ctranslate2.models.Whisper(str(weights.path("whisper-tiny.en")), compute_type="float32")
    theirs = np.asarray(model.encode(ctranslate2.StorageView.from_array(np.ascontiguousarray(mel.T[None]))))
    # The library ends with one more norm, which the cut encoder does not carry.
    stored = ct2_arrays(weights.path("whisper-tiny.en") / "model.bin", "encoder/layer_norm")
    scale, shift = (np.asarray(stored[f"encoder/layer_norm/{k}"], np.float32) for k in ("gamma", "beta"))
    ours = torch.nn.functional.layer_norm(told[4], (384,)).numpy() * scale + shift
    assert np.abs(ours - theirs).max() < 0.02  # the library keeps float16 weights
    padded = torch.cat([torch.from_numpy(mel[:100]), torch.randn(37, 80)])[None]
    mask = torch.arange(137)[None] < 100
    with torch.inference_mode():
        alone, _ = encoder(torch.from_numpy(mel[:100])[None], torch.ones(1, 100, dtype=torch.bool))
        beside, _ = encoder(padded, mask)
    assert float((alone[2] - beside[2][:, :50]).abs().max()) < 1e-4


def test_a_damaged_model_file_is_one_line(tmp_path: Path) -> None:
    from moodal.weights.ctranslate2 import arrays

    for data in (b"", b"\x06\0\0\0\xff\xff", RNG.bytes(300)):
        (tmp_path / "model.bin").write_bytes(data)
        with pytest.raises(MoodalError, match="model"):
            arrays(tmp_path / "model.bin")


def test_every_shipped_recipe_can_be_read() -> None:
    assert {"lsgmer-meld", "ravdess-av", "eegmat-loso"} <= set(recipes.names())
    for name in recipes.names():
        assert recipes.load(name).name == name


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("metric =", "metrik ="), "unknown key 'metrik'"),
        (('use = "set"', 'used = "set"'), "[features.face] unknown key 'used'"),
        (("seeds = [0]", 'seeds = "0"'), "seeds must be a list"),
        (('name = "toy"\ntitle', "title"), "lacks name"),
        (('use = "logistic"', "use = 3"), "[learner] use must be text"),
        (("label =", "label ="), ""),
    ],
)
def test_a_recipe_with_a_fault_names_it(change: tuple[str, str], told: str) -> None:
    text = '\n'.join([
        'name = "toy"', 'title = "t"', 'label = "emotion"', 'metric = "uar"', "seeds = [0]",
        "[data]", 'set = "synthetic"', "[features.face]", 'use = "set"', "[protocol]", 'use = "group-kfold"',
        "[[learner]]", 'name = "a"', 'use = "logistic"',
    ])  # fmt: skip
    changed = text.replace(*change)
    if not told:
        assert recipes.parse(changed, "toy.toml").name == "toy"
        return
    with pytest.raises(UsageError) as error:
        recipes.parse(changed, "toy.toml")
    assert told in str(error.value)
    assert str(error.value).startswith("toy.toml: ")


def persons() -> list[Dataset]:
    """Three people: a flat window and noise, no ECG at all, and beats, for ten seconds and for eight."""
    t = np.arange(2500) / 250
    beats = np.exp(-0.5 * (((t % 0.8) - 0.4) / 0.012) ** 2)[:, None] * 1000 + RNG.normal(size=(2500, 1))
    noise = RNG.normal(size=(2500, 1))
    told: list[list[Any]] = [[np.zeros((2500, 1)), noise], [None, None], [beats, beats[:2000]]]
    found = []
    for k, examples in enumerate(told):
        index = Index.build("made", {"clip": [f"{k}-0", f"{k}-1"], "subject": [f"S{k}"] * 2}, {})
        ecg = Feature.build("ecg", examples, rate_hz=250.0, fields=("ecg",))
        if not ecg.width:
            ecg = replace(ecg, values=np.zeros((0, 1), np.float32))
        found.append(Dataset(index, {"ecg": ecg, "aside": Feature.build("aside", [noise] * 2)}))
    return found


def test_features_of_people_one_after_another_are_those_of_all(tmp_path: Path) -> None:
    parts = {"hand": FeaturePart("hand", {"groups": ["ecg.hrv"]}), "ecg": FeaturePart("set"),
             "bands": FeaturePart("eeg-bands", {"of": "ecg"}), "de": FeaturePart("eeg-de", {"of": "ecg"})}  # fmt: skip
    people = persons()
    whole = features(joined(people), parts, Cache(tmp_path / "whole"))
    one = by_person(iter(people), parts, Cache(tmp_path / "one"))
    assert one.modalities == tuple(parts)
    assert one.fingerprint() == whole.fingerprint()
    assert [f.fields for f in one.features.values()] == [f.fields for f in whole.features.values()]
    assert one.features["hand"].present.tolist() == [False, True, False, False, True, False]
    with pytest.raises(UsageError, match="has no modality 'eeg'"):
        by_person(iter(people), {"eeg": FeaturePart("set")})


def test_a_person_is_let_go_before_the_next_is_read(tmp_path: Path) -> None:
    alive: list[weakref.ref[Any]] = []

    def read() -> Iterator[Dataset]:
        for person in persons():
            assert all(r() is None for r in alive)
            held = {m: replace(f, values=f.values.copy()) for m, f in person.features.items()}
            alive.extend(weakref.ref(f.values) for f in held.values())
            yield Dataset(person.index, held)
            del held

    parts = {"bands": FeaturePart("eeg-bands", {"of": "ecg"}), "ecg": FeaturePart("set")}
    made = by_person(read(), parts, Cache(tmp_path))
    assert len(made) == len(alive) == 6
