"""The contamination register: a bundle's training clips are known again, whatever they are called."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moodal.core import registry
from moodal.core.bundle import Bundle
from moodal.core.content import HASH_LENGTH, of_bytes, of_file, of_text
from moodal.core.errors import InputError, ModelError
from moodal.core.register import as_array, data_sets, status, statuses, training_clips

MANIFEST = {
    "name": "toy", "version": "1", "kind": "expert", "licence": "Apache-2.0", "commercial": True, "data_terms": "",
    "inputs": ["words.transcript"], "scheme": "ekman8", "calibration": None,
}  # fmt: skip


def bundle(path: Path, arrays: Mapping[str, Any] | None = None, **more: Any) -> Bundle:
    Bundle.write(path, {**MANIFEST, **more}, "# toy", arrays)
    return Bundle.open(path)


def test_content_is_the_first_digits_of_sha256(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"\x00moodal" * 1000)
    told = of_file(tmp_path / "a.bin")
    assert told == hashlib.sha256(b"\x00moodal" * 1000).hexdigest()[:16] == of_bytes(b"\x00moodal" * 1000)
    assert len(told) == HASH_LENGTH


def test_content_of_a_text_forgives_case_blanks_and_compatible_characters() -> None:
    told = of_text("It was fine, really.")
    assert told == of_text("  IT was\u00a0fine,\n really. ") == of_text("It was \ufb01ne, really.")
    assert told != of_text("It was fine really.")
    assert told == hashlib.sha256(b"it was fine, really.").hexdigest()[:16]


def test_content_of_a_folder_is_that_of_its_files_and_names(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / ("x.csv" if name != "c" else "y.csv")).write_text("1,2")
    assert of_file(tmp_path / "a") == of_file(tmp_path / "b") != of_file(tmp_path / "c")
    with pytest.raises(InputError, match="cannot be read"):
        of_file(tmp_path / "nothing")


@pytest.mark.parametrize("form", ["uint64", "text", "bytes"])
def test_listed_clips_are_in_sample_and_others_held_out(tmp_path: Path, form: str) -> None:
    seen, new = of_text("a sentence it was trained on"), of_text("another")
    stored = {"uint64": as_array([seen]), "text": np.array([seen]), "bytes": np.array([seen.encode()])}[form]
    toy = bundle(tmp_path / "toy.bundle", {"training_clips": stored}, data=[{"name": "Toy", "part": "train"}])
    assert training_clips(toy) == {seen}
    assert data_sets(toy) == ("Toy",)
    assert status(toy, seen) == "in-sample"
    assert status(toy, new) == "held-out"
    # The set's name cannot decide what the clip's content does.
    assert status(toy, new, data_set="toy") == "held-out"
    assert status(toy, data_set="TOY") == "unknown"
    assert status(toy, data_set="Other") == "held-out"
    assert statuses(toy, [seen, new, ""]) == {"in-sample": 1, "held-out": 1, "unknown": 1}


def test_what_nobody_wrote_down_is_unknown(tmp_path: Path) -> None:
    silent = bundle(tmp_path / "a.bundle")
    assert status(silent, of_text("x"), data_set="MELD") == "unknown"
    assert status(bundle(tmp_path / "b.bundle", data=[]), of_text("x")) == "held-out"
    named = bundle(tmp_path / "c.bundle", data=["MELD"], training_names=["dia1_utt0"])
    assert status(named, name="dia1_utt0") == "in-sample"
    assert status(named, name="dia2_utt0") == "held-out"


def test_a_fusion_has_seen_what_its_experts_have_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = of_text("seen")
    expert = bundle(tmp_path / "e.bundle", {"training_clips": as_array([seen])}, name="expert", data=["Toy"])
    monkeypatch.setattr(registry, "bundles", lambda: {"expert": expert})
    fusion = bundle(tmp_path / "f.bundle", name="fusion", kind="fusion", data=[], uses=["expert"])
    assert status(fusion, seen) == "in-sample"
    assert status(fusion, of_text("new")) == "held-out"
    lost = bundle(tmp_path / "g.bundle", name="lost", kind="fusion", data=[], uses=["gone"])
    assert status(lost, seen) == "unknown"


def test_damage_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no content hash"):
        as_array(["abc"])
    odd = bundle(tmp_path / "a.bundle", {"training_clips": np.zeros(3)})
    with pytest.raises(ModelError, match="float64"):
        status(odd, of_text("x"))
