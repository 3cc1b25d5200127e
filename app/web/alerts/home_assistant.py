"""Alerts over MQTT, with Home Assistant's discovery: each search that alerts is an event entity of one device.

Discovery is retained, so Home Assistant knows the entities after a restart of either. What the broker still holds of
searches that alert no more is taken away as soon as it is seen, also where this server did not run meanwhile. An event
itself is not retained. Source: https://www.home-assistant.io/integrations/mqtt and …/event.mqtt.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from app.footage.addresses import resolved
from app.record.alert_settings import AlertSettings
from app.web.alerts.webhook import NotTaken

SECONDS = 10.0  # that the broker may take to confirm
SEEN = "seen"  # the one type of event
ONLINE, OFFLINE = "online", "offline"


class Broker:
    """A connection to a broker, made in the background and made again when it breaks."""

    def __init__(self, settings: AlertSettings, site_name: str) -> None:
        """Raises SiteError where the broker has no address, or one that nothing is sent to."""
        # A broker often is on this machine or beside it, so only what can't be one is refused.
        if settings.mqtt_host not in ("localhost", "127.0.0.1", "::1"):
            resolved(settings.mqtt_host, settings.mqtt_port, private=True)
        self._settings, self._site_name = settings, site_name
        self._base = f"sightline/{settings.node}"
        self._mutex = threading.Lock()
        self._wanted: dict[str, str] = {}  # topic → discovery
        self._announced = False  # whether anybody said yet what is wanted
        self._there: set[str] = set()  # topics that the broker was given
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=settings.node, reconnect_on_failure=True)
        if settings.mqtt_user:
            client.username_pw_set(settings.mqtt_user, settings.mqtt_password or None)
        if settings.mqtt_tls:
            client.tls_set_context(ssl.create_default_context())
        client.will_set(self._status, OFFLINE, qos=1, retain=True)
        client.on_connect, client.on_message = self._connected, self._seen
        client.reconnect_delay_set(1, 120)
        client.connect_timeout = SECONDS
        client.connect_async(settings.mqtt_host, settings.mqtt_port)
        self._client = client
        client.loop_start()

    @property
    def shown(self) -> str:
        """The broker, as messages have it."""
        return f"the broker {self._settings.mqtt_host}:{self._settings.mqtt_port}"

    @property
    def _status(self) -> str:
        return f"{self._base}/status"

    def _config(self, key: str) -> str:
        return f"{self._settings.mqtt_prefix}/event/{self._settings.node}/search_{key}/config"

    def announce(self, names: Mapping[str, str]) -> None:
        """Says which searches alert, their names by key. Others are taken away. Raises nothing: it is said again."""
        wanted = {self._config(key): json.dumps(self._discovery(key, name)) for key, name in names.items()}
        with self._mutex:
            before, self._wanted, self._announced = self._wanted, wanted, True
            changed = {topic: text for topic, text in wanted.items() if before.get(topic) != text}
            gone = (set(before) | self._there) - set(wanted)
        if self._client.is_connected():
            self._say(changed, gone)

    def tell(self, key: str, content: Mapping[str, Any]) -> None:
        """Says that somebody was seen. Raises NotTaken where the broker does not confirm."""
        if not self._client.is_connected():
            raise NotTaken(f"{self.shown} can't be reached")
        said = self._client.publish(f"{self._base}/search/{key}", json.dumps({"event_type": SEEN, **content}), qos=1)
        with suppress(RuntimeError, ValueError):
            said.wait_for_publish(SECONDS)
        if not said.is_published():
            raise NotTaken(f"{self.shown} did not confirm")

    def close(self, *, forget: bool = False) -> None:
        """Says that this server is away, and ends the connection. forget: takes all that was announced away."""
        if self._client.is_connected():
            if forget:
                self.announce({})
            said = self._client.publish(self._status, "" if forget else OFFLINE, qos=1, retain=True)
            with suppress(RuntimeError, ValueError):
                said.wait_for_publish(SECONDS)
        self._client.disconnect()
        self._client.loop_stop()

    def _discovery(self, key: str, name: str) -> dict[str, Any]:
        """What Home Assistant is told of a search."""
        device: dict[str, Any] = {
            "identifiers": [self._settings.node],
            "name": f"Sightline {self._site_name}",
            "manufacturer": "Sightline",
        }
        if self._settings.address:
            device["configuration_url"] = self._settings.address
        return {
            "name": name,
            "unique_id": f"{self._settings.node}_{key}",
            "state_topic": f"{self._base}/search/{key}",
            "event_types": [SEEN],
            "icon": "mdi:account-search",
            "qos": 1,
            "availability_topic": self._status,
            "payload_available": ONLINE,
            "payload_not_available": OFFLINE,
            "device": device,
            "origin": {"name": "Sightline"},
        }

    def _connected(self, client: mqtt.Client, _: object, __: object, reason: Any, ___: object) -> None:
        if reason.is_failure:
            return
        client.subscribe(f"{self._settings.mqtt_prefix}/event/{self._settings.node}/+/config", qos=1)
        client.publish(self._status, ONLINE, qos=1, retain=True)
        with self._mutex:
            wanted, gone = dict(self._wanted), self._there - set(self._wanted)
        self._say(wanted, gone)

    def _seen(self, _: mqtt.Client, __: object, message: mqtt.MQTTMessage) -> None:
        """What the broker holds of an earlier time."""
        if message.retain and message.payload:
            with self._mutex:
                is_left_over = self._announced and message.topic not in self._wanted
                self._there.add(message.topic)
            if is_left_over:
                self._say({}, {message.topic})

    def _say(self, configs: Mapping[str, str], gone: set[str]) -> None:
        for topic, text in (*configs.items(), *((topic, "") for topic in gone)):
            self._client.publish(topic, text, qos=1, retain=True)
        with self._mutex:
            self._there = (self._there | set(configs)) - gone
