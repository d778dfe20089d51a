"""Products of matrices in one thread while networks have the cores.

NumPy's library starts a thread a core for every product, and lets them wait in a loop: for the small products of an
analysis that takes an eighth more processor time than one thread does, and takes it from the networks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Lock, Thread

from threadpoolctl import threadpool_limits

__all__ = ["one_thread"]


class _Limit:
    """The limit, kept by a thread of its own.

    `threadpoolctl` lets only the thread that set one change it, and the first of several analyses need not be the last
    to end.
    """

    def __init__(self) -> None:
        self._set, self._over = Event(), Event()
        self._thread = Thread(target=self._keep, daemon=True)
        self._thread.start()
        self._set.wait()

    def _keep(self) -> None:
        try:
            with threadpool_limits(1, user_api="blas"):
                self._set.set()
                self._over.wait()
        finally:
            self._set.set()

    def end(self) -> None:
        """Set back what there was before."""
        self._over.set()
        self._thread.join()


_lock = Lock()
_users = 0
_limit: _Limit | None = None


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for products of matrices within this, in the whole process; as before once the last one has left."""
    global _users, _limit
    with _lock:
        if not _users:
            _limit = _Limit()
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users and _limit is not None:
                _limit.end()
                _limit = None
