"""The manifest says everything a user must know of each file, and the commercial gate believes it."""

from __future__ import annotations

import re
import socket
from typing import Any

import pytest

from moodal import weights
from moodal.core.errors import ModelError, UsageError
from moodal.weights import manifest

NAMES = [e.name for e in weights.entries()]


def test_every_name_that_extractors_use_is_there_once() -> None:
    assert len(NAMES) == len(set(NAMES))
    assert {
        "face-detector-short", "face-detector-full", "face-landmarks", "face-blendshapes", "pose-detector",
        "pose-landmarks", "palm-detector", "hand-landmarks", "silero-vad", "whisper-tiny.en", "demo-portrait",
        "demo-speech",
    } == set(NAMES)  # fmt: skip


@pytest.mark.parametrize("model", weights.entries(), ids=NAMES)
def test_an_entry_is_complete(model: weights.Entry) -> None:
    assert model.commercial in {"yes", "no", "unclear"}
    assert model.official.startswith("https://")
    assert model.package in manifest.packages()
    for field in ("version", "licence", "licence_source", "data_terms", "reads", "says", "what_for", "use"):
        assert getattr(model, field).strip(), field
    for member in model.members:
        assert re.fullmatch(r"[0-9a-f]{64}", member.sha256)
        assert member.bytes > 0
        assert "/" not in member.file
    assert len(model.members) == 1 or model.folder, "several files need a folder"


def test_files_of_different_models_do_not_share_a_place() -> None:
    places = [(e.folder, m.file) for e in weights.entries() for m in e.members]
    assert len(places) == len(set(places))


@pytest.mark.parametrize("package", manifest.packages().values(), ids=lambda p: p.name)
def test_a_package_is_pinned_and_its_tags_are_complete(package: manifest.Package) -> None:
    assert re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9.]*", package.requirement)
    assert package.bytes > 0
    # pip refuses --platform without a way to know that nothing must be built; tags come in pairs.
    assert len(package.tags) % 2 == 0
    assert set(package.tags[::2]) <= {"--python-version", "--implementation", "--abi", "--platform"}


def test_addresses_that_can_change_are_pinned_to_a_revision() -> None:
    for model in weights.entries():
        assert "/main/" not in model.official
        assert "/master/" not in model.official
        if "mediapipe-assets" in model.official:
            assert "?generation=" in model.official


def test_rows_of_json_carry_licence_terms_and_hashes() -> None:
    row = weights.entry("whisper-tiny.en").as_dict()
    assert {"name", "version", "licence", "licence_source", "commercial", "data_terms", "official", "package"} <= set(
        row
    )
    assert row["bytes"] == sum(f["bytes"] for f in row["files"])
    assert len(row["files"]) == 4
    assert row["commercial"] is True


def test_an_unknown_name_is_one_line_that_lists_the_known() -> None:
    with pytest.raises(UsageError, match=r"unknown model 'smile'.*face-landmarks"):
        weights.entry("smile")


def test_commercial_use_is_refused_unless_clearly_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    weights.require_commercial(["face-landmarks", "silero-vad", "whisper-tiny.en"])
    real = manifest.entry

    def other(name: str) -> weights.Entry:
        terms = {"face-landmarks": "no", "silero-vad": "unclear"}
        return replace(real(name), commercial=terms.get(name, "yes"))

    monkeypatch.setattr(manifest, "entry", other)
    with pytest.raises(ModelError) as refused:
        weights.require_commercial(["face-landmarks", "silero-vad", "face-blendshapes"])
    line = str(refused.value)
    assert "face-landmarks" in line
    assert "silero-vad" in line
    assert "face-blendshapes" not in line
    assert "--only" in line


def test_a_file_whose_terms_nobody_states_is_not_called_commercial() -> None:
    speech = weights.entry("demo-speech")
    assert speech.commercial == "unclear"
    assert speech.as_model()["commercial"] is False
    with pytest.raises(ModelError, match="demo-speech"):
        weights.require_commercial(["demo-speech"])


def test_paths_and_rows_never_touch_the_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr("subprocess.Popen", refuse)
    monkeypatch.setenv("MOODAL_HOME", str(tmp_path))
    for model in weights.entries():
        with pytest.raises(ModelError, match="Run: moodal models pull"):
            weights.path(model.name)
        assert model.as_dict()
        assert weights.state(model) == "missing"


def test_finding_files_does_not_bring_the_network_along() -> None:
    import subprocess
    import sys

    heavy = ("urllib.request", "http.client", "ssl", "subprocess", "zipfile", "onnxruntime", "ai_edge_litert", "rich")
    code = f"""
import sys
from moodal import weights
weights.entries(), weights.state(weights.entry("silero-vad"))
print([m for m in {heavy!r} if m in sys.modules])
weights.pull
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
