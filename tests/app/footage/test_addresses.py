"""Nothing is sent to what only machines beside it reach, to this one unasked, or to where a name leads later."""

from __future__ import annotations

import ipaddress
import socket

import pytest

from app.footage import addresses
from app.footage.addresses import AddressError, connect, judged, resolved

NEVER = (
    "127.0.0.1",
    "127.1.2.3",
    "0.0.0.0",
    "0.1.2.3",
    "169.254.169.254",
    "169.254.0.1",
    "224.0.0.1",
    "239.255.255.250",
    "255.255.255.255",
    "240.0.0.1",
    "192.0.0.192",
    "168.63.129.16",
    "100.100.100.200",
    "198.18.0.1",
    "192.0.2.1",
    "::1",
    "::",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0.0.0.0",
    "fe80::1",
    "fe80::1%eth0",
    "ff02::1",
    "fec0::1",
    "fd00:ec2::254",
    "2002:7f00:1::",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2001:0:1::1",
    "2001:db8::1",
)
PRIVATE = (
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "fd12::1",
    "::ffff:10.0.0.1",
    "64:ff9b::a00:1",
)
PUBLIC = ["8.8.8.8", "1.1.1.1", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize("text", NEVER)
def test_never(text: str) -> None:
    assert judged(ipaddress.ip_address(text), private=False)
    assert judged(ipaddress.ip_address(text), private=True)


def test_this_machine_where_it_is_allowed() -> None:
    for text in ("127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"):
        assert judged(ipaddress.ip_address(text), private=False, loopback=True) is None
    for text in ("169.254.169.254", "::ffff:169.254.169.254", "0.0.0.0", "::", "224.0.0.1", "fd00:ec2::254"):
        assert judged(ipaddress.ip_address(text), private=True, loopback=True)
    assert resolved("localhost", 80, private=False, loopback=True)


@pytest.mark.parametrize("text", PRIVATE)
def test_private_networks_only_where_they_are_allowed(text: str) -> None:
    assert judged(ipaddress.ip_address(text), private=False) == "a private network"
    assert judged(ipaddress.ip_address(text), private=True) is None


@pytest.mark.parametrize("text", PUBLIC)
def test_the_internet(text: str) -> None:
    assert judged(ipaddress.ip_address(text), private=False) is None


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "localhost", "0", "::1", "0x7f.1"])
def test_other_ways_to_write_this_machine(host: str) -> None:
    with pytest.raises(AddressError):
        resolved(host, 80, private=True)


@pytest.mark.parametrize("host", ["nowhere.invalid", "a" * 300, "x..y", "\udcff"])
def test_no_name(host: str) -> None:
    with pytest.raises(AddressError, match="has no address"):
        resolved(host, 80, private=True)


class Names:
    """Answers with another address each time."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)

    def __call__(self, host: str, port: int, **_: object) -> list:
        return [
            (socket.AF_INET6 if ":" in text else socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, port))
            for text in self.answers.pop(0)
        ]


def test_a_name_that_leads_elsewhere_a_moment_later(monkeypatch: pytest.MonkeyPatch) -> None:
    names, reached = Names(["93.184.216.34"], ["127.0.0.1"]), []
    monkeypatch.setattr(socket, "getaddrinfo", names)
    monkeypatch.setattr(socket.socket, "connect", lambda self, place: reached.append(place))
    connect("rebinding.example", 443, private=False, seconds=1.0).close()
    assert reached == [("93.184.216.34", 443)] and len(names.answers) == 1
    with pytest.raises(AddressError, match="this machine itself"):
        connect("rebinding.example", 443, private=False, seconds=1.0)
    assert len(reached) == 1


def test_one_bad_address_of_several_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", Names(["8.8.8.8", "10.0.0.1"]))
    with pytest.raises(AddressError, match="a private network"):
        resolved("mixed.example", 80, private=False)
    monkeypatch.setattr(socket, "getaddrinfo", Names([]))
    with pytest.raises(AddressError, match="has no address"):
        resolved("empty.example", 80, private=False)


def test_the_next_address_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    reached = []

    def connects(self: socket.socket, place: tuple) -> None:
        reached.append(place[0])
        if place[0] == "8.8.8.8":
            raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", connects)
    monkeypatch.setattr(addresses.socket, "getaddrinfo", Names(["8.8.8.8", "1.1.1.1"], ["8.8.8.8"]))
    connect("two.example", 80, private=False, seconds=1.0).close()
    assert reached == ["8.8.8.8", "1.1.1.1"]
    with pytest.raises(ConnectionRefusedError):
        connect("one.example", 80, private=False, seconds=1.0)
