"""Where this machine may connect to on somebody's word: never to what only machines beside it reach.

Who asks says whether private networks and this machine itself are allowed. Cameras stand on private networks. Alerts
go to machines of the internet, unless an administrator says otherwise.

A name is resolved once. All its addresses are judged, and the connection goes to one of just these. So a name that
resolves otherwise a moment later changes nothing.
"""

from __future__ import annotations

import ipaddress
import socket
import time

from app.errors import SiteError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Where clouds tell a machine its passwords, where it isn't link-local: Amazon, Alibaba, Oracle, Azure.
METADATA = frozenset(map(ipaddress.ip_address, ("fd00:ec2::254", "100.100.100.200", "192.0.0.192", "168.63.129.16")))
_PRIVATE = tuple(
    map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"))
)
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")  # IPv4 behind NAT64, RFC 6052
_NEVER = tuple(
    map(
        ipaddress.ip_network,
        ("0.0.0.0/8", "64:ff9b:1::/48", "::/96", "2002::/16", "2001::/32", "fec0::/10"),
    )
)


class AddressError(SiteError):
    """An address that nothing is sent to. The message holds no secret."""


class NoAddress(AddressError):
    """A name that leads nowhere."""


def judged(address: Address, *, private: bool, loopback: bool = False) -> str | None:
    """Why nothing is sent to an address, None where it may be.

    Args:
        address: Of a machine.
        private: Whether private networks are allowed.
        loopback: Whether this machine itself is.
    """
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped
        if inner is None and address in _TRANSLATED:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is not None:
            return judged(inner, private=private, loopback=loopback)
    if address.is_loopback:
        return None if loopback else "this machine itself"
    if address in METADATA or address.is_link_local:
        return "what only machines beside it reach"
    if address.is_multicast or address.is_unspecified or any(_is_in(address, network) for network in _NEVER):
        return "no single machine"
    if any(_is_in(address, network) for network in _PRIVATE):
        return None if private else "a private network"
    return None if address.is_global else "no place of the internet"


def _is_in(address: Address, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    return address.version == network.version and address in network


def resolved(host: str, port: int, *, private: bool, loopback: bool = False) -> list[tuple[socket.AddressFamily, str]]:
    """All addresses of a name, each of which may be connected to. Raises AddressError, also where only one may not."""
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NoAddress(f"{host} has no address: check how it is written.") from error
    places: dict[tuple[socket.AddressFamily, str], None] = {(kind, str(place[0])): None for kind, *_, place in answers}
    addresses = list(places)
    for _, text in addresses:
        try:
            why = judged(ipaddress.ip_address(text), private=private, loopback=loopback)
        except ValueError:
            why = "no address"
        if why is not None:
            allow = " An administrator can allow private networks." if why == "a private network" else ""
            raise AddressError(f"{host} is {why}: nothing is sent there.{allow}")
    if not addresses:
        raise NoAddress(f"{host} has no address: check how it is written.")
    return addresses


def connect(host: str, port: int, *, private: bool, seconds: float, loopback: bool = False) -> socket.socket:
    """A connection to one of a name's addresses, all of which were judged.

    Args:
        host: A name or an address.
        port: Of TCP.
        private: Whether private networks are allowed.
        seconds: To wait for an answer, then and later.
        loopback: Whether this machine itself is allowed.

    Raises:
        AddressError: It may not be.
        OSError: It can't be.
    """
    addresses = resolved(host, port, private=private, loopback=loopback)
    limit = time.monotonic() + seconds
    for k, (family, address) in enumerate(addresses):
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(max(0.1, limit - time.monotonic()))
            connection.connect((address, port))
            connection.settimeout(seconds)
        except OSError:
            connection.close()
            if k == len(addresses) - 1:
                raise
        else:
            return connection
    raise AssertionError("a name without addresses was refused before")
