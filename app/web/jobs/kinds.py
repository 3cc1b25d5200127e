"""Kinds of jobs and their options, which are checked when a job is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.learning.methods import MethodName
from app.record.users import Role
from app.search.methods import WithinCamera
from deploy.preprocessing import Input, Scale

VERSION = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"  # how one may be called


class Options(BaseModel):
    """What a job is asked with. Nothing else may stand in it."""

    model_config = ConfigDict(extra="forbid")


class IngestOptions(Options):
    """Which uploaded film is taken in."""

    upload: str
    camera: str
    label: str


class MergeOptions(Options):
    """How tracklets are joined within a camera."""

    method: WithinCamera = WithinCamera.constrained


class AdaptOptions(Options):
    """How a new version is learned, and for how long at most."""

    minutes: float = Field(30.0, ge=0.1, le=24 * 60)
    method: MethodName = MethodName.merged


class UseOptions(Options):
    """Which version is to serve."""

    model: str = Field(max_length=64)


class AddOptions(Options):
    """Which uploaded file becomes a version, and how it wants its pictures: what is not said is found."""

    upload: str
    label: str
    name: str = Field(pattern=VERSION)
    input: Input | None = None
    scale: Scale | None = None
    force: bool = False


class RetentionOptions(Options):
    """The site's settings say it all."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of job."""

    options: type[Options]
    role: Role  # that may ask for it, and cancel it
    title: str


KINDS = {
    "ingest": Kind(IngestOptions, Role.OPERATOR, "Take in footage"),
    "merge": Kind(MergeOptions, Role.OPERATOR, "Merge"),
    "adapt": Kind(AdaptOptions, Role.ADMIN, "Adapt"),
    "models use": Kind(UseOptions, Role.ADMIN, "Let a model serve"),
    "models add": Kind(AddOptions, Role.ADMIN, "Add an encoder"),
    "retention": Kind(RetentionOptions, Role.ADMIN, "Retention"),
}


def kind_of(name: str) -> Kind | None:
    """A kind by its name. None where a newer version of Sightline asked for the job."""
    return KINDS.get(name)


def in_words(kind: str, options: dict[str, Any]) -> str:
    """A job's options, for a line of a list."""
    if kind == "ingest":
        return f"{options.get('label', '')} of {options.get('camera', '')}"
    if kind == "models add":
        return f"{options.get('label', '')} as {options.get('name', '')}"
    return ", ".join(
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in options.items()
    )
