"""A site in a browser, and over HTTP for programs."""

from __future__ import annotations

import ipaddress
import logging
import re
import socket
import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.asking import this_user
from app.errors import SiteError
from app.record import Site
from app.record.users import Users
from app.terminal import SITE, JsonOption, SiteOption, errors, output, print_json

if TYPE_CHECKING:
    from app.web.access import Address
    from app.web.jobs.runner import Runner

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")


def command(
    site: SiteOption = SITE,
    host: Annotated[
        str, typer.Option(help="The address to answer at. One that other machines reach demands users.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port, 0 for any that is free.", min=0, max=65535)] = 8080,
    names: Annotated[
        list[str] | None, typer.Option("--name", help="A name under which browsers reach it, too; may be repeated.")
    ] = None,
    certificate: Annotated[Path | None, typer.Option(help="A TLS certificate (PEM), with --key.")] = None,
    key: Annotated[Path | None, typer.Option(help="Its private key (PEM).")] = None,
    proxies: Annotated[
        list[str] | None,
        typer.Option("--proxy", help="The address of a proxy that signs people in; may be repeated."),
    ] = None,
    proxy_header: Annotated[str, typer.Option(help="The header in which that proxy names the user.")] = "Remote-User",
    no_watch: Annotated[
        bool, typer.Option("--no-watch", help="Leave live cameras to `app.watch` elsewhere, also on another machine.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Serve a site to browsers and programs. On this machine, the printed link opens it, once."""
    import uvicorn

    from app.web.access import Access, Proxy
    from app.web.application import make_application, warm_up
    from app.web.watching import Watching

    address = _address("127.0.0.1" if host == "localhost" else host, "--host")
    encrypted = _encrypted(certificate, key)
    proxy = None
    if proxies:
        if not _HEADER.fullmatch(proxy_header):
            raise typer.BadParameter(f"{proxy_header!r} is no header's name.", param_hint="--proxy-header")
        proxy = Proxy(frozenset(_address(one, "--proxy") for one in proxies), proxy_header)
    for name in names or ():
        if not _NAME.fullmatch(name):
            raise typer.BadParameter(f"{name!r} is no name like cameras.example.org.", param_hint="--name")
    with ExitStack() as open_things:
        opened = open_things.enter_context(Site.open_to_write(site))
        users = Users(opened.database)
        _check_reach(address, users, names or [], site)
        listening = open_things.enter_context(_bound(address, port))
        port = listening.getsockname()[1]
        shown = f"[{address}]" if address.version == 6 else str(address)
        reached_as = [shown, *(["localhost"] if address.is_loopback else []), *(names or [])]
        hosts = {f"{name}:{port}" for name in reached_as} | set(names or ())  # without a port, behind a proxy
        access = Access(users, this_user(), proxy=proxy)
        application = make_application(opened, access, hosts)
        base = f"{'https' if encrypted else 'http'}://{names[0] if names and address.is_unspecified else shown}:{port}"
        token = access.new_link() if address.is_loopback else None
        url = f"{base}/enter?token={token}" if token else f"{base}/sign-in"
        if not address.is_loopback and not encrypted and proxy is None:
            errors.print(
                "Passwords and pictures cross the network in plain: give --certificate and --key, or put a proxy with "
                "TLS before it."
            )
        if as_json:
            print_json({"url": url, "token": token})
        else:
            output.print(url, soft_wrap=True)
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        # Its log of requests would hold the link's secret, and who was looked at. The audit has the latter. And who
        # sends a request can't say that it comes from elsewhere.
        config = uvicorn.Config(
            application,
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            lifespan="off",
            **encrypted,
        )
        threading.Thread(target=warm_up, args=(application,), daemon=True).start()
        runner: Runner = application.state.opened.runner
        runner.start()
        open_things.callback(runner.stop)
        if not no_watch:
            watching = Watching(opened.path)
            open_things.callback(watching.stop)
            watching.start()
        alerting = application.state.alerting
        open_things.callback(alerting.stop)
        alerting.start()
        server = uvicorn.Server(config)
        application.state.streams.end_with(lambda: server.should_exit)
        with suppress(KeyboardInterrupt):  # the way to end it
            server.run([listening])


def _address(text: str, option: str) -> Address:
    try:
        return ipaddress.ip_address(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no address like 127.0.0.1.", param_hint=option) from error


def _encrypted(certificate: Path | None, key: Path | None) -> dict[str, Any]:
    """What uvicorn is told of TLS. Raises SiteError where the files can't be used."""
    import ssl

    if certificate is None and key is None:
        return {}
    if certificate is None or key is None:
        raise typer.BadParameter("a certificate and its key go together.", param_hint="--certificate, --key")
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key, password="")
    except (OSError, ssl.SSLError) as error:
        raise SiteError(f"{certificate} and {key} can't be used for TLS ({error.strerror or error}).") from error
    return {"ssl_certfile": certificate, "ssl_keyfile": key}


def _check_reach(address: Address, users: Users, names: list[str], site: Path) -> None:
    if address.is_loopback:
        return
    if not users:
        raise SiteError(
            f"{address} can be reached from other machines, and the site has no users yet who would sign in: run "
            f"`python -m app.users add NAME --role admin --site {site}` first, or leave --host away and reach this "
            "machine by `ssh -L`."
        )
    if address.is_unspecified and not names:
        raise SiteError(
            f"{address} stands for all addresses, and browsers need one: give --name, as --name cameras.example.org "
            "or --name 192.168.1.5."
        )


def _bound(address: Address, port: int) -> socket.socket:
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
