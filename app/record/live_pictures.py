"""The newest picture of each live camera, for who looks at it: one file a camera, in the site's folder.

A newer picture overwrites the older in its place. So no byte of people who passed stays behind in what the disk has
free. The file is removed when watching ends, and when somebody is erased.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from app.record.private_files import wipe

FOLDER = "live"
_HEAD = struct.Struct("<dIII")  # time, width, height, bytes of the JPEG. Zeros may follow that


@dataclass(frozen=True, slots=True, eq=False)
class LivePicture:
    """What a live camera shows."""

    jpeg: bytes
    width: int  # px of the camera's frames, which may be larger than the picture
    height: int
    time: float  # UTC seconds at which it was taken


def write_live_picture(site: Path, camera: str, picture: LivePicture) -> None:
    """Puts a picture in the place of the one before. Raises OSError where the disk takes nothing."""
    path = _path(site, camera)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        head = _HEAD.pack(picture.time, picture.width, picture.height, len(picture.jpeg))
        data = head + picture.jpeg
        data += bytes(max(0, os.fstat(file).st_size - len(data)))  # nothing of the one before shows behind it
        os.pwrite(file, data, 0)
    finally:
        os.close(file)


def read_live_picture(site: Path, camera: str) -> LivePicture | None:
    """The newest picture, None where there is none."""
    try:
        file = os.open(_path(site, camera), os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH)
        data = os.pread(file, os.fstat(file).st_size, 0)
    finally:
        os.close(file)
    if len(data) < _HEAD.size:
        return None
    time, width, height, length = _HEAD.unpack_from(data)
    jpeg = data[_HEAD.size : _HEAD.size + length]
    return LivePicture(jpeg, width, height, time) if jpeg and len(jpeg) == length else None


def remove_live_picture(site: Path, camera: str) -> None:
    """Overwrites it, then removes it."""
    wipe(_path(site, camera))


def remove_live_pictures(site: Path) -> None:
    """As `remove_live_picture`, of all cameras. One that is watched has the next one in a moment."""
    wipe(site / FOLDER)


def _path(site: Path, camera: str) -> Path:
    return site / FOLDER / hashlib.blake2b(camera.encode(), digest_size=8).hexdigest()
