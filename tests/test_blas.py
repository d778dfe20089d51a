"""Products of matrices keep to one thread during a measurement, and get their threads back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController

from moodal.core.blas import one_thread


def _threads() -> list[int]:
    np.ones((2, 2)) @ np.ones((2, 2))
    return [pool.num_threads for pool in ThreadpoolController().select(user_api="blas").lib_controllers]


def test_two_at_a_time_share_one_thread_and_the_last_gives_back_what_there_was() -> None:
    before = _threads()
    if not before or max(before) < 2:
        pytest.skip("this NumPy's library of products has no second thread here")
    for _ in range(2):  # not only the first time
        first, second = one_thread(), one_thread()
        with ThreadPoolExecutor(2) as pool:  # each in a thread of its own, and the first one is the first to leave
            pool.submit(first.__enter__).result()
            pool.submit(second.__enter__).result()
            assert set(_threads()) == {1}
            pool.submit(first.__exit__, None, None, None).result()
            assert set(_threads()) == {1}  # the other one is still at work
            pool.submit(second.__exit__, None, None, None).result()
        assert _threads() == before


def test_an_error_within_gives_the_threads_back() -> None:
    before = _threads()
    with pytest.raises(RuntimeError), one_thread():
        raise RuntimeError
    assert _threads() == before
