"""Who may sign in to the served site, and the keys of their programs."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from app.asking import this_user
from app.record import Site
from app.record.users import SCOPES, Role, User, Users
from app.terminal import NEW_PASSWORD, SITE, JsonOption, SiteOption, group, output, print_json, secret_of, table


class RoleName(StrEnum):
    """What somebody may do."""

    viewer = "viewer"
    operator = "operator"
    admin = "admin"

    @property
    def role(self) -> Role:
        """The same, in order."""
        return Role[self.name.upper()]


Name = Annotated[str, typer.Argument(help="The user's name.")]
RoleOption = Annotated[
    RoleName,
    typer.Option(
        help="viewer: looks and searches. operator: takes in footage, merges, corrects, too. admin: also the rest."
    ),
]
Cameras = Annotated[list[str] | None, typer.Option("--camera", help="Only this camera; may be repeated.")]
commands = group("List who may sign in to the served site, add, change or remove them, and keys of their programs.")
keys = group("List, add or remove keys with which a user's programs come.")
commands.add_typer(keys, name="key")


@commands.callback(invoke_without_command=True)
def listing(context: typer.Context, site: SiteOption = SITE, as_json: JsonOption = False) -> None:
    """List the users. Without any, only the link that `app.serve` prints lets somebody in."""
    if context.invoked_subcommand is not None:
        return
    with Site.open(site) as opened:
        users = Users(opened.database).all()
    if as_json:
        print_json([_plain(user) for user in users])
        return
    listed = table("name", "role", "cameras", "added (UTC)", left=("name", "role", "cameras", "added (UTC)"))
    for user in users:
        seen = "all" if user.cameras is None else ", ".join(sorted(user.cameras)) or "none"
        listed.add_row(user.name, user.role.name.lower(), seen, _day(user.made))
    output.print(listed)


@commands.command("add")
def add_command(
    name: Name, site: SiteOption = SITE, role: RoleOption = RoleName.viewer, camera: Cameras = None
) -> None:
    """Add a user. Their password is asked for, or read from stdin's first line."""
    with Site.open_to_write(site) as opened:
        Users(opened.database).add(name, secret_of(NEW_PASSWORD), role.role, camera, who=this_user())
    output.print(f"{name} may sign in as {role.value}.")


@commands.command("change")
def change_command(
    name: Name, site: SiteOption = SITE, role: RoleOption = RoleName.viewer, camera: Cameras = None
) -> None:
    """Give a user this role and these cameras, or all. It holds from their next request on."""
    with Site.open_to_write(site) as opened:
        Users(opened.database).change(name, role.role, camera, who=this_user())
    output.print(f"{name} is {role.value} now.")


@commands.command("password")
def password_command(name: Name, site: SiteOption = SITE) -> None:
    """Give a user another password, which ends their sessions. It is asked for, or read from stdin's first line."""
    with Site.open_to_write(site) as opened:
        Users(opened.database).set_password(name, secret_of(NEW_PASSWORD), who=this_user())
    output.print(f"{name} has another password.")


@commands.command("remove")
def remove_command(name: Name, site: SiteOption = SITE) -> None:
    """Remove a user, with their sessions and keys. What they did stays in the audit."""
    with Site.open_to_write(site) as opened:
        Users(opened.database).remove(name, who=this_user())
    output.print(f"{name} can't sign in any more.")


@keys.callback(invoke_without_command=True)
def listing_keys(context: typer.Context, site: SiteOption = SITE, as_json: JsonOption = False) -> None:
    """List the keys of all users."""
    if context.invoked_subcommand is not None:
        return
    with Site.open(site) as opened:
        found = Users(opened.database).keys()
    if as_json:
        print_json([asdict(key) for key in found])
        return
    listed = table("user", "key", "opens", "added (UTC)", left=("user", "key", "opens", "added (UTC)"))
    for key in found:
        listed.add_row(key.user, key.name, ", ".join(key.scopes), _day(key.made))
    output.print(listed)


@keys.command("add")
def add_key_command(
    user: Name,
    name: Annotated[str, typer.Argument(help="What the key is called.")],
    scope: Annotated[
        list[str], typer.Option("--scope", help=f"A part of the API; may be repeated. One of: {', '.join(SCOPES)}.")
    ],
    site: SiteOption = SITE,
    as_json: JsonOption = False,
) -> None:
    """Make a key, which is shown once. With it a program may do what the user may, in these parts of the API."""
    with Site.open_to_write(site) as opened:
        secret = Users(opened.database).add_key(user, name, scope, who=this_user())
    if as_json:
        print_json({"key": secret})
    else:
        output.print(secret, soft_wrap=True)


@keys.command("remove")
def remove_key_command(
    user: Name, name: Annotated[str, typer.Argument(help="What the key is called.")], site: SiteOption = SITE
) -> None:
    """End a key."""
    with Site.open_to_write(site) as opened:
        Users(opened.database).remove_key(user, name, who=this_user())
    output.print(f"The key {name} of {user} opens nothing any more.")


def _day(time: float) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M}"


def _plain(user: User) -> dict[str, object]:
    seen = None if user.cameras is None else sorted(user.cameras)
    return {"name": user.name, "role": user.role.name.lower(), "cameras": seen, "made": user.made}


if __name__ == "__main__":
    from app.terminal import run

    run(commands)
