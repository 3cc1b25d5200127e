"""What each detected person looks like, roughly and fast: enough to notice that a track jumped to somebody else."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from reid.normalised import normalised
from trackers.detections import whole_pixels

_WIDTH, _HEIGHT = 48, 96  # px every crop is brought to
_BINS = 12  # a channel
_STRIPES = 3  # head and shoulders, trunk, legs
_CHROMA = 48  # Lab a and b are histogrammed over ±48: clothes are rarely more colourful


def describe(image: NDArray[np.uint8], boxes: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Appearance and sharpness of the people in `boxes` `(M, 4)` of an RGB image.

    Appearance is `(M, 108)` L2-normalised square roots of Lab histograms in three stripes. So a dot product is the
    Bhattacharyya similarity. Sharpness is `(M,)`, the variance of the Laplacian at 48 × 96 px (larger is sharper).
    """
    count = len(boxes)
    if not count:
        return np.zeros((0, 3 * _STRIPES * _BINS), np.float32), np.zeros(0, np.float32)
    patches = np.empty((count, _HEIGHT, _WIDTH, 3), np.uint8)
    for patch, (x1, y1, x2, y2) in zip(patches, whole_pixels(boxes, image.shape), strict=True):
        cv2.resize(image[y1:y2, x1:x2], (_WIDTH, _HEIGHT), dst=patch, interpolation=cv2.INTER_LINEAR)
    stack = patches.reshape(count * _HEIGHT, _WIDTH, 3)

    edges = cv2.Laplacian(np.ascontiguousarray(stack[:, :, 1]), cv2.CV_16S).reshape(count, _HEIGHT, _WIDTH)
    sharpness = edges[:, 1:-1, 1:-1].reshape(count, -1).var(axis=1, dtype=np.float32)  # without the seams of the stack

    small = cv2.resize(stack, (_WIDTH // 3, count * _HEIGHT // 2), interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB)[:, 3:-3].astype(np.int32)  # the middle: least background
    lab[..., 0] = lab[..., 0] * _BINS // 256
    lab[..., 1:] = np.clip((lab[..., 1:] - 128 + _CHROMA) * _BINS // (2 * _CHROMA), 0, _BINS - 1)
    cells = lab.reshape(count * _STRIPES, -1, 3) + np.arange(3) * _BINS  # each channel has bins of its own
    cells += (np.arange(count * _STRIPES) * 3 * _BINS)[:, None, None]
    histograms = np.bincount(cells.ravel(), minlength=count * _STRIPES * 3 * _BINS).astype(np.float32)
    histograms = histograms.reshape(-1, _BINS)
    smooth = np.pad(histograms, ((0, 0), (1, 1)), mode="edge")  # so that a bin's border is no cliff
    histograms = 0.25 * smooth[:, :-2] + 0.5 * histograms + 0.25 * smooth[:, 2:]
    looks = np.sqrt(histograms.reshape(count, -1))
    return normalised(looks), sharpness
