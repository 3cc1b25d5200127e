"""What is told of whole processes is true of one that this test starts."""

from __future__ import annotations

import socket
import subprocess
import sys
import time

from bench.processes import cpu_seconds, descendants, remote_ports, resident_memory

WORK = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
    held = bytearray(2**26)
    for number in range(10_000_000):
        pass
    connection.sendall(b"x")
    connection.recv(1)
"""


def test_what_a_process_holds_takes_and_is_connected_to() -> None:
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {WORK!r}, sys.argv[1]])"
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with subprocess.Popen([sys.executable, "-c", parent, str(port)]) as process:
            connection, _ = server.accept()
            with connection:
                connection.recv(1)
                (child,) = descendants(process.pid)
                assert remote_ports(child) == {port} and remote_ports(process.pid) == set()
                assert resident_memory(child) > 2**26 > resident_memory(process.pid) > 0
                assert cpu_seconds(child) > 0.1
    time.sleep(0.1)
    assert (descendants(child), cpu_seconds(child), resident_memory(child), remote_ports(child)) == ([], 0, 0, set())
