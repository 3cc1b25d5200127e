"""Whether the server in this container answers, by TLS or without: exit code 0 or 1."""

from __future__ import annotations

import http.client
import ssl
import sys

ADDRESS = "0.0.0.0"  # as the image serves. On Linux it leads to this machine, and it is a name that the server knows
SECONDS = 4.0


def answers(port: int) -> bool:
    """Asks /healthz. The certificate is another name's, and nothing secret is sent."""
    unverified = ssl.create_default_context()
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    for connection in (
        http.client.HTTPConnection(ADDRESS, port, timeout=SECONDS),
        http.client.HTTPSConnection(ADDRESS, port, timeout=SECONDS, context=unverified),
    ):
        try:
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                return True
        except (OSError, http.client.HTTPException):
            continue
        finally:
            connection.close()
    return False


if __name__ == "__main__":
    sys.exit(0 if answers(int(sys.argv[1])) else 1)
