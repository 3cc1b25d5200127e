"""Footage is opened and decoded in processes of their own, which may hang, crash or swell. So are live cameras.

One server is started with the first of them. It has imported libav once, has one thread, and forks a worker in moments
for whoever asks. So films whose decoder dies stop no other camera. A worker ends with its caller, and all end with the
server.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import mmap
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from app.errors import FootageError
from deploy.probe import own_memory

PATIENCE = 60.0  # seconds without an answer, while nothing is read either
READS_A_SIZE = 8  # how often all of a film may be read without an answer: to go on in it takes three times
READS_MORE = 2**30  # bytes, beside that
MOST_MEMORY = 2 * 2**30  # bytes of a worker, without what it shares with others. 8K with 16 references takes half
ENDING = 5.0  # seconds in which the system ends a process. It takes longer only where a disk or a driver hangs
SLOTS = 2  # pictures on their way: one is written while the other is copied
_LOOK = 0.5  # seconds between looks at a worker
_PR_SET_PDEATHSIG = 1
# A fork keeps one thread only. And glibc would give a picture's memory back and fetch it again, page by page.
_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_TRIM_THRESHOLD_": str(2**28),
    "MALLOC_MMAP_THRESHOLD_": str(2**25),
}
_SERVER = "import sys, app.footage; from app.footage.apart import _serve; _serve(int(sys.argv[1]))"

Work = Callable[..., Any]  # of a module's top level. A generator's items are answers of their own


class NotYet:
    """Stands for an item that is asked for and has not come."""


class WorkerError(FootageError):
    """What became of a process: it crashed, swelled, or its function raised what it should not."""

    def __init__(self, how: Literal["crash", "swell", "fail"], what: str) -> None:
        super().__init__(how, what)
        self.how, self.what = how, what

    def __str__(self) -> str:
        return self.what


class Worker:
    """A process that calls functions, one after the other. It is started when it is first needed, and again if it died.

    To be used by one thread at a time.
    """

    def __init__(self, patience: float = PATIENCE, most_memory: int = MOST_MEMORY) -> None:
        """Starts nothing yet.

        Args:
            patience: Seconds without an answer of `call` or `stream`, while nothing is read either.
            most_memory: Bytes of the process, without what it shares with others.
        """
        self._patience, self._most_memory = patience, most_memory
        self._item_by_item = self._asked = False
        self._connection: Connection | None = None
        self._memory: int | None = None
        self._map: mmap.mmap | None = None
        self._process = 0
        self._looked = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> bool:
        """Ends the process, whatever it is doing. False where the system has not ended it within ENDING seconds."""
        if self._connection is None:
            return True
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process, signal.SIGKILL)
        gone = not self._process or self._hung_up()
        self._connection.close()
        if self._map is not None:
            self._map.close()
        if self._memory is not None:
            os.close(self._memory)
        self._connection = self._memory = self._map = None
        self._process = 0
        return gone

    def _hung_up(self) -> bool:
        """Waits for the end of the process's connections, this one and all others that it has."""
        assert self._connection is not None
        end = time.monotonic() + ENDING
        with contextlib.suppress(EOFError, OSError):
            while self._connection.poll(max(0.0, end - time.monotonic())):
                self._connection.recv_bytes()
            return False
        return True

    def call(self, path: Path, size: int, function: Work, *arguments: Any) -> Any:
        """What `function` returns.

        Args:
            path: Names the footage in errors.
            size: Its bytes, from which follows how much may be read.
            function: Of a module's top level.
            arguments: Of the function.

        Raises:
            FootageError: The function raised it or anything else, crashed, hung or grew beyond MOST_MEMORY.
        """
        (answer,) = self.stream(path, size, function, *arguments)
        return answer

    def stream(self, path: Path, size: int, function: Work, *arguments: Any) -> Generator[Any, None, None]:
        """What the generator that `function` returns yields. Pictures arrive as copies. Raises as `call` does."""
        done = False
        try:
            if self._connection is None:
                self._start()
            assert self._connection is not None
            self._item_by_item = False
            self._connection.send((function, arguments, False))
            while (answer := self._receive(path, size)) is not None:
                if isinstance(answer, FootageError):
                    done = True
                    raise answer
                if isinstance(answer, str):
                    done = True
                    raise FootageError(f"{path} makes the decoder fail ({answer}): check the file")
                yield answer[0]
            done = True
        except (EOFError, OSError) as error:
            raise FootageError(
                f"{path} makes the decoder crash: convert the file, or leave it out of the footage"
            ) from error
        finally:
            if not done:
                self.close()

    @property
    def process(self) -> int:
        """The process's id, 0 where there is none yet."""
        return self._process

    def begin(self, function: Work, *arguments: Any) -> None:
        """Calls a function that returns a generator, whose items are made one by one as `item` asks for them.

        It waits for nothing, and there is no limit to what such a function reads and for how long. So this is the way
        for streams without end. `close` ends it.

        Raises:
            WorkerError: No process can be started.
        """
        self.close()
        self._item_by_item, self._asked = True, False
        try:
            self._start(wait=False)
            assert self._connection is not None
            self._connection.send((function, arguments, True))
        except OSError as error:
            raise WorkerError("crash", f"No process can be started ({error.strerror}).") from error

    def item(self, wait: float) -> Any:
        """The next item of the generator that began, made no earlier than it is asked for. Pictures arrive as copies.

        Args:
            wait: Seconds. `NotYet` comes after them, and whoever asks again waits for the same item.

        Raises:
            WorkerError: The process crashed, grew beyond its memory, or its function raised or came to its end.
        """
        assert self._connection is not None
        try:
            if not self._process:
                if not self._connection.poll(wait):
                    return NotYet
                self._process = self._connection.recv()
            if not self._asked:
                self._connection.send_bytes(b"")
                self._asked = True
            answered = self._connection.poll(wait)
            if self._swollen():
                raise WorkerError("swell", f"The decoder takes more than {self._gigabytes} GB of memory.")
            if not answered:
                return NotYet
            self._asked = False
            answer = self._unpacked(self._connection.recv())
        except (EOFError, OSError) as error:
            raise WorkerError("crash", "The process crashed.") from error
        if not isinstance(answer, tuple):
            raise WorkerError("fail", "The process came to its end." if answer is None else str(answer))
        return answer[0]

    def _start(self, *, wait: bool = True) -> None:
        ours, theirs = socket.socketpair()
        self._memory = os.memfd_create("frames") if hasattr(os, "memfd_create") else _unnamed_file()
        here = os.open(".", os.O_RDONLY)  # what relative paths begin at: the server may have begun elsewhere
        try:
            with theirs:
                socket.send_fds(_server(), [b"w"], [theirs.fileno(), self._memory, here])
        finally:
            os.close(here)
        self._connection = Connection(ours.detach())
        if wait:
            self._process = self._connection.recv()

    def _receive(self, path: Path, size: int) -> Any:
        """The next answer in a tuple, None after the last, an error, or what other error there was."""
        assert self._connection is not None
        quiet, read_first = time.monotonic(), None
        read_last: int | None = None
        while True:
            answered = self._connection.poll(_LOOK)
            if self._swollen():
                raise FootageError(
                    f"{path} makes the decoder take more than {self._gigabytes} GB of memory: convert the file, or "
                    "leave it out of the footage"
                )
            if answered:
                break
            read = _bytes_read(self._process)
            read_first = read if read_first is None else read_first
            if read != read_last:
                quiet, read_last = time.monotonic(), read
            if time.monotonic() - quiet > self._patience or read - read_first > READS_A_SIZE * size + READS_MORE:
                raise FootageError(f"{path} makes the decoder hang: convert the file, or leave it out of the footage")
        return self._unpacked(self._connection.recv())

    def _swollen(self) -> bool:
        """Whether the process holds more than it may. It is looked at now and then."""
        if time.monotonic() - self._looked < _LOOK:
            return False
        self._looked = time.monotonic()
        return own_memory(self._process) > self._most_memory

    @property
    def _gigabytes(self) -> str:
        return f"{self._most_memory / 2**30:.2g}"

    def _unpacked(self, answer: Any) -> Any:
        if isinstance(answer, tuple) and isinstance(answer[0], _Sent):
            return (self._picture(answer[0]),)
        return answer

    def _picture(self, sent: _Sent) -> tuple[NDArray[np.uint8], Any]:
        assert self._memory is not None and self._connection is not None
        if self._map is None or len(self._map) < sent.end:
            self._map = mmap.mmap(self._memory, sent.end)
        pixels = np.frombuffer(self._map, np.uint8, int(np.prod(sent.shape)), sent.begin).reshape(sent.shape).copy()
        if not self._item_by_item:
            self._connection.send_bytes(b"")  # the slot is free
        return pixels, sent.what


class _Sent:
    """A picture in shared memory, and what goes with it."""

    def __init__(self, shape: tuple[int, ...], begin: int, end: int, what: Any) -> None:
        self.shape, self.begin, self.end, self.what = shape, begin, end, what


class WithPicture:
    """What a generator yields to send a picture through shared memory. It arrives as `(pixels, what)`."""

    def __init__(self, pixels: NDArray[np.uint8], what: Any) -> None:
        self.pixels, self.what = pixels, what


_lock = threading.Lock()
_control: tuple[int, socket.socket, subprocess.Popen[bytes]] | None = None  # of the process with this id


def _server() -> socket.socket:
    global _control
    with _lock:
        if _control is None or _control[0] != os.getpid() or _control[2].poll() is not None:
            ours, theirs = socket.socketpair()
            paths = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
            with theirs:
                server = subprocess.Popen(
                    [sys.executable, "-c", _SERVER, str(theirs.fileno())],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,  # it carries results of ours
                    env={**os.environ, **_ENVIRONMENT, "PYTHONPATH": paths},
                )
            if _control is None:
                atexit.register(_end_server)
            _control = os.getpid(), ours, server
        return _control[1]


def _end_server() -> None:
    if _control is not None and _control[0] == os.getpid():
        _control[1].close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            _control[2].wait(5)


def _unnamed_file() -> int:
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _bytes_read(process: int) -> int:
    """How much a process has read so far. 0 where nobody can tell."""
    try:
        return int(Path(f"/proc/{process}/io").read_text("ascii").split()[1])
    except (OSError, ValueError, IndexError):  # it ended, or this is no Linux
        return 0


def _serve(control: int) -> None:
    """What the server does: forks a worker for each message, until its caller ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the caller hears it, too, and ends us
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # so that none stays as a zombie
    cv2.setNumThreads(1)
    server = os.getpid()
    with socket.socket(fileno=control) as listening:
        while True:
            message, descriptors, _, _ = socket.recv_fds(listening, 1, 3)
            if not message:
                os._exit(0)
            if os.fork() == 0:
                listening.close()
                if sys.platform == "linux":
                    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
                    if os.getppid() != server:  # which ended just before
                        os._exit(0)
                with contextlib.suppress(EOFError, OSError):
                    os.fchdir(descriptors[2])
                    _work(Connection(descriptors[0]), descriptors[1])
                os._exit(0)
            for descriptor in descriptors:
                os.close(descriptor)


def _work(connection: Connection, memory: int) -> None:
    """What a worker does: calls what it is told, until its caller ends."""
    connection.send(os.getpid())
    pictures = _Slots(connection, memory)
    while True:
        function, arguments, asked = connection.recv()
        try:
            answers = function(*arguments)
            if asked:
                answers = _when_asked(connection, pictures, answers)
            for answer in answers if isinstance(answers, Iterator) else (answers,):
                if isinstance(answer, WithPicture):
                    pictures.send(answer)
                else:
                    connection.send((answer,))
            pictures.wait_for_all()
            connection.send(None)
        except (EOFError, ConnectionError):
            return
        except FootageError as error:
            pictures.wait_for_all()
            connection.send(error)
        except Exception as error:  # noqa: BLE001 - libraries raise nearly anything on damaged files
            pictures.wait_for_all()
            connection.send(f"{type(error).__name__}: {error!s:.200}")


def _when_asked(connection: Connection, pictures: _Slots, items: Iterator[Any]) -> Iterator[Any]:
    """Makes each item when the caller asks for it, who has then taken the one before."""
    while True:
        connection.recv_bytes()
        pictures.are_taken()
        try:
            item = next(items)
        except StopIteration:
            return
        yield item


class _Slots:
    """The places in shared memory where pictures wait for the caller."""

    def __init__(self, connection: Connection, memory: int) -> None:
        self._connection, self._memory = connection, memory
        self._map: mmap.mmap | None = None
        self._slot_bytes = 0
        self._sent = self._taken = 0

    def send(self, picture: WithPicture) -> None:
        if self._sent - self._taken == SLOTS:
            self._wait()
        size = picture.pixels.nbytes
        if size > self._slot_bytes:
            self.wait_for_all()
            self._slot_bytes = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
            os.ftruncate(self._memory, SLOTS * self._slot_bytes)
            self._map = mmap.mmap(self._memory, SLOTS * self._slot_bytes)
        assert self._map is not None
        begin = self._sent % SLOTS * self._slot_bytes
        target = np.frombuffer(self._map, np.uint8, size, begin).reshape(picture.pixels.shape)
        np.copyto(target, picture.pixels)
        end = SLOTS * self._slot_bytes
        self._connection.send((_Sent(picture.pixels.shape, begin, end, picture.what),))
        self._sent += 1

    def are_taken(self) -> None:
        """Hears that the caller has copied all pictures sent so far."""
        self._taken = self._sent

    def wait_for_all(self) -> None:
        while self._taken < self._sent:
            self._wait()

    def _wait(self) -> None:
        self._connection.recv_bytes()
        self._taken += 1
