"""Where people's feet were, a page of paths at a time, so that a site of any size fits into memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.movement.sizes import Size
from app.movement.stays import Seen
from app.record import Site
from app.record.boxes import boxes_of_many

JOINED = 2.0  # s out of sight at most, between two tracklets of a person whose path goes on
_PAGE_TRACKLETS, _PAGE_SECONDS = 200, 20_000.0  # of a page. It ends with the path in which one of them is reached…
_MOST_TRACKLETS = 10 * _PAGE_TRACKLETS  # …or in the middle of one


@dataclass(frozen=True, eq=False, slots=True)
class Paths:
    """P paths of N points in all, by path and time. Each is of one person in one camera."""

    person: NDArray[np.int64]  # (P,) identities, or true people
    camera: NDArray[np.int64]  # (P,) place among the cameras
    path: NDArray[np.int64]  # (N,) 0…P − 1, rising
    time: NDArray[np.float64]  # (N,) UTC seconds
    feet: NDArray[np.float64]  # (N, 2) the middle of a box's lower edge, in shares of the picture's width and height
    height: NDArray[np.float64]  # (N,) of the box, as a share of the picture's height
    aspect: NDArray[np.float64]  # (N,) the picture's width against its height

    def of_camera(self, camera: int) -> Paths:
        """Those of one camera."""
        kept = self.camera == camera
        if kept.all():
            return self
        points = kept[self.path]
        path = (np.cumsum(kept) - 1)[self.path[points]]
        rows = (self.time[points], self.feet[points], self.height[points], self.aspect[points])
        return Paths(self.person[kept], self.camera[kept], path, *rows)


def paths_in(site: Site, seen: Seen, sizes: Mapping[int, Size]) -> Iterator[Paths]:
    """The paths of all that was seen, by camera and person. sizes: of footage by its number, see `sizes`.

    Tracklets of one person in one camera are one path where the next begins within JOINED seconds of the end of the
    one before. Where they overlap each is a path of its own.
    """
    order = np.lexsort((seen.start, seen.person, seen.camera))
    person, camera, start, end = (getattr(seen, name)[order] for name in ("person", "camera", "start", "end"))
    new = np.ones(len(order), bool)
    gap = start[1:] - end[:-1]
    new[1:] = (person[1:] != person[:-1]) | (camera[1:] != camera[:-1]) | (gap < 0) | (gap > JOINED)
    seconds = np.concatenate([[0.0], np.cumsum(end - start)])
    begin = 0
    for row in range(1, len(order) + 1):
        full = row - begin >= _PAGE_TRACKLETS or seconds[row] - seconds[begin] >= _PAGE_SECONDS
        if row == len(order) or (full and new[row]) or row - begin >= _MOST_TRACKLETS:
            yield _page(site, seen, order[begin:row], new[begin:row], sizes)
            begin = row


def _page(site: Site, seen: Seen, rows: NDArray[np.int64], new: NDArray[np.bool_], sizes: Mapping[int, Size]) -> Paths:
    boxes = boxes_of_many(site.database, seen.ids[rows].tolist())
    new = np.concatenate([[True], new[1:]])
    lengths = np.array([len(piece.frames) for piece in boxes])
    corners = np.concatenate([piece.boxes for piece in boxes]).astype(np.float64)
    size = np.repeat(np.array([sizes[number] for number in seen.footage[rows].tolist()], np.float64), lengths, axis=0)
    return paths_of(
        seen.person[rows][new],
        seen.camera[rows][new],
        np.repeat(np.cumsum(new) - 1, lengths),
        np.concatenate([piece.times for piece in boxes]),
        corners,
        size,
    )


def paths_of(
    person: NDArray[np.int64],
    camera: NDArray[np.int64],
    path: NDArray[np.int64],
    time: NDArray[np.float64],
    boxes: NDArray[np.float64],
    size: NDArray[np.float64],
) -> Paths:
    """Paths of boxes `(N, 4)` px in pictures of `size` `(N, 2)` px, width and height. Feet below the picture are in it.

    person, camera: `(P,)`. path, time: `(N,)`, by path and time.
    """
    feet = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]], 1) / size
    height = np.maximum(boxes[:, 3] - boxes[:, 1], 1.0) / size[:, 1]
    return Paths(person, camera, path, time, np.clip(feet, 0.0, 1.0), height, size[:, 0] / size[:, 1])
