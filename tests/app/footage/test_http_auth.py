"""A user and a password are told as the camera asks for them."""

from __future__ import annotations

import hashlib
from base64 import b64decode

import pytest

from app.footage import http_auth
from app.footage.http_auth import Credentials


def test_nothing_is_told_before_it_is_asked_for() -> None:
    assert Credentials("u", "p").header("DESCRIBE", "rtsp://hall/a") is None


def test_basic() -> None:
    credentials = Credentials("admín", "pä:ss")
    assert credentials.challenged(['Basic realm="cam"'])
    header = credentials.header("GET", "/")
    assert header is not None and b64decode(header.removeprefix("Basic ")).decode() == "admín:pä:ss"
    assert not credentials.challenged(['Basic realm="cam"'])  # it was told, and not taken


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_digest_as_in_rfc_7616(algorithm: str, response: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    monkeypatch.setattr(http_auth.secrets, "token_hex", lambda count: client)
    credentials = Credentials("Mufasa", "Circle of Life")
    asked = (
        f'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm}, '
        'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )
    assert credentials.challenged(["Basic realm=x", asked])
    header = credentials.header("GET", "/dir/index.html")
    assert header is not None and f'response="{response}"' in header
    assert "nc=00000001" in header and 'opaque="FQhe/' in header and "qop=auth," in header


def test_digest_without_qop_as_cameras_ask_for_it() -> None:
    credentials = Credentials("admin", "12345")
    assert credentials.challenged(['Digest realm="IPC", nonce="abc", stale="FALSE"'])
    header = credentials.header("DESCRIBE", "rtsp://hall/ch1")
    secret = hashlib.md5(b"admin:IPC:12345").hexdigest()
    request = hashlib.md5(b"DESCRIBE:rtsp://hall/ch1").hexdigest()
    expected = hashlib.md5(f"{secret}:abc:{request}".encode()).hexdigest()
    assert header is not None and f'response="{expected}"' in header and "qop" not in header


def test_another_nonce_is_used_when_the_old_one_is_stale() -> None:
    credentials = Credentials("u", "p")
    assert credentials.challenged(['Digest realm="r", nonce="1"'])
    assert not credentials.challenged(['Digest realm="r", nonce="2"'])  # a wrong password
    assert credentials.challenged(['Digest realm="r", nonce="3", stale=true'])
    assert not credentials.challenged(['Digest realm="r", nonce="3", stale=true'])


def test_a_nonce_that_ends_unannounced_is_replaced() -> None:
    credentials = Credentials("u", "p")
    assert credentials.challenged(['Digest realm="r", nonce="1"'])
    credentials.worked()
    assert credentials.challenged(['Digest realm="r", nonce="2"'])
    assert not credentials.challenged(['Digest realm="r", nonce="3"'])


@pytest.mark.parametrize(
    "challenges",
    [[], ["Negotiate"], ["Digest realm"], ['Digest nonce="a", algorithm=ROT13'], ["Digest " + "a" * 5000]],
)
def test_what_can_not_be_answered(challenges: list[str]) -> None:
    credentials = Credentials("u", "p")
    assert not credentials.challenged(challenges) and credentials.header("GET", "/") is None


def test_a_quote_in_a_user_ends_nothing() -> None:
    credentials = Credentials('a"b', "p")
    credentials.challenged(['Digest realm="r", nonce="1"'])
    header = credentials.header("GET", "/")
    assert header is not None and 'username="a\\"b"' in header
