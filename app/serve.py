"""A site in a browser, and over HTTP for programs."""

from __future__ import annotations

import ipaddress
import logging
import socket
import threading
from contextlib import suppress
from typing import Annotated

import typer

from app.asking import this_user
from app.errors import SiteError
from app.record import Site
from app.terminal import SITE, JsonOption, SiteOption, output, print_json


def command(
    site: SiteOption = SITE,
    host: Annotated[str, typer.Option(help="The address to answer at: a loopback one.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port, 0 for any that is free.", min=0, max=65535)] = 8080,
    as_json: JsonOption = False,
) -> None:
    """Serve a site to a browser on this machine. The link that is printed opens it, once."""
    import uvicorn

    from app.web.access import Access
    from app.web.application import make_application, warm_up

    address = _loopback(host)
    with Site.open_to_write(site) as opened, _bound(address, port) as listening:
        port = listening.getsockname()[1]
        shown = f"[{address}]" if address.version == 6 else str(address)
        access = Access(this_user())
        application = make_application(opened, access, {f"{shown}:{port}", f"localhost:{port}"})
        token = access.new_link()
        url = f"http://{shown}:{port}/enter?token={token}"
        if as_json:
            print_json({"url": url, "token": token})
        else:
            output.print(url, soft_wrap=True)
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        # Its log of requests would hold the link's secret, and who was looked at. The audit has the latter.
        config = uvicorn.Config(application, access_log=False, log_config=None, server_header=False, lifespan="off")
        threading.Thread(target=warm_up, args=(application,), daemon=True).start()
        with suppress(KeyboardInterrupt):  # the way to end it
            uvicorn.Server(config).run([listening])


def _loopback(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError as error:
        raise typer.BadParameter(f"{host!r} is no address like 127.0.0.1.", param_hint="--host") from error
    if not address.is_loopback:
        raise SiteError(
            f"{host} can be reached from other machines, and a site has no users yet who would sign in: leave --host "
            "away, and reach this machine by `ssh -L`."
        )
    return address


def _bound(address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> socket.socket:
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # else answers wait for acknowledgements
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((str(address), port))
        listening.listen()  # so that the link works as soon as it is printed
    except OSError as error:
        listening.close()
        raise SiteError(f"{address} port {port} can't be used ({error.strerror}): give another --port.") from error
    return listening


if __name__ == "__main__":
    from app.terminal import run

    run(command)
