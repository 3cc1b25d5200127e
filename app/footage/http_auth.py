"""Telling a camera a user and a password, as HTTP and RTSP alike ask for them (RFC 7616, RFC 7617)."""

from __future__ import annotations

import hashlib
import secrets
from base64 import b64encode
from collections.abc import Sequence
from urllib.request import parse_http_list, parse_keqv_list

ALGORITHMS = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}  # the camera chooses, and many know MD5 only
MOST_CHALLENGE = 4096  # characters


class Credentials:
    """A user and a password, and what the camera said last about how to tell them."""

    def __init__(self, user: str, password: str) -> None:
        self._user, self._password = user, password
        self._basic = False
        self._digest: dict[str, str] | None = None
        self._count = 0
        self._worked = False

    def worked(self) -> None:
        """Hears that a request was answered. So a later challenge is about a new nonce, and not about the password."""
        self._worked = True

    def challenged(self, challenges: Sequence[str]) -> bool:
        """Hears the `WWW-Authenticate` headers of an answer. Says whether another try makes sense."""
        before = self._digest
        tried = (self._basic or before is not None) and not self._worked
        self._worked = False
        digests = [parsed for challenge in challenges if (parsed := _digest(challenge)) is not None]
        if digests:
            strongest = max(digests, key=lambda digest: digest.get("algorithm", "MD5").upper().startswith("SHA"))
            self._digest, self._basic, self._count = strongest, False, 0
            stale = strongest.get("stale", "").lower() == "true"
            return before is None or ((stale or not tried) and strongest["nonce"] != before["nonce"])
        self._digest = None
        self._basic = any(challenge.lower().startswith("basic") for challenge in challenges)
        return self._basic and not tried

    def header(self, method: str, target: str) -> str | None:
        """What `Authorization` says in a request, None before the camera asked. target: as the request has it."""
        if self._basic:
            return "Basic " + b64encode(f"{self._user}:{self._password}".encode()).decode("ascii")
        return None if self._digest is None else self._digested(self._digest, method, target)

    def _digested(self, asked: dict[str, str], method: str, target: str) -> str:
        name = asked.get("algorithm", "MD5")
        algorithm = ALGORITHMS[name.upper().removesuffix("-SESS")]

        def hashed(text: str) -> str:
            return algorithm(text.encode()).hexdigest()

        realm, nonce = asked.get("realm", ""), asked.get("nonce", "")
        client = secrets.token_hex(8)
        secret = hashed(f"{self._user}:{realm}:{self._password}")
        if name.upper().endswith("-SESS"):
            secret = hashed(f"{secret}:{nonce}:{client}")
        request = hashed(f"{method}:{target}")
        told = {"username": self._user, "realm": realm, "nonce": nonce, "uri": target}
        bare = ""
        if "auth" in [kind.strip() for kind in asked.get("qop", "").split(",")]:
            self._count += 1
            count = f"{self._count:08x}"
            told["response"] = hashed(f"{secret}:{nonce}:{count}:{client}:auth:{request}")
            told["cnonce"] = client
            bare = f", qop=auth, nc={count}"
        else:
            told["response"] = hashed(f"{secret}:{nonce}:{request}")
        if "opaque" in asked:
            told["opaque"] = asked["opaque"]
        if "algorithm" in asked:
            bare += f", algorithm={name}"
        return "Digest " + ", ".join(f'{key}="{_quoted(value)}"' for key, value in told.items()) + bare


def _digest(challenge: str) -> dict[str, str] | None:
    """What a challenge for a digest says, None where it is another or nothing that can be answered."""
    if not challenge.lower().startswith("digest ") or len(challenge) > MOST_CHALLENGE:
        return None
    try:
        said = parse_keqv_list([item for item in parse_http_list(challenge[7:]) if "=" in item])
    except (ValueError, IndexError):  # IndexError of a value with nothing in it
        return None
    said = {key.strip().lower(): value for key, value in said.items()}
    known = said.get("algorithm", "MD5").upper().removesuffix("-SESS") in ALGORITHMS
    clean = all(value.isprintable() for value in said.values())
    return said if known and clean and "nonce" in said else None


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
