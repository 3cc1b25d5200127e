"""An answer that is sent while it is written, whatever its size."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from contextvars import copy_context
from threading import Thread
from typing import BinaryIO

_PIECE = 2**16  # bytes


def piped(work: Callable[[BinaryIO], object]) -> Iterator[bytes]:
    """What work writes into the file that it gets, as it comes, in the session of who asks.

    Returns when the first bytes are there. Where nobody takes them any more, the work ends with a BrokenPipeError at
    its next write. What it raises before its first byte is raised here, and what it raises later breaks the answer off.
    """
    reading, writing = os.pipe()
    raised: list[BaseException] = []

    def run() -> None:
        try:
            with suppress(BrokenPipeError), os.fdopen(writing, "wb") as out:
                work(out)
        except BaseException as error:  # noqa: BLE001 - handed to where the answer is read, which raises it
            raised.append(error)

    thread = Thread(target=copy_context().run, args=(run,), daemon=True)
    source = os.fdopen(reading, "rb", buffering=0)
    thread.start()
    first = source.read(_PIECE)
    if not first:
        thread.join()
        if raised:
            source.close()
            raise raised[0]
    return _rest(first, source, thread, raised)


def _rest(first: bytes, source: BinaryIO, thread: Thread, raised: list[BaseException]) -> Iterator[bytes]:
    with source:
        piece = first
        while piece:
            yield piece
            piece = source.read(_PIECE)
    thread.join()
    if raised:
        raise raised[0]
