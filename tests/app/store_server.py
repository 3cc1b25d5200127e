"""An S3 server in a process of its own, which can be killed and started again.

It is moto's, which keeps objects in memory. So each request that changes something is written to a file first, and
who starts the server again does all of them once more. Nothing that was answered is lost by a kill.

    python -m tests.app.store_server PORT FILE
"""

from __future__ import annotations

import io
import os
import pickle
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.app.ray_cluster import free_port, kill, state_of

STARTING = 120.0  # s in which it answers
_LENGTH = 8  # bytes before a request that say how long it is
_READING = {"GET", "HEAD", "OPTIONS"}


class StoreServer:
    """The server's process. `variables` send all stores to it."""

    def __init__(self, requests: Path) -> None:
        """requests: the file of all that was asked of it."""
        self._requests, self._port = requests, free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        kill(self.pid)

    @property
    def variables(self) -> dict[str, str]:
        """Of the environment, for all that goes to the store."""
        keys = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "tests")
        return {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._port}", "AWS_DEFAULT_REGION": "us-east-1", **keys}

    @property
    def pid(self) -> int:
        """The id of the process that can be killed."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Starts it, unless it runs. Returns when it answers."""
        words = [sys.executable, "-m", "tests.app.store_server", str(self._port), str(self._requests)]
        limit = time.monotonic() + STARTING
        if self._process is not None and self._process.poll() is None and state_of(self.pid) in "ZX":
            self._process.wait(STARTING)  # killed, but its threads may still hold the port
        while time.monotonic() < limit:
            if self._process is None or self._process.poll() is not None:
                self._process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=1):
                return
            time.sleep(0.05)
        raise RuntimeError(f"The store of {self._requests} does not start.")


class Remembered:
    """moto's application, which does again what was asked of it before. As WSGI has it."""

    def __init__(self, requests: Path) -> None:
        from moto.server import DomainDispatcherApplication, create_backend_app

        self._application: Any = DomainDispatcherApplication(create_backend_app)
        self._lock = threading.Lock()
        self._file = requests.open("a+b")
        self._file.seek(0)
        whole = 0
        while length := int.from_bytes(self._file.read(_LENGTH)):
            if len(request := self._file.read(length)) < length:  # killed while it was written
                break
            words, body = pickle.loads(request)
            list(self._application(_environment(words, body), lambda status, headers, info=None: None))
            whole = self._file.tell()
        self._file.truncate(whole)

    def __call__(self, environment: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answers a request."""
        from werkzeug import Request

        if environment["REQUEST_METHOD"] in _READING:
            return self._application(environment, start_response)
        body = Request(environment).get_data(cache=False)
        words = {name: value for name, value in environment.items() if isinstance(value, str)}
        with self._lock:  # so they are written in the order in which they are done
            request = pickle.dumps((words, body))
            self._file.write(len(request).to_bytes(_LENGTH) + request)
            self._file.flush()
            return self._application(_environment(words, body), start_response)


def _environment(words: dict[str, str], body: bytes) -> dict[str, Any]:
    """A request, as WSGI has it."""
    length = {"CONTENT_LENGTH": str(len(body))} if body else {}
    return {**words, **length, "wsgi.input": io.BytesIO(body), "wsgi.errors": sys.stderr, "wsgi.version": (1, 0)}


def _serve(port: int, requests: Path) -> None:
    from moto.moto_server.werkzeug_app import MotoRequestHandler
    from werkzeug.serving import make_server

    make_server("127.0.0.1", port, Remembered(requests), True, request_handler=MotoRequestHandler).serve_forever()


if __name__ == "__main__":
    os.environ.pop("AWS_ENDPOINT_URL", None)
    _serve(int(sys.argv[1]), Path(sys.argv[2]))
