"""Products of matrices keep to one thread during a measurement, and get their threads back."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController

from moodal.core.blas import one_thread


def _threads() -> list[int]:
    np.ones((2, 2)) @ np.ones((2, 2))
    return [pool.num_threads for pool in ThreadpoolController().select(user_api="blas").lib_controllers]


def test_two_at_a_time_share_one_thread_and_the_last_gives_back_what_there_was() -> None:
    with ThreadpoolController().select(user_api="blas").limit(limits=2):
        before = _threads()
        if before != [2] * len(before) or not before:
            pytest.skip("this NumPy's library of products has no threads to limit")
        first, second = one_thread(), one_thread()
        first.__enter__()
        second.__enter__()
        assert set(_threads()) == {1}
        first.__exit__(None, None, None)
        assert set(_threads()) == {1}  # the other one is still at work
        second.__exit__(None, None, None)
        assert _threads() == before


def test_an_error_within_gives_the_threads_back() -> None:
    before = _threads()
    with pytest.raises(RuntimeError), one_thread():
        raise RuntimeError
    assert _threads() == before
