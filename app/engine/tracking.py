"""One footage on its way from detections to finished tracklets: tracker, cutter, crop chooser and their checkpoint."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from app.engine.camera_motion import CameraMotion
from app.engine.crops import CropChooser
from app.engine.looks import describe
from app.footage import Camera, Resume
from app.record.checkpoint import State, pack, unpack
from app.record.rows import Chunk, Crop, FootageRecord
from app.remarks import Remark
from deploy.detectors import Frame
from trackers import make_tracker
from trackers.detections import Detections, whole_pixels
from trackers.segments import SEARCHABLE, Segment
from trackers.tracked import EmbedOnce
from trackers.tracklets import CutRules, TrackletCutter

# Pictures of people `(h, w, 3)` RGB → their embeddings `(n, E)`, rows of length 1.
EmbedPictures = Callable[[Sequence[NDArray[np.uint8]]], NDArray[np.float32]]


class FootageTracker:
    """Follows the people of one footage. Give it every frame in order, and take what is finished with `chunk`."""

    def __init__(
        self,
        camera: Camera,
        record: FootageRecord,
        tracker: str,
        checkpoint: bytes | None = None,
        *,
        embed: EmbedPictures,
        before: bytes | None = None,
        rules: CutRules = CutRules(),
    ) -> None:
        """embed: called for those people at whom tracker or cutter must look. rules: but for the camera's own height.

        before: the checkpoint at the end of footage that this one goes on from. Its tracks do, too.
        """
        if camera.min_height is not None:
            rules = replace(rules, min_height=camera.min_height)
        self._mask_polygons = camera.mask
        self._mask: NDArray[np.uint8] | None = None
        self._tracker, self._embed = make_tracker(tracker), embed
        self._motion = CameraMotion()
        self._first_track = record.first_track
        self._cutter = TrackletCutter(rules, next_number=record.first_segment)
        self._chooser = CropChooser()
        self._finished: list[Segment] = []
        self._crops: dict[int, list[Crop]] = {}
        self._start = record.start
        self.frames, self.source_frames, self.seconds = record.frames, record.source_frames, record.seconds
        self.detections = record.detections
        if checkpoint is not None:
            self._restore(checkpoint)
        elif before is not None:
            _, ended = unpack(before)
            self._tracker.restore(ended.tracker)
            self._motion.restore(ended.motion)

    def take(self, frame: Frame, detections: Detections) -> None:
        """Follows one frame."""
        detections = self._unmasked(detections, frame.image.shape)
        self.detections += len(detections)
        self.frames += 1
        self.source_frames = frame.index + 1
        self.seconds = max(self.seconds, frame.time - self._start)
        embed = EmbedOnce(partial(self._embeddings, frame.image, detections.boxes), len(detections))
        self._motion.update(frame.image)
        in_scene = replace(detections, boxes=self._motion.in_scene(detections.boxes))
        tracked = self._tracker.update(frame.time, in_scene, embed)
        ids = tracked.ids + (self._first_track - 1)
        boxes, scores = detections.boxes[tracked.detection], detections.scores[tracked.detection]
        looks, sharpness = describe(frame.image, boxes)
        placed = self._cutter.update(
            frame.index,
            frame.time,
            ids,
            boxes,
            scores,
            looks,
            embed.of(tracked.detection),
            in_scene.boxes[tracked.detection],
        )
        self._keep(placed.finished)
        kept = placed.keepable
        self._chooser.update(
            frame.image,
            frame.index,
            frame.time,
            placed.segments[kept],
            boxes[kept],
            scores[kept],
            placed.cover[kept],
            sharpness[kept],
        )

    @property
    def has_finished(self) -> bool:
        """Whether somebody searchable left since the last chunk."""
        return bool(self._crops)

    def finish(self) -> None:
        """The footage has no more frames."""
        self._keep(self._cutter.close())

    def chunk(self, resume: Resume | None, problems: Sequence[str], remarks: Sequence[Remark] = ()) -> Chunk:
        """What was finished since the last chunk, and how to go on behind `resume`. Afterwards it is the record's.

        resume: None where the footage ended. Then other footage may go on.
        """
        finished, crops = self._finished, self._crops
        self._finished, self._crops = [], {}
        return Chunk(
            segments=finished,
            crops=crops,
            checkpoint=self._checkpoint(resume),
            source_frames=self.source_frames,
            frames=self.frames,
            detections=self.detections,
            seconds=self.seconds,
            problems=problems,
            remarks=remarks,
        )

    def _embeddings(
        self, image: NDArray[np.uint8], boxes: NDArray[np.float32], places: NDArray[np.intp]
    ) -> NDArray[np.float32]:
        """Embeddings `(K, E)` of some of a frame's boxes."""
        edges = whole_pixels(boxes[places], image.shape)
        return self._embed([image[y1:y2, x1:x2] for x1, y1, x2, y2 in edges])

    def _keep(self, finished: list[Segment]) -> None:
        for segment in finished:
            crops = self._chooser.finish(segment, keep=segment.kind in SEARCHABLE)
            self._finished.append(segment)
            if crops:
                self._crops[segment.number] = crops

    def _unmasked(self, detections: Detections, shape: tuple[int, ...]) -> Detections:
        """Without the people whose feet stand where the camera's mask lies."""
        if not self._mask_polygons or not len(detections):
            return detections
        height, width = shape[:2]
        mask = self._mask
        if mask is None or mask.shape != (height, width):
            self._mask = mask = np.zeros((height, width), np.uint8)
            for polygon in self._mask_polygons:
                corners = np.asarray(polygon, np.float64)
                if corners.max() <= 1:
                    corners = corners * (width, height)
                cv2.fillPoly(mask, [np.rint(corners).astype(np.int32)], 1)
        x = np.clip((detections.boxes[:, 0] + detections.boxes[:, 2]) / 2, 0, width - 1).astype(np.intp)
        y = np.clip(detections.boxes[:, 3], 0, height - 1).astype(np.intp)
        return detections.take(mask[y, x] == 0)

    def _checkpoint(self, resume: Resume | None) -> bytes:
        self._motion.forget()  # so that whoever goes on from here, and this one, tell the same
        state = State(self._tracker.state(), self._cutter.state(), self._chooser.state(), self._motion.state())
        return pack(() if resume is None else dataclasses.astuple(resume), state)

    def _restore(self, checkpoint: bytes) -> None:
        _, state = unpack(checkpoint)
        self._tracker.restore(state.tracker)
        self._cutter.restore(state.cutter)
        self._chooser.restore(state.crops)
        self._motion.restore(state.motion)


def resume_of(checkpoint: bytes | None) -> Resume | None:
    """The frame behind which a checkpoint goes on."""
    return None if checkpoint is None else Resume(*unpack(checkpoint)[0])
