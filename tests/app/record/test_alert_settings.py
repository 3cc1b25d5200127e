"""Where alerts are taken, and that secrets stand in the record alone."""

from __future__ import annotations

from dataclasses import replace

from app.record import Site
from app.record.alert_settings import AlertSettings, read_alert_settings, write_alert_settings

URL = "https://hooks.example/in?token=TOP-SECRET"


def test_they_are_kept_and_the_audit_has_no_secret(site: Site) -> None:
    assert read_alert_settings(site.database) == AlertSettings()
    assert AlertSettings().channels() == ()
    wanted = AlertSettings(webhook_url=URL, webhook_secret="TOP-KEY", mqtt_host="broker", mqtt_password="TOP-PASS")
    kept = write_alert_settings(site.database, wanted, who="root")
    assert kept == read_alert_settings(site.database) == replace(wanted, node=kept.node)
    assert kept.node.startswith("sightline_") and kept.channels() == ("webhook", "mqtt")
    entry = site.audit()[-1]
    assert (entry.who, entry.action) == ("root", "alert settings")
    assert entry.details["webhook_url"] == entry.details["mqtt_password"] == "changed"
    assert "TOP" not in str(entry) + repr(kept)


def test_a_site_keeps_its_name_in_topics(site: Site) -> None:
    first = write_alert_settings(site.database, AlertSettings(mqtt_host="a"), who="root")
    second = write_alert_settings(site.database, AlertSettings(mqtt_host="b", node="chosen"), who="root")
    assert first.node == second.node
    assert site.audit()[-1].details == {"mqtt_host": "b"}
    write_alert_settings(site.database, AlertSettings(webhook_url=URL), who="root")
    write_alert_settings(site.database, AlertSettings(), who="root")
    assert site.audit()[-1].details == {"webhook_url": "removed"}
