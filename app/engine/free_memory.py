"""Memory that nobody uses goes back to the system, so that a program that runs for months stays as small as it is."""

from __future__ import annotations

import ctypes

_ARENA_MAX, _MMAP_THRESHOLD = -8, -3  # of mallopt, as glibc's malloc.h has them
_ARENAS = 2  # of the process. glibc would give each thread its own, and what one frees no other could take
_BY_ITSELF = 2**22  # bytes. What is larger is fetched and given back by itself: batches of pictures, not single ones


def keep_together() -> None:
    """Has all threads of this process take memory from the same few places. To be called before there are threads.

    Else large batches and small things that stay lie between each other, and hold more and more free memory apart.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt") and hasattr(library, "malloc_trim"):  # other C libraries have other numbers
        library.mallopt(_ARENA_MAX, _ARENAS)
        library.mallopt(_MMAP_THRESHOLD, _BY_ITSELF)


def give_back() -> None:
    """Gives free memory back, which takes some milliseconds. Nothing is done where the C library has no such call.

    glibc keeps what threads free, up to 64 MB of each thread's: after hours that is more than what is in use.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
