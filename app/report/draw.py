"""Each camera's video with the boxes and track numbers that the record holds."""

from __future__ import annotations

import colorsys
import time
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from app.errors import SiteError
from app.footage import Camera, discover, open_footage, site_config
from app.record import Site
from app.record.private_files import check_writable, private_file
from app.record.rows import AuditEntry
from reid.foreign import file_names
from trackers.segments import Kind

TICKS = 1000  # a second, of the written video's stamps


def draw_cameras(
    site_path: Path,
    videos: Path,
    folder: Path,
    *,
    who: str,
    start: float | None = None,
    config: Path | None = None,
    pattern: str | None = None,
) -> None:
    """Writes `folder/<camera>.mp4` for each camera of the footage at `videos` that the site has.

    Each is all footage of the camera that the site has, one after the other. Boxes of tracklets are drawn thick, those
    of other pieces of a track (crossings, short pieces) thin. Where there is nothing to draw, there is no file.

    The audit notes that `who` did. Only their owner may read the files. The rest is as for ingest.
    """
    with Site.open_to_write(site_path) as site:
        cameras = discover(videos, site_config(videos, config), start, pattern)
        names = file_names(camera.name for camera in cameras)
        targets = [folder / f"{names[camera.name]}.mp4" for camera in cameras]
        check_writable(*targets)
        site.note(AuditEntry(time.time(), who, "draw", {"cameras": list(names), "to": str(folder)}))
        for camera, target in zip(cameras, targets, strict=True):
            with suppress(_NothingDrawn), private_file(target) as part:
                _draw(site, camera, part)


def check_folder(folder: Path) -> None:
    """Before long work: raises SiteError where `draw_cameras` could not write into a folder."""
    if folder.exists() and not folder.is_dir():
        raise SiteError(f"{folder} is no folder to write videos into: name a new one.")
    check_writable(*folder.glob("*.mp4"))


class _NothingDrawn(Exception):
    """A camera has no frame that the site looked at."""


def _draw(site: Site, camera: Camera, path: Path) -> None:
    records = {record.fingerprint: record for record in site.footage(camera.name)}
    with av.open(str(path), "w", format="mp4") as movie:
        stream, began = None, 0
        for footage in camera.footage:
            record = records.pop(footage.fingerprint, None)
            if record is None or record.settings is None or not record.frames:
                continue
            frames, tracks, thick, boxes = _boxes(site, camera.name, record.id)
            thinning = {key: record.settings[key] for key in ("every", "fps", "begin", "end")}
            with open_footage(footage, **thinning) as decoder:
                last = began
                for frame in decoder:
                    in_frame = slice(*np.searchsorted(frames, [frame.index, frame.index + 1]))
                    draw_boxes(frame.image, boxes[in_frame], tracks[in_frame], thick[in_frame])
                    image = frame.image[: frame.image.shape[0] // 2 * 2, : frame.image.shape[1] // 2 * 2]
                    if stream is None:
                        stream = movie.add_stream("libx264", rate=25, options={"crf": "23", "preset": "veryfast"})
                        stream.width, stream.height, stream.pix_fmt = image.shape[1], image.shape[0], "yuv420p"
                        stream.time_base = stream.codec_context.time_base = Fraction(1, TICKS)
                    elif image.shape[:2] != (stream.height, stream.width):
                        image = np.asarray(cv2.resize(image, (stream.width, stream.height)), np.uint8)
                    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
                    last = max(last + 1, began + round((frame.time - footage.start) * TICKS))
                    picture.pts, picture.time_base = last, Fraction(1, TICKS)
                    movie.mux(stream.encode(picture))
                began = last + 1
        if stream is None:
            raise _NothingDrawn
        movie.mux(stream.encode())


def draw_boxes(
    image: NDArray[np.uint8], boxes: NDArray[np.float32], tracks: NDArray[np.int64], thick: NDArray[np.bool_]
) -> None:
    """Draws boxes `(M, 4)` with their track numbers into an RGB image."""
    for (x1, y1, x2, y2), track, strong in zip(boxes.round().astype(int).tolist(), tracks.tolist(), thick, strict=True):
        hue = track * 0.618034 % 1  # the golden ratio keeps neighbours apart
        red, green, blue = colorsys.hsv_to_rgb(hue, 0.75, 1.0)
        colour = (red * 255, green * 255, blue * 255)
        cv2.rectangle(image, (x1, y1), (x2, y2), colour, 2 if strong else 1)
        (width, height), _ = cv2.getTextSize(str(track), cv2.FONT_HERSHEY_SIMPLEX, 0.45, 1)
        top = max(y1 - height - 5, 0)
        cv2.rectangle(image, (x1, top), (x1 + width + 4, top + height + 5), colour, -1)
        cv2.putText(
            image, str(track), (x1 + 2, top + height + 2), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA
        )


def _boxes(
    site: Site, camera: str, footage: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_], NDArray[np.float32]]:
    """Frames, tracks, whether in a tracklet, and boxes of one footage, ordered by frame."""
    frames, tracks = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    thick, boxes = [np.zeros(0, bool)], [np.zeros((0, 4), np.float32)]
    for segment in site.segments(camera):
        if segment.footage_id != footage:
            continue
        segment_boxes = site.boxes(segment.id)
        frames.append(segment_boxes.frames.astype(np.int64))
        tracks.append(np.full(segment.length, segment.track))
        thick.append(np.full(segment.length, segment.kind == Kind.TRACKLET))
        boxes.append(segment_boxes.boxes)
    order = np.argsort(np.concatenate(frames), kind="stable")
    return (
        np.concatenate(frames)[order],
        np.concatenate(tracks)[order],
        np.concatenate(thick)[order],
        np.concatenate(boxes)[order],
    )
