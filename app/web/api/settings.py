"""What the site's administrators have settled, for programs."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field

from app.record.settings import Nightly, SiteSettings, read_settings, write_settings
from app.record.users import Role
from app.web.routes import Routes
from app.web.visit import visit

routes = Routes(prefix="/api/v1")


class NightlyState(BaseModel):
    """What is done once a day."""

    model_config = ConfigDict(extra="forbid")

    at: str | None = Field(None, max_length=5)
    """HH:MM, UTC. Null where nothing is done."""
    merge: bool = True
    adapt: bool = False
    minutes: float = Field(30.0, gt=0, le=24 * 60)
    """Of adapting, at most."""
    retention: bool = True


class Settings(BaseModel):
    """All of them. What is left away is as if nobody had settled it."""

    model_config = ConfigDict(extra="forbid")

    nightly: NightlyState = Field(default_factory=lambda: NightlyState.model_validate({}))
    retention: dict[str, float] = {}
    """Days after which what a camera saw is erased, by its name."""
    positions: dict[str, tuple[float, float]] = {}
    """Where cameras stand on the plan, by their names: metres to the right and up."""
    reason_required: bool = False
    """Whether nobody searches without saying why."""


def get_settings(request: Request) -> Settings:
    """The settings as they now are."""
    return Settings.model_validate(asdict(read_settings(visit(request).site.database)))


def put_settings(request: Request, settings: Settings) -> Settings:
    """Settles all of them."""
    here = visit(request)
    for camera in {*settings.retention, *settings.positions}:
        here.camera(camera)
    new = SiteSettings(
        nightly=Nightly(**settings.nightly.model_dump()),
        retention=settings.retention,
        positions=settings.positions,
        reason_required=settings.reason_required,
    )
    write_settings(here.site.database, new, who=here.who)
    return get_settings(request)


routes.add("/settings", get_settings, Role.ADMIN, whole=True)
routes.add("/settings", put_settings, Role.ADMIN, method="PUT", whole=True)
