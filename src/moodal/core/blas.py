"""Products of matrices in one thread while networks have the cores.

NumPy's library starts a thread a core for every product, and lets them wait in a loop: for the small products of an
analysis that takes an eighth more processor time than one thread does, and takes it from the networks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from threadpoolctl import threadpool_limits

__all__ = ["one_thread"]

_lock = Lock()
_users = 0
_limits: threadpool_limits | None = None


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for products of matrices within this, in the whole process; as before once the last one has left."""
    global _users, _limits
    with _lock:
        if not _users:
            _limits = threadpool_limits(1, user_api="blas")
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users and _limits is not None:
                _limits.restore_original_limits()
                _limits = None
