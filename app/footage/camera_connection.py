"""The one way to a camera over the network: its addresses are judged, and the connection goes to one of just these."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from dataclasses import dataclass

from app.footage.addresses import AddressError, NoAddress, connect
from app.footage.camera_address import CameraAddress, CameraDevice, CameraSource
from app.footage.outage import CameraError, Why


@dataclass(frozen=True, slots=True)
class Allowed:
    """Where cameras may be, beside the internet. Link-local, metadata and multicast addresses never are."""

    private: bool = True  # networks
    loopback: bool = True  # this machine itself, where a relay of streams may run


def allowed_for(source: CameraSource) -> Allowed:
    """Where a camera that `site.toml` names may be: on this machine only where its address says just that.

    So a name that led elsewhere when somebody chose it never leads to this machine later.
    """
    if isinstance(source, CameraDevice):
        return Allowed()
    if source.host == "localhost":
        return Allowed()
    try:
        return Allowed(loopback=ipaddress.ip_address(source.host).is_loopback)
    except ValueError:
        return Allowed(loopback=False)


def connected(address: CameraAddress, allowed: Allowed, seconds: float) -> socket.socket:
    """A connection to a camera, by TLS where its scheme says so.

    Cameras on private networks sign their own certificates, so these are not checked. On the internet they are.

    Args:
        address: Of the camera.
        allowed: Where it may be.
        seconds: To wait for an answer, then and with each later call on the socket.

    Raises:
        CameraError: It may not be, or nothing answers.
    """
    try:
        connection = connect(
            address.host, address.port, private=allowed.private, loopback=allowed.loopback, seconds=seconds
        )
    except NoAddress as error:
        raise CameraError(Why.UNREACHABLE, str(error)) from None
    except AddressError as error:
        raise CameraError(Why.FORBIDDEN, str(error)) from None
    except ConnectionRefusedError:
        raise CameraError(
            Why.REFUSED, f"{address.base} refuses connections: check that the camera runs, and its port."
        ) from None
    except (OSError, UnicodeError):
        raise CameraError(
            Why.UNREACHABLE, f"{address.base} does not answer: check the camera's power, cable and address."
        ) from None
    if not address.encrypted:
        return connection
    try:
        return _context(connection).wrap_socket(connection, server_hostname=address.host)
    except ssl.SSLCertVerificationError:
        connection.close()
        raise CameraError(
            Why.FORBIDDEN, f"{address.base} shows a certificate that nobody vouches for: give the camera a valid one."
        ) from None
    except (OSError, ValueError):  # ValueError of a name that can't be one
        connection.close()
        raise CameraError(
            Why.ANSWER, f"{address.base} does not speak TLS: give the scheme and the port that the camera uses."
        ) from None


def _context(connection: socket.socket) -> ssl.SSLContext:
    context = ssl.create_default_context()
    peer = ipaddress.ip_address(str(connection.getpeername()[0]).split("%")[0])
    if not peer.is_global:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
