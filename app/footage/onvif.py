"""What an ONVIF camera offers: its profiles with their sizes and rates, and the address of each one's stream.

The camera's services are asked at the host and port that were judged, whatever addresses it gives for them, and
redirects are not followed. Its stream's addresses are judged when they are connected to.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any

from app.errors import FootageError
from app.footage.addresses import AddressError, resolved
from app.footage.camera_address import CameraAddress, camera_address
from app.footage.camera_connection import Allowed

SECONDS = 15.0  # for all of a camera's answers
MOST_PROFILES = 32
INSTALL = "ONVIF needs another library: run pip install '.[onvif]' in the repository"


@dataclass(frozen=True, slots=True)
class Profile:
    """One of the streams that a camera offers."""

    name: str
    codec: str  # as the camera calls it, "" where it doesn't
    width: int | None
    height: int | None
    rate: float | None  # pictures a second at most
    address: CameraAddress  # without a user and a password

    @property
    def url(self) -> str:
        """What `site.toml` takes, without a user and a password."""
        return self.address.base + self.address.target


def profiles(
    host: str, port: int, user: str | None, password: str | None, allowed: Allowed, seconds: float = SECONDS
) -> list[Profile]:
    """Asks a camera.

    Args:
        host: A name or an address.
        port: Of its ONVIF services, mostly 80.
        user: Of the camera. None asks without, which few cameras answer.
        password: Of the user.
        allowed: Where cameras may be.
        seconds: To wait for all answers together.

    Raises:
        FootageError: It can't be asked, or does not answer as ONVIF says. The message holds no secret.
    """
    try:
        from onvif import ONVIFCamera
    except ImportError:
        raise FootageError(INSTALL) from None
    try:
        ((_, address), *_) = resolved(host, port, private=allowed.private, loopback=allowed.loopback)
    except AddressError as error:
        raise FootageError(str(error)) from None

    async def asked() -> list[Profile]:
        camera = ONVIFCamera(address, port, user, password, no_cache=True, adjust_time=True, nat_override=True)
        try:
            return await asyncio.wait_for(_profiles(camera), seconds)
        finally:
            await camera.close()

    try:
        return asyncio.run(asked())
    except FootageError:
        raise
    except TimeoutError:
        raise FootageError(f"{host}:{port} does not answer as an ONVIF camera within {seconds:g} s") from None
    except Exception as error:  # noqa: BLE001 - the library raises those of four others, whose texts hold anything
        told = f"{type(error).__name__} {error}".lower()
        if "auth" in told or "401" in told:
            raise FootageError(f"{host}:{port} does not take the user and the password: check them") from None
        raise FootageError(f"{host}:{port} does not answer as an ONVIF camera: check that ONVIF is on") from None


async def _profiles(camera: Any) -> list[Profile]:
    _follow_nothing(await camera.create_devicemgmt_service())
    await camera.update_xaddrs()
    media = await camera.create_media_service()
    _follow_nothing(media)
    offered = []
    for profile in list(await media.GetProfiles())[:MOST_PROFILES]:
        setup = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}
        answer = await media.GetStreamUri({"StreamSetup": setup, "ProfileToken": profile.token})
        try:
            there = camera_address(str(answer.Uri))
        except FootageError:
            continue
        video = getattr(profile, "VideoEncoderConfiguration", None)
        size, control = getattr(video, "Resolution", None), getattr(video, "RateControl", None)
        offered.append(
            Profile(
                _text(profile.Name),
                _text(getattr(video, "Encoding", "")),
                getattr(size, "Width", None),
                getattr(size, "Height", None),
                getattr(control, "FrameRateLimit", None),
                replace(there, user=None, password=None),
            )
        )
    return offered


def _follow_nothing(service: Any) -> None:
    """Lets a service's requests end where they were sent to."""
    service.transport.session = _WithoutRedirects(service.transport.session)


class _WithoutRedirects:
    """A session of the library that sends nothing elsewhere."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def post(self, address: str, **options: Any) -> Any:
        return self._session.post(address, **options | {"allow_redirects": False})


def _text(value: object) -> str:
    return "".join(character for character in str(value or "")[:100] if character.isprintable())
