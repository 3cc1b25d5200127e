"""Free memory goes back to the system, also from between what is in use."""

from __future__ import annotations

import ctypes
import os

import numpy as np
import pytest

from app.engine.free_memory import give_back
from deploy.probe import own_memory


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="of glibc alone")
def test_what_was_freed_is_given_back() -> None:
    held = [np.ones(12_500) for _ in range(1000)]  # 100 kB each: too small to be given back one by one
    last = held[-1]  # in use, behind what is free
    full = own_memory(os.getpid())
    held.clear()
    give_back()
    assert own_memory(os.getpid()) < full - 80 * 2**20
    assert last.sum() == 12_500
