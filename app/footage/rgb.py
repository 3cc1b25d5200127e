"""From a decoded frame to RGB pixels: upright, with square pixels, and all of one footage in one size."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, VideoReformatter

from app.footage.deinterlace import deinterlaced
from app.footage.picture import Image, fitted_size, framed, square_size

UPRIGHT = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}


class Rgb:
    """Converts frames of one stream. To be used by one thread."""

    def __init__(self, stored: tuple[int, int] | None, pixel_ratio: Fraction | None) -> None:
        """Takes what the stream announces.

        Args:
            stored: Width and height in its own pixels. None where it says nothing: then each frame keeps its size.
            pixel_ratio: Width over height of a pixel, None for square ones.
        """
        self.size = square_size(*stored, pixel_ratio) if stored else None  # width and height of all images
        self._stored = stored
        self._reformatter = VideoReformatter()

    def image(self, frame: VideoFrame, pixel_ratio: Fraction | None) -> Image:
        """RGB, upright, in the stream's size, whatever the frame's own size and pixel format.

        One swscale pass with a kept context and one thread. On 2 cores that is quicker than a copy to I420 and OpenCV's
        conversion. It knows odd sizes, full range, other matrices and deeper pixels, too.

        Args:
            frame: As the decoder made it.
            pixel_ratio: What the codec says now. It counts for frames of another size than the stream's.
        """
        stored = (frame.width, frame.height)
        size = inner = self.size or stored
        if stored != self._stored:  # only then is the codec's word on pixels this frame's
            inner = fitted_size(square_size(*stored, pixel_ratio), size)
        width, height = stored if frame.interlaced_frame else inner
        picture = self._reformatter.reformat(
            frame,
            width=width,
            height=height,
            format="rgb24",
            src_color_range=frame.color_range if frame.color_range == ColorRange.JPEG else None,
            threads=1,
        )
        # to_ndarray makes a view. Of RGB footage, it would be of a picture that the decoder may still build others on.
        image = np.array(picture.to_ndarray(), np.uint8, order="C", copy=True if picture is frame else None)
        if frame.interlaced_frame:
            image = deinterlaced(image)
            if stored != inner:
                image = np.asarray(cv2.resize(image, inner), np.uint8)
        image = framed(image, size)
        quarter = round(frame.rotation / 90) % 4 * 90
        return np.asarray(cv2.rotate(image, UPRIGHT[quarter]), dtype=np.uint8) if quarter else image
