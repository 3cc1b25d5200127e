"""An S3 server in a process of its own, reached through another that can be killed and started again.

moto keeps objects in memory. So who kills it kills all pictures, which no store does that is worth its name.
"""

from __future__ import annotations

import logging
import multiprocessing
import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

from moto.server import ThreadedMotoServer

from tests.app.ray_cluster import free_port, kill


class StoreServer:
    """The server, and its front, to which `variables` send all stores."""

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it writes a line a request
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._port = free_port()
        self._process: multiprocessing.process.BaseProcess | None = None

    def __enter__(self) -> Self:
        self._server.start()
        self.start_front()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        kill(self.front)
        self._server.stop()

    @property
    def variables(self) -> dict[str, str]:
        """Of the environment, for all that goes to the store."""
        keys = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "tests")
        return {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._port}", "AWS_DEFAULT_REGION": "us-east-1", **keys}

    @property
    def front(self) -> int:
        """The id of the process that can be killed."""
        assert self._process is not None and self._process.pid is not None
        return self._process.pid

    def start_front(self) -> None:
        """Starts it, unless it runs."""
        if self._process is None or not self._process.is_alive():
            behind = self._server.get_host_and_port()
            context = multiprocessing.get_context("spawn")
            self._process = context.Process(target=_hand_on, args=(self._port, behind), daemon=True)
            self._process.start()
            while True:
                with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=1):
                    return


def _hand_on(port: int, behind: tuple[str, int]) -> None:
    """Passes on what comes to a port, and what is answered."""
    with socket.create_server(("127.0.0.1", port), reuse_port=False) as listening:
        while True:
            client = listening.accept()[0]
            server = socket.create_connection(behind)
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=_pump, args=(source, target), daemon=True).start()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(2**16):
            target.sendall(data)
    for each in (source, target):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
