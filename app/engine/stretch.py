"""A live camera's stretch of footage under way: an hour of it, committed as people leave, then the next.

A stretch is footage like any other. It begins with a frame. It ends at the hour, when the camera was away for longer
than tracks live, when somebody draws a mask, or when watching ends. One whose program died is ended by the next: what
was committed stays, and who was in sight at the last commit becomes a tracklet, too.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.encoders.live import LiveEmbedder
from app.engine.tracking import EmbedPictures, FootageTracker
from app.footage import Camera, Footage
from app.record import Site
from app.record.areas import drawn_masks
from app.record.rows import Chunk, FootageRecord, segment_id
from deploy.detectors import Frame
from trackers.detections import Detections
from trackers.tracklets import CutRules

LENGTH = 3600.0  # s
AWAY = 30.0  # s without a frame after which a stretch ends: tracks live for 20
RULES = CutRules(waiting_seconds=4.0)  # half of what footage has: who left is to be found within ten seconds
SOON = 1.0  # s between two commits at least
MASKS = 2.0  # s between two looks whether somebody drew a mask
LATE = 10.0  # s after which is committed what there is, also where nobody left: a death loses no more


@dataclass(frozen=True, slots=True)
class Followed:
    """What live cameras are followed with."""

    settings: Callable[[Camera], dict[str, Any]]  # of all that a camera's tracklets depend on, as plain JSON values
    embed: EmbedPictures
    embedder: LiveEmbedder
    who: str


class LiveStretches:
    """The stretches of one live camera. Its lease is held."""

    def __init__(
        self,
        site: Site,
        camera: Camera,
        source: Path,
        followed: Followed,
    ) -> None:
        """source: where recordings of it lie, or would."""
        self._site, self._described, self._source, self._followed = site, camera, source, followed
        self._camera = self._masked()
        self._looked = time.monotonic()  # whether masks are still the same
        self._record: FootageRecord | None = None
        self._tracker: FootageTracker | None = None
        self._until = 0.0  # UTC seconds: when the stretch ends
        self._latest = 0.0  # time of its last frame
        self._index = 0  # of the next frame
        self._committed = self._taken = 0.0  # by the clock: when it last was committed, and got a frame
        self._waiting: list[tuple[FootageRecord, Chunk, bool]] = []  # what the disk did not take yet
        self.frames = self.tracklets = 0

    def finish_what_was_left(self) -> int:
        """Ends stretches whose program died. Returns how many there were."""
        left = [
            record
            for record in self._site.footage(self._camera.name)
            if record.status in ("running", "new") and record.start_source == "camera"
        ]
        for record in left:
            checkpoint = self._site.intake.checkpoint(record.id)
            if record.status == "new":
                record = self._site.intake.begin(record, self._followed.settings(self._camera))
            self._record, self._tracker = record, self._follow(record, checkpoint)
            self._end()
        return len(left)

    def take(self, frame: Frame, people: Detections) -> None:
        """Follows one frame. Raises StorageError where the disk takes nothing: the same frame is to be given again."""
        self.write()
        if self._tracker is not None and (frame.time >= self._until or frame.time - self._latest > AWAY):
            self._end()
        if self._tracker is None:
            self._begin(frame)
        assert self._tracker is not None
        self._tracker.take(frame._replace(index=self._index), people)
        self._index += 1
        self._latest, self._taken = frame.time, time.monotonic()
        self.frames += 1

    def write(self) -> None:
        """Commits what is due, and what the disk did not take before. Raises StorageError where it still does not."""
        if self._tracker is not None and self._record is not None and not self._waiting:
            if self._has_other_masks():
                self._end()  # the next frame begins a stretch with these
                return
            since = time.monotonic() - self._committed
            if time.monotonic() - self._taken > AWAY:
                self._end()
            elif since >= LATE or (since >= SOON and self._tracker.has_finished):
                self._waiting.append((self._record, self._tracker.chunk(None, ()), False))
                self._committed = time.monotonic()
        self._write_waiting()

    def close(self) -> None:
        """Ends the stretch: who is in sight becomes a tracklet."""
        self._write_waiting()
        if self._tracker is not None:
            self._end()

    def _begin(self, frame: Frame) -> None:
        started = datetime.fromtimestamp(frame.time, UTC)
        name = f"live {started:%Y-%m-%dT%H.%M.%S.%f}Z"
        piece = Footage(self._camera.name, self._source, name, frame.time, "camera", 0, "")
        self._camera = self._masked()
        camera, settings = replace(self._camera, footage=(piece,)), self._followed.settings(self._camera)
        (((record, _),),) = self._site.intake.register([camera], {camera.name: settings}, who=self._followed.who)
        self._record = self._site.intake.begin(record, settings)
        self._tracker = self._follow(self._record, None)
        self._until = (math.floor(frame.time / LENGTH) + 1) * LENGTH
        self._index, self._committed = 0, time.monotonic()

    def _masked(self) -> Camera:
        """The camera, with the masks that people have drawn by now."""
        drawn = drawn_masks(self._site.database, self._described.name)
        return replace(self._described, mask=(*self._described.mask, *drawn))

    def _has_other_masks(self) -> bool:
        """Whether somebody drew a mask, or removed one. That is looked for now and then."""
        if time.monotonic() - self._looked < MASKS:
            return False
        self._looked = time.monotonic()
        return self._masked() != self._camera

    def _follow(self, record: FootageRecord, checkpoint: bytes | None) -> FootageTracker:
        assert record.settings is not None  # it has begun
        return FootageTracker(
            self._camera,
            record,
            record.settings["tracker"],  # of who died, it may have been another
            checkpoint,
            embed=self._followed.embed,
            before=self._site.intake.before(record) if checkpoint is None else None,
            rules=RULES,
        )

    def _end(self) -> None:
        assert self._tracker is not None and self._record is not None
        self._tracker.finish()
        self._waiting.append((self._record, self._tracker.chunk(None, ()), True))
        self._record = self._tracker = None
        self._write_waiting()

    def _write_waiting(self) -> None:
        """Commits in order. What was taken from a tracker is in no other place until the record has it."""
        while self._waiting:
            record, chunk, done = self._waiting[0]
            self._site.intake.commit(record, chunk, done=done)
            self._waiting.pop(0)
            for number, crops in chunk.crops.items():
                tracklet = segment_id(record.camera_id, number)
                self._followed.embedder.take(record.id, tracklet, [crop.jpeg for crop in crops])
                self.tracklets += 1
