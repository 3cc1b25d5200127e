"""Opening a video file, and nothing but a video file: the one place where untrusted containers meet libav."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import av.logging
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from app.errors import FootageError
from app.footage.clock import LONGEST_GAP, Clock
from app.footage.picture import MOST_PIXELS
from app.footage.programs import programs
from app.remarks import Remark
from trackers.bounded import bounded_number
from trackers.motchallenge import FRAME_RATES

# Demuxers of real containers. What is missing here matters: ffconcat, HLS, DASH, SDP, image2 and lavfi files can name
# other files and hosts. And libav goes by content, so any of them may come along as "evening.mp4".
CONTAINERS = (
    "mov,mp4,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,h264,hevc,flv,asf,ogg,ivf,obu,av1,mjpeg,dhav,mxf,nut,dv"
)
LONGEST = 10 * 366 * 86_400  # seconds. Footage that announces more is not believed
CONTINUED_CLOCK = 60  # seconds. A later first stamp is the clock of a longer recording, not a late first picture
AV_TIME_BASE = 1_000_000  # of container.start_time and container.duration
RAW = {"h264", "hevc", "m4v", "mpegvideo", "obu", "av1"}  # formats whose demuxer says 25, whatever the stream says
NO_FILM = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
SAMPLED = 2**22  # bytes at the beginning of a film, from which the length of the rest is guessed
UNLIKELY = 2  # times longer or shorter than guessed. Such a length is counted in packets
AVFMT_TS_DISCONT = 0x0200  # flag of formats whose clock starts anywhere (MPEG transport and programme streams)

# Of the whole process. Decoders speak of concealed damage only in the log, so errors must be let through to be counted.
av.logging.set_level(av.logging.ERROR)
av.logging.set_skip_repeated(False)


def open_container(path: Path) -> tuple[InputContainer, VideoStream]:
    """Opens the video file `path` and chooses its largest video stream.

    Of streams with equally many pixels, that is the one marked as default, then the first. Cover pictures and
    thumbnails are none. Streams of too many pixels are left aside.

    The path is taken literally, whatever it looks like (`concat:a`, `http:x`, `-i`). No other file is opened on its
    behalf. Decoding is set to one thread, for cameras are decoded side by side. So damage is reported on the calling
    thread with the packet that has it. The same file also always gives the same pictures.

    Raises:
        FootageError: missing, empty, unreadable, not a video, cut off before its index, without video.
    """
    # Deep inside libav a device or a pipe would be waited on for ever.
    if path.exists() and not path.is_file():
        raise FootageError(f"{path} is not a file: give a video file or a folder of them")
    with av.logging.Capture() as log:
        try:
            if path.stat().st_size == 0:
                raise FootageError(f"{path} is empty (0 bytes): copy or export it again")
            container = av.open(
                f"file:{path.absolute()}",
                options={"protocol_whitelist": "file", "format_whitelist": CONTAINERS},
                metadata_errors="replace",
            )
        except (av.FFmpegError, OSError, UnicodeError) as error:
            raise FootageError(_why_not(path, error, [message for _, _, message in log])) from error
    try:
        chosen = _chosen(path, container)
    except FootageError:
        container.close()
        raise
    context = chosen.codec_context
    context.thread_count = 1
    context.options = {"max_pixels": str(MOST_PIXELS)}  # of what comes later in the stream
    return container, chosen


def _chosen(path: Path, container: InputContainer) -> VideoStream:
    films = _films(container)
    if not films:
        raise FootageError(f"{path} has no video stream: only footage with pictures can be read")
    readable = [stream for stream in films if stream.codec_context is not None]
    if not readable:
        raise FootageError(f"{path} has video of a kind that can't be decoded here: convert it to H.264")
    small = [stream for stream in readable if _pixels(stream) <= MOST_PIXELS]
    if not small:
        context = readable[0].codec_context
        raise FootageError(
            f"{path} announces pictures of {context.width} x {context.height} pixels: at most {MOST_PIXELS} are read"
        )
    return max(small, key=lambda stream: (_pixels(stream), bool(stream.disposition & Disposition.default)))


def _films(container: InputContainer) -> list[VideoStream]:
    """The video streams that are no cover pictures and no thumbnails."""
    films = [stream for stream in container.streams.video if not stream.disposition & NO_FILM]
    longer = [stream for stream in films if stream.frames != 1]  # 0 where it is not announced
    return longer or films


def _pixels(stream: VideoStream) -> int:
    context = stream.codec_context
    return 0 if context is None else context.width * context.height


def left_out_streams(path: Path, container: InputContainer, chosen: VideoStream) -> list[Remark]:
    """What is said of the other video streams of an opened file.

    Each programme of a transport stream shows another camera. So do several streams of its largest size, in it or in a
    file without programmes. Smaller ones show the same scene once more.
    """
    if len(container.streams.video) < 2:
        return []
    films = [stream for stream in _films(container) if stream is not chosen]
    cameras = {stream.index for stream in _cameras(container, _programs(path, container))}
    further = sum(stream.index in cameras for stream in films)
    told = (
        (
            "further cameras inside files",
            further,
            "A file holds several video streams of full size, and only one of them is read. Export each camera to a "
            "file of its own.",
        ),
        (
            "smaller video streams inside files",
            len(films) - further,
            "The largest stream was read. The others show the same scene with less detail. Nothing need be done.",
        ),
    )
    return [Remark(what, count, why) for what, count, why in told if count]


def _programs(path: Path, container: InputContainer) -> dict[int, int]:
    """Programme number by stream id, where there are several."""
    try:
        numbers = programs(path) if container.format.name == "mpegts" else {}
    except OSError:
        return {}
    return numbers if len(set(numbers.values())) > 1 else {}


def _cameras(container: InputContainer, numbers: dict[int, int]) -> list[VideoStream]:
    readable = [stream for stream in _films(container) if 0 < _pixels(stream) <= MOST_PIXELS]
    largest: dict[int | None, int] = {}
    for stream in readable:
        number = numbers.get(stream.id)
        largest[number] = max(largest.get(number, 0), _pixels(stream))
    return [stream for stream in readable if _pixels(stream) == largest[numbers.get(stream.id)]]


def _why_not(path: Path, error: Exception, log: Sequence[str]) -> str:
    messages = " ".join(log)
    if isinstance(error, FileNotFoundError):
        return f"{path} does not exist: check the path"
    if isinstance(error, PermissionError):
        return f"{path} may not be read: check its permissions"
    if "moov atom not found" in messages and _begins_like_mp4(path):
        return f"{path} ends before its index (moov): probably cut off while copying; copy or export it again"
    if "not on whitelist" in messages or isinstance(error, av.ArgumentError):
        return (
            f"{path} is not a video container but a playlist, picture or other format: give the video files themselves"
        )
    if isinstance(error, OSError) and not isinstance(error, av.FFmpegError):
        return f"{path} can't be read ({error.strerror}): check the disk"
    return f"{path} is not a video that can be read ({error.args[1] if len(error.args) > 1 else error}): check the file"


def _begins_like_mp4(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(8)[4:] in {b"ftyp", b"mdat", b"free", b"skip", b"wide", b"moov"}


def frame_rate(stream: VideoStream) -> Fraction:
    """Frames a second, on average, as announced. 25 when nothing is, or nothing that can be meant."""
    average = None if stream.container.format.name in RAW else stream.average_rate
    rate = Fraction(average or stream.guessed_rate or stream.base_rate or 25)
    return rate if FRAME_RATES[0] <= rate <= FRAME_RATES[1] else Fraction(25)


def clock_origin(container: InputContainer) -> Fraction:
    """The stamp, in seconds, at which the footage starts.

    That is 0 in most containers, so that a video stream that begins late does begin late. It is the container's first
    stamp where clocks start anywhere (MPEG-TS). So it is where the first stamp is over a minute. Such a file was cut
    out of a longer recording whose clock it kept.
    """
    first = Fraction(container.start_time or 0, AV_TIME_BASE)
    anywhere = bool(container.format.flags & AVFMT_TS_DISCONT)
    return first if anywhere or first > CONTINUED_CLOCK else Fraction(0)


def announced_end(container: InputContainer, stream: VideoStream) -> tuple[Fraction, Fraction] | None:
    """The stamp at which the video should end by the file's own header, and how far off that may be.

    Both are in seconds. None where the header says nothing, as in live recordings. None also where the length is only
    estimated from what is there, which can't tell that something is missing.
    """
    kind = container.format.name
    slack = max(Fraction(1, 2), 2 / frame_rate(stream))
    if kind == "avi" and stream.frames:  # its duration is corrected to the size of the file, its frame count is not
        return stream.frames / frame_rate(stream), slack
    if kind.startswith(("mov", "asf")) and stream.duration and stream.time_base:
        return ((stream.start_time or 0) + stream.duration) * stream.time_base, slack
    tag = stream.metadata.get("DURATION")
    if kind.startswith("matroska") and tag:
        try:
            hours, minutes, seconds = tag.split(":")
            whole = bounded_number(hours, 0, LONGEST // 3600) * 3600 + bounded_number(minutes, 0, 60) * 60
            return whole + bounded_number(seconds, 0, 60), slack
        except ValueError:
            pass
    if kind.startswith(("matroska", "flv")) and container.duration:  # of the longest stream, which may be the sound
        return Fraction(container.duration, AV_TIME_BASE), max(slack, Fraction(2))
    return None


def length_of(container: InputContainer, stream: VideoStream) -> float | None:
    """Seconds from the start of the footage to its end, as announced or estimated. None when unknown or absurd.

    Where clocks may jump, and the size of the file speaks against the length, it is counted in packets.
    """
    announced = announced_end(container, stream)
    if announced is not None:
        seconds = announced[0] - clock_origin(container)
    else:
        seconds = Fraction(container.duration or 0, AV_TIME_BASE)
    kind = container.format.name
    restarts = bool(container.format.flags & AVFMT_TS_DISCONT) or kind == "flv"
    if seconds > 0 and kind != "avi" and (restarts or seconds > LONGEST_GAP):
        seconds = _counted_length(container, seconds)
    return float(seconds) if 0 < seconds <= LONGEST else None


def _counted_length(container: InputContainer, announced: Fraction) -> Fraction:
    """Seconds by the packets' stamps if `announced` is unlikely and the clock jumps, else `announced`."""
    path = Path(container.name.removeprefix("file:"))
    size = container.size
    sampled, sampled_bytes, jumps = _sampled(path, clock_origin(container), SAMPLED)
    if sampled_bytes < SAMPLED:
        return sampled if jumps else announced
    guessed = sampled * size / sampled_bytes
    if guessed / UNLIKELY <= announced <= guessed * UNLIKELY:
        return announced
    counted, _, jumps = _sampled(path, clock_origin(container), size)
    return counted if jumps else announced


def _sampled(path: Path, origin: Fraction, most_bytes: int) -> tuple[Fraction, int, int]:
    """Seconds to the end of the first packets of a film, how many bytes these are, and how often the clock jumps."""
    container, stream = open_container(path)
    clock = Clock(Fraction(stream.time_base or Fraction(1, AV_TIME_BASE)), origin, frame_rate(stream))
    read, duration = 0, None
    delay: int | None = None  # ticks from decoding the first frame to showing it
    with container, av.logging.Capture():
        try:
            for packet in container.demux():
                read += packet.size
                if packet.stream_index == stream.index and packet.size and packet.dts is not None:
                    if delay is None:
                        delay = 0 if packet.pts is None else packet.pts - packet.dts
                    clock.seconds(packet.dts + delay)
                    duration = packet.duration
                if read >= most_bytes:
                    break
            else:
                clock.ends(duration)
        except (av.FFmpegError, OSError):
            pass  # decoding tells of the damage
    return clock.end, read, clock.jumps
