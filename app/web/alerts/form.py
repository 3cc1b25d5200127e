"""Where alerts are taken, as an administrator enters it: checked before it is kept, secrets left as they were."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, Field

from app.errors import SiteError
from app.footage.addresses import resolved
from app.record.alert_settings import AlertSettings
from app.web.alerts.webhook import target_of

SHORTEST_SECRET = 16  # characters
_LOCAL = ("localhost", "127.0.0.1", "::1")
_HOST = re.compile(r"[A-Za-z0-9:]([A-Za-z0-9._:-]{0,252}[A-Za-z0-9])?")
_PREFIX = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+){0,5}")

Text = Annotated[str, Field(max_length=2000)]


class Wanted(BaseModel):
    """Where alerts are to be taken. A secret that is left empty stays as it was, and goes with its place."""

    address: Text = ""
    no_webhook: bool = False
    webhook_url: Text = ""
    webhook_secret: Text = ""
    webhook_private: bool = False
    webhook_picture: bool = False
    mqtt_host: Text = ""
    mqtt_port: int = Field(default=8883, ge=1, le=65535)
    mqtt_tls: bool = False
    mqtt_user: Text = ""
    mqtt_password: Text = ""
    mqtt_prefix: Text = "homeassistant"


class Shown(BaseModel):
    """Where alerts are taken, without any secret. Of a webhook's address only the host is shown."""

    address: str
    webhook: str
    webhook_private: bool
    webhook_picture: bool
    mqtt_host: str
    mqtt_port: int
    mqtt_tls: bool
    mqtt_user: str
    mqtt_has_password: bool
    mqtt_prefix: str
    problems: dict[str, str]
    """What is wrong with a place, by its name. Empty where all is well."""


def shown(settings: AlertSettings, problems: dict[str, str]) -> Shown:
    """The settings as anybody may see them."""
    same = {name: getattr(settings, name) for name in Shown.model_fields if hasattr(settings, name)}
    webhook = target_of(settings.webhook_url).shown if settings.webhook_url else ""
    return Shown(webhook=webhook, mqtt_has_password=bool(settings.mqtt_password), problems=problems, **same)


def checked(wanted: Wanted, before: AlertSettings) -> AlertSettings:
    """New settings. Raises SiteError for what can't be used, in a sentence without secrets."""
    new = replace(
        before,
        address=wanted.address.strip().rstrip("/"),
        webhook_url="" if wanted.no_webhook else wanted.webhook_url.strip() or before.webhook_url,
        webhook_secret="" if wanted.no_webhook else wanted.webhook_secret or before.webhook_secret,
        webhook_private=wanted.webhook_private and not wanted.no_webhook,
        webhook_picture=wanted.webhook_picture and not wanted.no_webhook,
        mqtt_host=wanted.mqtt_host.strip(),
        mqtt_port=wanted.mqtt_port,
        mqtt_tls=wanted.mqtt_tls,
        mqtt_user=wanted.mqtt_user,
        mqtt_password=wanted.mqtt_password or before.mqtt_password,
        mqtt_prefix=wanted.mqtt_prefix.strip(),
    )
    if not new.mqtt_host or not new.mqtt_user or (new.mqtt_host, new.mqtt_port) != (before.mqtt_host, before.mqtt_port):
        new = replace(new, mqtt_password=wanted.mqtt_password if new.mqtt_user and new.mqtt_host else "")
    _check_address(new.address)
    _check_webhook(new)
    _check_broker(new)
    return new


def _check_address(address: str) -> None:
    try:
        parts = urlsplit(address)
    except ValueError:
        parts = urlsplit("")
    is_plain = re.fullmatch(r"[!-~]{1,200}", address) and "@" not in address
    if address and not (parts.scheme in ("http", "https") and parts.hostname and is_plain):
        raise SiteError("The site's own address begins with https:// or http://, as https://cameras.example.org.")


def _check_webhook(new: AlertSettings) -> None:
    if not new.webhook_url:
        return
    target = target_of(new.webhook_url)
    resolved(target.host, target.port, private=new.webhook_private)
    if len(new.webhook_secret) < SHORTEST_SECRET or not new.webhook_secret.isascii():
        raise SiteError(
            f"A webhook needs a secret of {SHORTEST_SECRET} letters and digits or more, to sign what it gets."
        )


def _check_broker(new: AlertSettings) -> None:
    if not _PREFIX.fullmatch(new.mqtt_prefix):
        raise SiteError("The prefix of discovery has letters, digits, _ and -, as homeassistant.")
    if not new.mqtt_host:
        return
    if not _HOST.fullmatch(new.mqtt_host):
        raise SiteError("A broker is named by its host alone, as broker.example.org or 192.168.1.5.")
    if not all(text.isprintable() and len(text) <= 200 for text in (new.mqtt_user, new.mqtt_password)):
        raise SiteError("A broker's user and password have at most 200 characters that can be seen.")
    if new.mqtt_host not in _LOCAL:
        resolved(new.mqtt_host, new.mqtt_port, private=True)
