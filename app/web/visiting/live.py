"""Live cameras as administrators name them, by a form or a program."""

from __future__ import annotations

import base64
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field

from app.engine.camera_trial import CameraTrial, try_camera
from app.errors import Busy
from app.footage.camera_connection import allowed_for
from app.record.camera_settings import CameraWish, NamedCamera, source_to_try
from app.web.visit import Visit

Text = Annotated[str, Field(max_length=2000)]
Short = Annotated[str, Field(max_length=200)]


def _none_where_empty(value: object) -> object:
    return None if value == "" else value


class Wanted(BaseModel):
    """What is wanted of a live camera. An address, user and password that are left empty stay as they were."""

    address: Text = ""
    user: Short = ""
    password: Short = ""
    no_user: bool = False
    """Takes the user and the password away."""
    device: Annotated[int | None, BeforeValidator(_none_where_empty)] = None
    """The number of a device of the server, in place of an address."""
    fps: Annotated[float | None, BeforeValidator(_none_where_empty)] = None
    record: Short = ""
    record_size: Short = ""
    time_zone: Short = ""
    paused: bool = False

    def wish(self) -> CameraWish:
        """As the record takes it."""
        return CameraWish(**{name: getattr(self, name) for name in Wanted.model_fields})


class Trial(BaseModel):
    """What came of one connection."""

    picture: str | None
    """A JPEG as base64, null where none came."""
    said: str
    """What the camera sends, or why nothing came."""

    @classmethod
    def of(cls, trial: CameraTrial) -> Trial:
        """As it was."""
        return cls(picture=None if trial.jpeg is None else base64.b64encode(trial.jpeg).decode(), said=trial.said)


def as_it_is(camera: NamedCamera, *, paused: bool) -> CameraWish:
    """A wish that changes nothing of a camera but whether it is paused."""
    return CameraWish(
        device=camera.device,
        fps=camera.fps,
        record=camera.record,
        record_size=camera.record_size,
        time_zone=camera.time_zone,
        paused=paused,
    )


def tried(here: Visit, name: str, wanted: Wanted) -> CameraTrial:
    """Connects to a camera once. Raises Busy where somebody else tries one, and as `name_camera` does."""
    source = source_to_try(here.site, name, wanted.wish())
    if not here.opened.trying.acquire(blocking=False):
        raise Busy("Somebody tries a camera just now: wait some seconds, then try again.")
    try:
        return try_camera(here.site, source, allowed_for(source), who=here.who)
    finally:
        here.opened.trying.release()
