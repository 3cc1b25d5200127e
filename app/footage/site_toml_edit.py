"""`site.toml` with another live camera, and all that a person wrote there as it was: remarks, order, other keys."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from app.errors import SiteConfigError
from app.footage.live_settings import KEYS


def with_camera(path: Path, text: str, name: str, values: Mapping[str, Any]) -> str:
    """The text of `path` in which a camera's keys have these values. A key with None leaves.

    Raises SiteConfigError where the text is written so that it can't be changed here.
    """
    wanted = tomllib.loads(text)
    _change(wanted, name, values)
    for changed in (_in_its_place, _at_the_end):
        with suppress(TOMLKitError, LookupError, ValueError, TypeError, RecursionError):
            new = changed(text, name, values)
            if tomllib.loads(new) == wanted:
                return new
    raise SiteConfigError(f"{path} is written so that it can't be changed from here: change it by hand.")


def without_live(path: Path, text: str, name: str) -> str:
    """The text without what makes a camera a live one, and without its table where nothing else is in that.

    Raises as `with_camera`.
    """
    return with_camera(path, text, name, dict.fromkeys(sorted(KEYS)))


def _change(document: Any, name: str, values: Mapping[str, Any]) -> None:
    """Changes a document in its place, whichever library read it."""
    new = {key: value for key, value in values.items() if value is not None}
    cameras = document.get("cameras", {})
    if name not in cameras:
        if new:
            document.setdefault("cameras", {})[name] = new
        return
    camera = cameras[name]
    for key in values:
        if key in new:
            camera[key] = new[key]
        elif key in camera:
            del camera[key]
    if not camera:
        del cameras[name]
    if not cameras:
        del document["cameras"]


def _in_its_place(text: str, name: str, values: Mapping[str, Any]) -> str:
    document = tomlkit.parse(text)
    _change(document, name, values)
    return tomlkit.dumps(document)


def _at_the_end(text: str, name: str, values: Mapping[str, Any]) -> str:
    """A new camera below all others, where tables stand in an order that the library can't add to."""
    new = {key: value for key, value in values.items() if value is not None}
    return f"{text.rstrip()}\n\n{tomlkit.dumps({'cameras': {name: new}})}"
