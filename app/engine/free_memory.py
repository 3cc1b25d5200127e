"""Memory that nobody uses goes back to the system, so that a program that runs for months stays as small as it is."""

from __future__ import annotations

import ctypes


def give_back() -> None:
    """Gives free memory back, which takes some milliseconds. Nothing is done where the C library has no such call.

    glibc keeps what threads free, up to 64 MB of each thread's: after hours that is more than what is in use.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
