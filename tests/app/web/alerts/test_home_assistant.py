"""A real broker is told of searches and of who was seen, and keeps nothing of those that are gone."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from app.errors import SiteError
from app.record.alert_settings import AlertSettings
from app.web.alerts.home_assistant import Broker
from app.web.alerts.webhook import NotTaken

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"
MOSQUITTO, PASSWD = (shutil.which(name, path=PATH) for name in ("mosquitto", "mosquitto_passwd"))
pytestmark = pytest.mark.skipif(
    MOSQUITTO is None or PASSWD is None, reason="no broker is installed here: `apt-get install mosquitto`"
)
SETTINGS = AlertSettings(
    mqtt_host="localhost",
    mqtt_tls=False,
    mqtt_user="sightline",
    mqtt_password="TOP-SECRET",
    node="sightline_1234",
    address="https://sightline.example",
)
CONFIG = "homeassistant/event/sightline_1234/search_{}/config"
STATUS = "sightline/sightline_1234/status"


def until(true: Callable[[], object], seconds: float = 10.0) -> None:
    limit = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < limit, "it did not come"
        time.sleep(0.02)


@dataclass
class Server:
    """A broker that runs, and who listens to all of it as Home Assistant does."""

    port: int
    tls_port: int
    authority: Path
    there: dict[str, str] = field(default_factory=dict)  # retained, by topic
    events: list[tuple[str, dict]] = field(default_factory=list)

    def settings(self, **changed: object) -> AlertSettings:
        return replace(SETTINGS, mqtt_port=self.port, **changed)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("broker")
    ports = []
    for _ in range(2):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(free.getsockname()[1])
    key, authority, passwords = (folder / name for name in ("key.pem", "cert.pem", "passwords"))
    named = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *named]
    subprocess.run([*made, "-keyout", key, "-out", authority], check=True, capture_output=True)
    subprocess.run([PASSWD, "-b", "-c", passwords, "sightline", "TOP-SECRET"], check=True, capture_output=True)
    (folder / "broker.conf").write_text(
        f"user root\nallow_anonymous false\npassword_file {passwords}\nlistener {ports[0]} 127.0.0.1\n"
        f"listener {ports[1]} 127.0.0.1\ncertfile {authority}\nkeyfile {key}\n"
    )
    process = subprocess.Popen([str(MOSQUITTO), "-c", folder / "broker.conf"], stderr=subprocess.PIPE)

    def answers() -> bool:
        try:
            socket.create_connection(("127.0.0.1", ports[0]), 1).close()
        except OSError:
            return False
        return True

    until(answers)
    yield Server(*ports, authority)
    process.terminate()
    process.communicate(timeout=10)


@pytest.fixture
def broker(running: Server) -> Iterator[Server]:
    """The same, with nothing retained, and heard."""
    here = Server(running.port, running.tls_port, running.authority)
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.username_pw_set("sightline", "TOP-SECRET")
    ready = []

    def heard(_: mqtt.Client, __: object, message: mqtt.MQTTMessage) -> None:
        text = message.payload.decode()
        if "/search/" in message.topic:
            here.events.append((message.topic, json.loads(text)))
        elif text:
            here.there[message.topic] = text
        else:
            here.there.pop(message.topic, None)

    client.on_connect = lambda *_: client.subscribe("#", qos=1)
    client.on_subscribe = lambda *_: ready.append(True)
    client.on_message = heard
    client.connect("127.0.0.1", running.port)
    client.loop_start()
    until(lambda: ready)
    yield here
    time.sleep(0.05)
    for topic in list(here.there):
        client.publish(topic, "", qos=1, retain=True).wait_for_publish(5)
    client.disconnect()
    client.loop_stop()


def test_searches_are_entities_of_one_device(broker: Server) -> None:
    here = Broker(broker.settings(), "shop")
    here.announce({"1-aa": "red coat", "2-bb": "visitor"})
    until(lambda: len(broker.there) == 3)
    assert broker.there[STATUS] == "online"
    said = json.loads(broker.there[CONFIG.format("1-aa")])
    assert said["name"] == "red coat" and said["unique_id"] == "sightline_1234_1-aa"
    assert said["event_types"] == ["seen"] and said["availability_topic"] == STATUS
    assert said["device"]["identifiers"] == ["sightline_1234"] and said["origin"]["name"] == "Sightline"
    assert said["device"]["configuration_url"] == "https://sightline.example"
    until(lambda: here._client.is_connected())
    here.tell("1-aa", {"camera": "hall", "probability": 0.9})
    until(lambda: broker.events)
    topic, event = broker.events[0]
    assert topic == said["state_topic"] and event == {"event_type": "seen", "camera": "hall", "probability": 0.9}
    here.announce({"2-bb": "a visitor"})
    until(lambda: set(broker.there) == {STATUS, CONFIG.format("2-bb")})
    until(lambda: "a visitor" in broker.there[CONFIG.format("2-bb")])
    here.close()
    until(lambda: broker.there[STATUS] == "offline")
    assert CONFIG.format("2-bb") in broker.there  # it comes back


def test_what_was_removed_meanwhile_is_taken_away(broker: Server) -> None:
    first = Broker(broker.settings(), "shop")
    first.announce({"1-aa": "red coat", "2-bb": "visitor"})
    until(lambda: len(broker.there) == 3)
    first.close()
    second = Broker(broker.settings(), "shop")
    time.sleep(0.3)  # connected before anybody said what is wanted: nothing is taken away for that
    assert CONFIG.format("2-bb") in broker.there
    second.announce({"2-bb": "visitor"})
    until(lambda: set(broker.there) == {STATUS, CONFIG.format("2-bb")})
    second.close()
    third = Broker(broker.settings(), "shop")
    third.announce({})
    until(lambda: set(broker.there) == {STATUS})
    third.close(forget=True)
    until(lambda: not broker.there)


def test_a_broker_that_is_not_there_takes_nothing(broker: Server) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for settings in (replace(SETTINGS, mqtt_port=port), broker.settings(mqtt_password="wrong")):
        here = Broker(settings, "shop")
        here.announce({"1-aa": "red coat"})
        time.sleep(0.2)
        with pytest.raises(NotTaken, match="can't be reached") as told:
            here.tell("1-aa", {})
        assert "TOP" not in str(told.value) and "wrong" not in str(told.value)
        here.close()
    assert broker.there == {} and broker.events == []


def test_with_tls_the_certificate_must_be_the_brokers(broker: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(SETTINGS, mqtt_port=broker.tls_port, mqtt_tls=True)
    unknown = Broker(settings, "shop")
    time.sleep(0.5)
    with pytest.raises(NotTaken):
        unknown.tell("1-aa", {})
    unknown.close()
    monkeypatch.setenv("SSL_CERT_FILE", str(broker.authority))
    known = Broker(settings, "shop")
    until(lambda: broker.there.get(STATUS) == "online")
    known.tell("1-aa", {"camera": "hall"})
    until(lambda: broker.events)
    known.close(forget=True)
    other = Broker(replace(settings, mqtt_host="127.0.0.1"), "shop")  # the certificate names localhost
    time.sleep(0.5)
    with pytest.raises(NotTaken):
        other.tell("1-aa", {})
    other.close()


@pytest.mark.parametrize("host", ["169.254.169.254", "0.0.0.0", "224.0.0.1", "nowhere.invalid"])
def test_what_can_be_no_broker_is_refused(host: str) -> None:
    with pytest.raises(SiteError):
        Broker(replace(SETTINGS, mqtt_host=host), "shop")
