"""Free memory goes back to the system, also from between what is in use."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import numpy as np
import pytest

from app.engine.free_memory import give_back
from deploy.probe import own_memory

pytestmark = pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="of glibc alone")


def test_what_was_freed_is_given_back() -> None:
    held = [np.ones(12_500) for _ in range(1000)]  # 100 kB each: too small to be given back one by one
    last = held[-1]  # in use, behind what is free
    full = own_memory(os.getpid())
    held.clear()
    give_back()
    assert own_memory(os.getpid()) < full - 80 * 2**20
    assert last.sum() == 12_500


def test_threads_share_their_memory() -> None:
    """In a process of its own, as it can't be undone: glibc names the arenas that there are."""
    script = """
import ctypes, os, threading
from app.engine.free_memory import keep_together
keep_together()
held, ready = [], threading.Barrier(9)
def work():
    held.append([bytes(5000) for _ in range(100)])
    ready.wait()
for _ in range(8):
    threading.Thread(target=work, daemon=True).start()
ready.wait()
ctypes.CDLL(None).malloc_stats()
os._exit(0)
"""
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stderr
    assert told.count("Arena") == 2
