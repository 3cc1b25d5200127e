"""What the page and the API of models do alike."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form

from app.encoders.brought import NAME, OF_ADAPT
from app.engine.uploaded import take_encoder
from app.record.jobs import Job
from app.record.uploads import Uploads
from app.web.errors import Refused
from app.web.jobs.kinds import VERSION, AddOptions
from app.web.visit import Visit
from app.web.visiting.uploads import encoder_wish
from deploy.models import BASE
from deploy.preprocessing import Input, Scale


def wanted(
    name: Annotated[str, Form(pattern=VERSION)],
    input: Annotated[Input | None, Form()] = None,
    scale: Annotated[Scale | None, Form()] = None,
    force: Annotated[bool, Form()] = False,
) -> AddOptions:
    """What a form says of an encoder beside its file."""
    return AddOptions(upload="", label="", name=name, input=input, scale=scale, force=force)


def add_encoder(here: Visit, data: bytes, label: str, asked: AddOptions) -> Job:
    """Keeps an encoder's file and asks for a job that makes it a version. Raises Refused or SiteError.

    Nobody opens the file here: its job does, in a process of its own.
    """
    if not NAME.fullmatch(asked.name) or OF_ADAPT.fullmatch(asked.name) or asked.name.lower() == BASE:
        raise Refused(422, "This can't be a version's name", f"{BASE}, v1, v2, … are given by Sightline.")
    uploads = Uploads(here.site.path)
    upload = uploads.begin(encoder_wish(label, len(data)), who=here.who)
    uploads.append(upload, 0, data)
    options = asked.model_dump(exclude={"upload", "label"})
    job = take_encoder(here.site, upload, options, who=here.who)
    here.opened.runner.look()
    return job
