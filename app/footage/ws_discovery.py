"""Which ONVIF cameras answer on this network: WS-Discovery, a question to all and an answer from each.

Answers come from anybody. So they are bounded, parsed without entities, and name a host and a port and nothing else.
"""

from __future__ import annotations

import socket
import time
import uuid
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

GROUP = ("239.255.255.250", 3702)
MOST_DEVICES = 1000
MOST_BYTES = 2**16
AGAIN = 0.5  # s after which the question is repeated, as datagrams get lost
_ADDRESSING = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
_DISCOVERY = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
_PROBE = f"""<?xml version="1.0" encoding="utf-8"?>
<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope" xmlns:a="{_ADDRESSING}" xmlns:d="{_DISCOVERY}"
 xmlns:n="http://www.onvif.org/ver10/network/wsdl"><e:Header><a:MessageID>uuid:{{number}}</a:MessageID>
<a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To><a:Action>{_DISCOVERY}/Probe</a:Action></e:Header>
<e:Body><d:Probe><d:Types>n:NetworkVideoTransmitter</d:Types></d:Probe></e:Body></e:Envelope>"""


@dataclass(frozen=True, slots=True)
class Device:
    """A camera that answered."""

    host: str  # an address
    port: int
    name: str  # as it calls itself, "" where it doesn't


def devices(seconds: float = 3.0, *, group: tuple[str, int] = GROUP) -> list[Device]:
    """Asks, and listens for `seconds`. By host and port, each once. Raises OSError where there is no network."""
    found: dict[tuple[str, int], Device] = {}
    question = _PROBE.format(number=uuid.uuid4()).encode()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
        end, again = time.monotonic() + seconds, time.monotonic()
        while (now := time.monotonic()) < end and len(found) < MOST_DEVICES:
            if now >= again:
                asking.sendto(question, group)
                again = now + AGAIN
            asking.settimeout(max(0.01, min(again, end) - now))
            try:
                answer, (sender, _) = asking.recvfrom(MOST_BYTES)
            except TimeoutError:
                continue
            device = _device(answer, sender)
            if device is not None:
                found.setdefault((device.host, device.port), device)
    return sorted(found.values(), key=lambda device: (device.host, device.port))


def _device(answer: bytes, sender: str) -> Device | None:
    """What an answer says. The host is who sent it, whatever it claims."""
    if b"<!" in answer:
        return None
    try:
        root = ElementTree.fromstring(answer)
    except ElementTree.ParseError:
        return None
    match = root.find(f".//{{{_DISCOVERY}}}ProbeMatch")
    if match is None:
        return None
    for address in (match.findtext(f"{{{_DISCOVERY}}}XAddrs") or "").split():
        try:
            parts = urlsplit(address)
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            continue
        if parts.scheme in ("http", "https") and parts.hostname:
            scopes = (match.findtext(f"{{{_DISCOVERY}}}Scopes") or "").split()
            return Device(sender, port, _name(scopes))
    return None


def _name(scopes: list[str]) -> str:
    for kind in ("name", "hardware"):
        for scope in scopes:
            before, found, name = scope.partition(f"onvif.org/{kind}/")
            if found and before.startswith("onvif:"):
                return "".join(character for character in unquote(name)[:100] if character.isprintable())
    return ""
