"""The second distribution: its bundles are found, complete, and refused for commercial use; its licence names each."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from moodal.core import registry
from moodal.core.bundle import Bundle
from moodal.core.errors import ModelError, UsageError
from moodal.core.expert import expert_of

HOME = Path(__file__).parent.parent / "research"
FOLDER = HOME / "src" / "moodal_research"
BUNDLES = [Bundle.open(p) for p in sorted(FOLDER.glob("*.bundle"))]


def test_the_package_names_its_folder_to_moodal() -> None:
    told = tomllib.loads((HOME / "pyproject.toml").read_text())
    assert told["project"]["entry-points"]["moodal.bundles"] == {"research": FOLDER.name}
    assert told["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == [str(FOLDER.relative_to(HOME))]
    assert told["project"]["license-files"] == ["LICENSE"]


def test_every_bundle_stands_in_licence_and_readme_and_forbids_commercial_use() -> None:
    licence, readme = ((HOME / name).read_text() for name in ("LICENSE", "README.md"))
    for bundle in BUNDLES:
        assert bundle.manifest["commercial"] is False, bundle.name
        assert bundle.manifest["data_terms"], bundle.name
        assert bundle.path.name == f"{bundle.name}.bundle"
        assert f"\n{bundle.name}\n" in licence
        assert f"`{bundle.name}`" in readme


def test_every_bundle_that_names_an_encoder_finds_it_beside_itself() -> None:
    for bundle in BUNDLES:
        if bundle.manifest["kind"] != "encoder":
            expert = expert_of(bundle)
            assert [e.path.parent for e in expert.encoders.values()] == [FOLDER] * len(expert.encoders)


def test_the_folder_may_be_empty_and_a_broken_bundle_stops_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = set(registry.bundles())
    (tmp_path / "__init__.py").write_text("")
    monkeypatch.setattr(registry, "bundle_folders", lambda: (registry._BUNDLES, tmp_path))
    assert set(registry.bundles()) <= ours
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "torn.bundle").write_bytes(b"PK\x03\x04 and then nothing")
    monkeypatch.setattr(registry, "bundle_folders", lambda: (registry._BUNDLES, tmp_path / "more"))
    assert {"late-v0", "words-v0"} == set(registry.bundles())
    with pytest.raises(ModelError, match=r"torn\.bundle: is not a readable bundle"):
        registry.find_bundle("torn")
    with pytest.raises(UsageError, match=r"unknown bundle 'word-v0'\. Did you mean words-v0\?"):
        registry.find_bundle("word-v0")


def test_models_list_shows_a_damaged_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from contract import run

    (tmp_path / "torn.bundle").write_bytes(b"nonsense")
    monkeypatch.setattr(registry, "bundle_folders", lambda: (registry._BUNDLES, tmp_path))
    [rows] = run("models", "list", "--json", cwd=tmp_path).rows
    assert next(r for r in rows if r["name"] == "torn")["state"] == "damaged"
    ran = run("models", "list", cwd=tmp_path)
    assert ran.code == 0
    assert "torn" in ran.out
    ran = run("models", "card", "torn", cwd=tmp_path)
    assert (ran.code, len(ran.complaints)) == (2, 1)
