"""The error that says training has seen what it is tested on."""

from __future__ import annotations

from collections.abc import Sequence

from moodal.core.errors import MoodalError

__all__ = ["LeakageError", "rows_named"]


class LeakageError(MoodalError):
    """Something of the test (or validation) part is in training.

    ``key`` names what is shared (``subject``, ``trial``, ``window`` …), ``rows`` are the index's rows
    concerned, counted from 0.
    """

    exit_code = 3

    def __init__(self, what: str, *, where: str = "", fix: str = "", key: str = "", rows: Sequence[int] = ()) -> None:
        self.key, self.rows = key, tuple(int(r) for r in rows)
        super().__init__(what, where=where, fix=fix)


def rows_named(rows: Sequence[int], most: int = 6) -> str:
    """Rows as an error names them, counted from 1 as an editor does: ``rows 3, 8, 12 and 40 more``."""
    shown = ", ".join(str(int(r) + 1) for r in rows[:most])
    rest = len(rows) - most
    return f"row{'s' if len(rows) > 1 else ''} {shown}" + (f" and {rest} more" if rest > 0 else "")
