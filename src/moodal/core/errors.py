"""One line for each thing that goes wrong: what, where, what to do."""

from __future__ import annotations

from typing import Any

__all__ = [
    "InputError",
    "MissingExtra",
    "ModelError",
    "MoodalError",
    "OutputError",
    "UsageError",
    "spelt",
]


def spelt(text: str) -> str:
    """Text that UTF-8 can hold: a file's name may hold bytes that are no text, which become ``?``."""
    return text.encode("utf-8", "replace").decode("utf-8")


class MoodalError(Exception):
    """What went wrong, where, and what to do about it, in one line.

    Parameters
    ----------
    what : the fault in plain words ("holds no sound and no picture").
    where : the file, stream, option or model it concerns.
    fix : what the reader can do now.
    """

    exit_code = 2

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        self.what, self.where, self.fix = what, where, fix
        super().__init__(str(self))

    def __str__(self) -> str:
        line = f"{self.where}: {self.what}" if self.where else self.what
        line = f"{line}. {self.fix}" if self.fix else line
        return spelt(" ".join(line.split()))

    def __reduce__(self) -> tuple[Any, ...]:
        # An error may cross from another process: as its parts, for each kind is made from arguments of its own.
        return _remade, (type(self), self.what, self.where, self.fix)


def _remade(kind: type[MoodalError], what: str, where: str, fix: str) -> MoodalError:
    error = kind.__new__(kind)
    MoodalError.__init__(error, what, where=where, fix=fix)
    return error


class InputError(MoodalError):
    """A recording, or a part of one, cannot be read."""


class OutputError(MoodalError):
    """A result cannot be written (read-only folder, full disk)."""


class UsageError(MoodalError):
    """An option, name or argument that moodal does not know."""


class ModelError(MoodalError):
    """A model file is absent, damaged, or not allowed for this use."""


class MissingExtra(MoodalError):
    """A feature needs an optional package."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package}, which is not installed",
            fix=f"Install it with: pip install 'moodal[{extra}]'",
        )
