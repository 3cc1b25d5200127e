"""Opening a live camera for libav, which is given bytes or a door to one session, and no way to anything else."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import av.logging
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.container import InputContainer
from av.video.stream import VideoStream

from app.footage.camera_address import CameraDevice, CameraSource
from app.footage.camera_connection import Allowed
from app.footage.http_stream import MOST_REDIRECTS, HttpStream
from app.footage.outage import CameraError, Why
from app.footage.picture import MOST_PIXELS
from app.footage.rtsp_relay import RtspRelay

# What HTTP may carry. Playlists are none of these: they name other addresses.
OVER_HTTP = "mpjpeg,mjpeg,mpegts,flv,matroska,webm,h264,hevc"
WITHOUT_STAMPS = {"mpjpeg", "mjpeg", "h264", "hevc"}  # formats whose stamps libav makes up
PROBED = 2**20  # bytes at most, to learn size and codec. More would only delay the first picture
PROBED_FOR = 0.5  # s, likewise
# What decodes in hardware, the best first. Each needs a driver beside the library, so trying is the only way to know.
HARDWARE = ("cuda", "vaapi", "videotoolbox", "qsv")
LATER = 1.0  # s that libav waits longer than the relay before it, which knows better what happened
_MICRO = 1_000_000


@dataclass(frozen=True, slots=True)
class OpenedCamera:
    """A stream that is ready to be read."""

    container: InputContainer
    stream: VideoStream
    stamped: bool  # whether its stamps mean anything
    hardware: str | None  # what decodes it, None for this processor
    failure: Callable[[], CameraError | None]  # why the connection ended, once it has
    close: Callable[[], None]


def open_camera(
    source: CameraSource, allowed: Allowed, *, connecting: float, waiting: float, hardware: bool
) -> OpenedCamera:
    """Connects to a camera and learns what it sends.

    Args:
        source: The camera.
        allowed: Where it may be.
        connecting: Seconds to wait for an answer to the connection.
        waiting: Seconds to wait for each further answer.
        hardware: Whether to decode in hardware where there is some.

    Raises:
        CameraError: It can't be opened. The message holds no secret.
    """
    if isinstance(source, CameraDevice):
        return _device(source, waiting)
    if source.scheme.startswith("http"):
        return _http(HttpStream(source, allowed, max(connecting, waiting)), waiting, hardware)
    for _ in range(MOST_REDIRECTS + 1):
        relay = RtspRelay(source, allowed, max(connecting, waiting))
        try:
            return _rtsp(relay, waiting, hardware)
        except (av.FFmpegError, OSError, CameraError) as error:
            relay.close()
            if relay.redirect is not None and relay.redirect.scheme.startswith("rtsp"):
                if relay.redirect.host != source.host:
                    allowed = Allowed(private=allowed.private, loopback=False)
                source = relay.redirect
                continue
            raise relay.failure or _failed(source, error) from None
    raise CameraError(Why.ANSWER, f"{source} sends from one address to the next: give the last one.")


def _rtsp(relay: RtspRelay, waiting: float, hardware: bool) -> OpenedCamera:
    waiting += LATER
    options = {
        "rtsp_transport": "tcp",
        "allowed_media_types": "video",
        "timeout": str(round(waiting * _MICRO)),
        "protocol_whitelist": "rtsp,tcp",
        "format_whitelist": "rtsp,sdp",
        "max_delay": "0",
    }
    container, used = _opened(relay.url, options, waiting, hardware)
    return _ready(container, True, used, lambda: relay.failure, relay.close)


def _http(stream: HttpStream, waiting: float, hardware: bool) -> OpenedCamera:
    options = {"protocol_whitelist": "", "format_whitelist": OVER_HTTP}
    try:
        container, used = _opened(stream, options, waiting, hardware)
        stamped = not set(container.format.name.split(",")) & WITHOUT_STAMPS
        return _ready(container, stamped, used, lambda: None, stream.close)
    except CameraError:
        stream.close()
        raise
    except (av.FFmpegError, OSError) as error:
        stream.close()
        raise _failed(stream.name, error) from None


def _device(device: CameraDevice, waiting: float) -> OpenedCamera:
    path = Path(str(device))
    if not path.exists():
        raise CameraError(Why.MISSING, f"{path} does not exist: plug the camera in, or give another number.")
    try:
        container = av.open(str(path), format="v4l2", options={"protocol_whitelist": "file"}, timeout=waiting)
    except PermissionError:
        raise CameraError(
            Why.FORBIDDEN, f"{path} may not be read: put this program's user into the group video."
        ) from None
    except (av.FFmpegError, OSError) as error:
        raise _failed(device, error) from None
    return _ready(container, True, None, lambda: None, lambda: None)


def _opened(
    where: str | HttpStream, options: dict[str, str], waiting: float, hardware: bool
) -> tuple[InputContainer, str | None]:
    options = options | {"probesize": str(PROBED), "analyzeduration": str(round(PROBED_FOR * _MICRO))}
    used = decoding_hardware() if hardware else None
    accelerated = None if used is None else HWAccel(used, allow_software_fallback=True)
    container = av.open(where, "r", options=options, timeout=waiting, metadata_errors="replace", hwaccel=accelerated)
    return container, used


def _ready(
    container: InputContainer,
    stamped: bool,
    hardware: str | None,
    failure: Callable[[], CameraError | None],
    close: Callable[[], None],
) -> OpenedCamera:
    films = [stream for stream in container.streams.video if stream.codec_context is not None]
    if not films:
        container.close()
        raise CameraError(Why.UNREADABLE, "The camera sends no video that can be decoded here: set it to H.264.")
    stream = max(films, key=lambda film: film.codec_context.width * film.codec_context.height)
    context = stream.codec_context
    if context.width * context.height > MOST_PIXELS:
        container.close()
        raise CameraError(
            Why.UNREADABLE,
            f"The camera announces {context.width} x {context.height} pixels: at most {MOST_PIXELS} are read.",
        )
    context.thread_count = 1  # threads of frames would delay each picture by as many frames
    context.options = {"max_pixels": str(MOST_PIXELS)}

    def closed() -> None:
        # The connection goes first. Closing a container that still reads crashes libav.
        with contextlib.suppress(OSError):
            close()
        container.close()

    return OpenedCamera(container, stream, stamped, hardware if context.is_hwaccel else None, failure, closed)


def decoding_hardware() -> str | None:
    """What decodes in hardware here, None where nothing does or where the library knows none."""
    known = hwdevices_available()
    there = {"cuda": "/dev/nvidia0", "vaapi": "/dev/dri/renderD128", "qsv": "/dev/dri/renderD128"}
    for name in HARDWARE:
        if name in known and Path(there.get(name, "/System/Library")).exists():
            return name
    return None


def _failed(source: CameraSource | str, error: Exception) -> CameraError:
    """What becomes of libav's errors, whose own texts are not shown: they hold addresses."""
    if isinstance(error, TimeoutError | av.ExitError):
        return CameraError(Why.OPENING, f"{source} answers, and no picture comes: restart the camera if it stays so.")
    if isinstance(error, EOFError):
        return CameraError(Why.ENDED, f"{source} ended the stream before its first picture.")
    return CameraError(Why.UNREADABLE, f"{source} sends nothing that can be read as video: check its address's path.")
