"""Where alerts are taken: a webhook, an MQTT broker, or nowhere. Kept in the record, its secrets in plain."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from sqlalchemy import select

from app.record.audit import add_entry
from app.record.checksums import insert_rows, update_row
from app.record.database import Database
from app.record.rows import AuditEntry
from app.record.schema import settings

WEBHOOK, MQTT = "webhook", "mqtt"  # the names of the two, in what waits and in the audit
_NAME = "alerts"
_SECRETS = ("webhook_url", "webhook_secret", "mqtt_password")


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """Where alerts are taken. Empty text: not there."""

    address: str = ""  # under which people open the site, for links
    webhook_url: str = field(default="", repr=False)  # it may hold a secret
    webhook_secret: str = field(default="", repr=False)  # signs what is sent
    webhook_private: bool = False  # whether it may be in a private network
    webhook_picture: bool = False  # whether a picture of the person goes with it
    mqtt_host: str = ""
    mqtt_port: int = 8883
    mqtt_tls: bool = True
    mqtt_user: str = ""
    mqtt_password: str = field(default="", repr=False)
    mqtt_prefix: str = "homeassistant"  # of Home Assistant's discovery
    node: str = ""  # this site's name in topics, given when they are first written

    def channels(self) -> tuple[str, ...]:
        """Where an alert goes."""
        return tuple(name for name, there in ((WEBHOOK, self.webhook_url), (MQTT, self.mqtt_host)) if there)


def read_alert_settings(database: Database) -> AlertSettings:
    """As they were last written, or nowhere. Raises SiteError where they are damaged."""
    row = database.first(select(settings.c.value).where(settings.c.name == _NAME))
    if row is None:
        return AlertSettings()
    stored = database.json(row.value, "settings")
    known = {part.name for part in fields(AlertSettings)}
    if not isinstance(stored, dict) or not set(stored) <= known:
        raise database.damaged("where alerts are taken")
    return AlertSettings(**stored)


def write_alert_settings(database: Database, new: AlertSettings, *, who: str) -> AlertSettings:
    """Keeps them, and notes who changed what. The audit has no secret, only which of them are new."""
    with database.transaction():
        row = database.first(select(settings.c.id).where(settings.c.name == _NAME))
        before = read_alert_settings(database)
        new = replace(new, node=before.node or f"sightline_{secrets.token_hex(4)}")
        value = json.dumps(asdict(new))
        if row is None:
            insert_rows(database, settings, [{"id": database.next_id(settings), "name": _NAME, "value": value}])
        else:
            update_row(database, settings, row.id, {"value": value})
        add_entry(database, AuditEntry(time.time(), who, "alert settings", _changes(asdict(before), asdict(new))))
    return new


def _changes(before: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """What of them is another now. A secret is only said to be."""
    changed = {name: value for name, value in new.items() if value != before[name]}
    return {name: ("changed" if value else "removed") if name in _SECRETS else value for name, value in changed.items()}
