"""The ONVIF cameras that answer in this network, and where their streams are."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.errors import FootageError
from app.footage.camera_connection import Allowed
from app.footage.onvif import Profile, profiles
from app.footage.ws_discovery import devices


@dataclass(frozen=True, slots=True)
class Stream:
    """One of a camera's streams."""

    name: str
    url: str  # without a user and a password
    codec: str
    size: str  # WIDTHxHEIGHT, "" where the camera does not tell

    @classmethod
    def of(cls, profile: Profile) -> Stream:
        """As a profile has it."""
        size = f"{profile.width}x{profile.height}" if profile.width and profile.height else ""
        return cls(profile.name, f"{profile.address.base}{profile.address.target}", profile.codec, size)


@dataclass(frozen=True, slots=True)
class Answering:
    """A camera that answered."""

    name: str  # as it calls itself, "" where it doesn't
    host: str
    port: int
    streams: list[Stream] = field(default_factory=list)
    problem: str = ""  # why its streams are not known, a sentence


def answering(user: str | None = None, password: str | None = None, *, seconds: float = 3.0) -> list[Answering]:
    """Listens for so many seconds. With a user, each camera is asked for its streams, too.

    Raises FootageError where there is no network.
    """
    try:
        found = devices(seconds)
    except OSError as error:
        raise FootageError(
            f"This network can't be asked for cameras ({error.strerror}): check that it is up."
        ) from error
    if user is None:
        return [Answering(device.name, device.host, device.port) for device in found]
    cameras = []
    for device in found:
        try:
            streams = [Stream.of(one) for one in profiles(device.host, device.port, user, password, Allowed())]
            cameras.append(Answering(device.name, device.host, device.port, streams))
        except FootageError as error:
            cameras.append(Answering(device.name, device.host, device.port, problem=str(error)))
    return cameras
