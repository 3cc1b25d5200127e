"""Who may sign in to a served site, what they may do there, and with which keys their programs come.

Passwords are kept as Argon2 hashes and keys as digests, so neither can be read from the record.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, func, select

from app.errors import SiteError
from app.record.audit import add_entry
from app.record.checksums import insert_rows, update_row
from app.record.database import AnyRow, Database, Values
from app.record.rows import AuditEntry
from app.record.schema import api_keys, cameras, users

SHORTEST, LONGEST = 10, 200  # characters of a password
MOST_USERS, MOST_KEYS = 1000, 50  # of a site, and of a user
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_HASHED_AT_ONCE = threading.Semaphore(2)  # each hash takes 64 MiB for its time
SCOPES = (
    "alerts",
    "audit",
    "cameras",
    "cases",
    "flow",
    "footage",
    "forget",
    "identities",
    "jobs",
    "metrics",
    "models",
    "search",
    "searches",
    "settings",
    "tracklets",
)  # the parts of the API that a key may open


class Role(IntEnum):
    """What somebody may do. Each may do all that lower ones may."""

    NOBODY = 0  # whoever asks, without a session
    VIEWER = 1  # looks and searches
    OPERATOR = 2  # takes in footage, merges, corrects
    ADMIN = 3  # learns, erases, reads the audit


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may sign in."""

    id: int
    name: str
    role: Role
    cameras: frozenset[str] | None  # that they may see, None for all
    made: float  # UTC seconds
    password: str = field(repr=False, compare=False)  # its hash


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What a user's program comes with. The key itself is shown once, and not kept."""

    id: int
    user: str
    name: str
    scopes: tuple[str, ...]
    made: float  # UTC seconds


class Users:
    """The users of a site."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[User]:
        """By name."""
        return [_user(self._database, row) for row in self._database.all(select(users).order_by(users.c.name))]

    def user(self, name: str) -> User | None:
        """One of them."""
        row = self._database.first(select(users).where(users.c.name == name))
        return None if row is None else _user(self._database, row)

    def __bool__(self) -> bool:
        return self._database.first(select(users.c.id).limit(1)) is not None

    def signed_in(self, name: str, password: str) -> User | None:
        """The user, where it is their password. A name that nobody has takes as long as a wrong password."""
        user = self.user(name)
        with _HASHED_AT_ONCE:
            try:
                _hasher().verify(_nobodys_hash() if user is None else user.password, password[: LONGEST + 1])
            except (VerificationError, InvalidHashError):
                return None
        return user

    def add(self, name: str, password: str, role: Role, of_cameras: Collection[str] | None, *, who: str) -> None:
        """Adds a user, and notes who did. Raises SiteError where that can't be."""
        if not _NAME.fullmatch(name):
            raise SiteError("A user's name has 1 to 64 letters, digits and . _ @ -, and begins with one of the former.")
        hashed = _hashed(password)
        with self._database.transaction():
            if self.user(name) is not None:
                raise SiteError(f"There is a user {name} already: change them, or choose another name.")
            count = self._database.first(select(func.count()).select_from(users))
            if count is not None and count[0] >= MOST_USERS:
                raise SiteError(f"A site has at most {MOST_USERS:,} users: remove one first.")
            row: Values = {"id": self._database.next_id(users), "name": name, "password": hashed, "made": time.time()}
            insert_rows(self._database, users, [row | self._rights(role, of_cameras)])
            details = {"user": name, "role": role.name.lower(), "cameras": _listed(of_cameras)}
            add_entry(self._database, AuditEntry(time.time(), who, "user added", details))

    def change(self, name: str, role: Role, of_cameras: Collection[str] | None, *, who: str) -> None:
        """Gives a user another role and rights, and notes who did. Raises SiteError where that can't be."""
        with self._database.transaction():
            user = self._there(name)
            self._keeps_an_admin(user, becomes=role)
            update_row(self._database, users, user.id, self._rights(role, of_cameras))
            details = {"user": name, "role": role.name.lower(), "cameras": _listed(of_cameras)}
            add_entry(self._database, AuditEntry(time.time(), who, "user changed", details))

    def set_password(self, name: str, password: str, *, who: str) -> None:
        """Gives a user another password, which ends their sessions, and notes who did. Raises SiteError."""
        hashed = _hashed(password)
        with self._database.transaction():
            update_row(self._database, users, self._there(name).id, {"password": hashed})
            details = {"user": name, "password": "another one"}
            add_entry(self._database, AuditEntry(time.time(), who, "user changed", details))

    def remove(self, name: str, *, who: str) -> None:
        """Removes a user with their keys, and notes who did. Raises SiteError where that can't be."""
        with self._database.transaction():
            user = self._there(name)
            self._keeps_an_admin(user, becomes=Role.NOBODY)
            self._database.execute(delete(api_keys).where(api_keys.c.user_id == user.id))
            self._database.execute(delete(users).where(users.c.id == user.id))
            add_entry(self._database, AuditEntry(time.time(), who, "user removed", {"user": name}))

    # --- keys

    def keys(self, of_user: str | None = None) -> list[ApiKey]:
        """Of one user, or of all, by user and name."""
        wanted = select(api_keys, users.c.name.label("user")).join_from(api_keys, users)
        if of_user is not None:
            wanted = wanted.where(users.c.name == of_user)
        rows = self._database.all(wanted.order_by(users.c.name, api_keys.c.name))
        return [
            ApiKey(row.id, row.user, row.name, tuple(self._database.json(row.scopes, "api_keys")), row.made)
            for row in rows
        ]

    def add_key(self, of_user: str, name: str, scopes: Collection[str], *, who: str) -> str:
        """Makes a key and notes who did. Returns it: nobody can read it later. Raises SiteError."""
        if not 1 <= len(name) <= 80 or not name.isprintable():
            raise SiteError("A key's name has 1 to 80 characters.")
        if not scopes or not set(scopes) <= set(SCOPES):
            raise SiteError(f"A key opens one part of the API or more: {', '.join(SCOPES)}.")
        secret = secrets.token_urlsafe(32)
        with self._database.transaction():
            user = self._there(of_user)
            names = [key.name for key in self.keys(of_user)]
            if name in names:
                raise SiteError(f"{of_user} has a key {name} already: choose another name, or remove that one.")
            if len(names) >= MOST_KEYS:
                raise SiteError(f"A user has at most {MOST_KEYS} keys: remove one first.")
            row: Values = {"id": self._database.next_id(api_keys), "user_id": user.id, "name": name}
            row |= {"digest": digest(secret), "scopes": json.dumps(sorted(set(scopes))), "made": time.time()}
            insert_rows(self._database, api_keys, [row])
            details = {"user": of_user, "key": name, "scopes": sorted(set(scopes))}
            add_entry(self._database, AuditEntry(time.time(), who, "key added", details))
        return secret

    def remove_key(self, of_user: str, name: str, *, who: str) -> None:
        """Ends a key, and notes who did. Raises SiteError where there is none."""
        with self._database.transaction():
            user = self._there(of_user)
            named = (api_keys.c.user_id == user.id) & (api_keys.c.name == name)
            if not self._database.execute(delete(api_keys).where(named)).rowcount:
                raise SiteError(f"{of_user} has no key {name}.")
            add_entry(self._database, AuditEntry(time.time(), who, "key removed", {"user": of_user, "key": name}))

    def of_key(self, secret: str) -> tuple[User, ApiKey] | None:
        """Whose key it is, and what it opens."""
        row = self._database.first(select(api_keys).where(api_keys.c.digest == digest(secret)))
        owner = None if row is None else self._database.first(select(users).where(users.c.id == row.user_id))
        if row is None or owner is None:
            return None
        scopes = tuple(self._database.json(row.scopes, "api_keys"))
        return _user(self._database, owner), ApiKey(row.id, owner.name, row.name, scopes, row.made)

    def _there(self, name: str) -> User:
        user = self.user(name)
        if user is None:
            raise SiteError(f"There is no user {name}.")
        return user

    def _rights(self, role: Role, of_cameras: Collection[str] | None) -> Values:
        if role == Role.NOBODY:
            raise SiteError("A user is a viewer, an operator or an admin.")
        if of_cameras is None:
            return {"role": role.name.lower(), "cameras": None}
        if role == Role.ADMIN:
            raise SiteError("An admin sees all cameras: leave the cameras away, or give another role.")
        there = {row.name for row in self._database.all(select(cameras.c.name))}
        if unknown := sorted(set(of_cameras) - there):
            raise SiteError(f"The site has no camera {', '.join(unknown)}.")
        return {"role": role.name.lower(), "cameras": json.dumps(sorted(set(of_cameras)))}

    def _keeps_an_admin(self, user: User, *, becomes: Role) -> None:
        others = [other for other in self.all() if other.name != user.name]
        if others and becomes < Role.ADMIN and all(other.role < Role.ADMIN for other in others):
            raise SiteError(f"{user.name} is the last admin: make another user one first.")


def digest(secret: str) -> str:
    """So that looking a secret up takes the same time however much of it somebody guessed."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _user(database: Database, row: AnyRow) -> User:
    seen = database.json(row.cameras, "users")
    return User(
        id=row.id,
        name=row.name,
        role=Role[row.role.upper()],
        cameras=None if seen is None else frozenset(seen),
        made=row.made,
        password=row.password,
    )


def _listed(of_cameras: Collection[str] | None) -> list[str] | str:
    return "all" if of_cameras is None else sorted(set(of_cameras))


def _hashed(password: str) -> str:
    if not SHORTEST <= len(password) <= LONGEST:
        raise SiteError(f"A password has {SHORTEST} to {LONGEST} characters.")
    with _HASHED_AT_ONCE:
        return _hasher().hash(password)


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher()


@cache
def _nobodys_hash() -> str:
    return _hasher().hash(secrets.token_urlsafe(32))
