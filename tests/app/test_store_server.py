"""The store that tests kill."""

from __future__ import annotations

from pathlib import Path

import boto3
import pytest

from tests.app.ray_cluster import kill
from tests.app.store_server import StoreServer


def test_what_was_answered_outlives_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with StoreServer(tmp_path / "requests") as store:
        for name, value in store.variables.items():
            monkeypatch.setenv(name, value)
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="site")
        for key in ("kept", "removed"):
            s3.put_object(Bucket="site", Key=key, Body=b"picture")
        s3.delete_object(Bucket="site", Key="removed")
        for _ in range(2):
            kill(store.pid)
            with (tmp_path / "requests").open("ab") as requests:
                requests.write(bytes([0, 0, 0, 0, 0, 0, 0, 99, 1]))  # as a kill while it is written leaves it
            store.start()
            assert [entry["Key"] for entry in s3.list_objects_v2(Bucket="site")["Contents"]] == ["kept"]
            assert s3.get_object(Bucket="site", Key="kept")["Body"].read() == b"picture"
