"""Who may sign in, and one's own account: password and keys."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Path, Request
from fastapi.responses import RedirectResponse, Response

from app.record.users import LONGEST, SCOPES, SHORTEST, Role, Users
from app.web.access import Access
from app.web.errors import Refused
from app.web.pages.frame import page
from app.web.routes import Routes
from app.web.visit import visit

ROLES = [role.name.lower() for role in Role if role > Role.NOBODY]

UserName = Annotated[str, Path(max_length=64)]
RoleName = Annotated[str, Form(pattern="viewer|operator|admin")]
Password = Annotated[str, Form(max_length=LONGEST)]
Cameras = Annotated[list[str] | None, Form()]
routes = Routes()


def _users(request: Request) -> Users:
    access: Access = request.app.state.access
    return access.users


def users_page(request: Request) -> Response:
    """All users, and a form for one more."""
    known = _users(request).all()
    return page(request, "users.html", users=known, roles=ROLES, cameras=visit(request).site.camera_names())


def add(
    request: Request,
    name: Annotated[str, Form(max_length=64)],
    password: Password,
    role: RoleName,
    every: Annotated[bool, Form()] = False,
    camera: Cameras = None,
) -> Response:
    """Adds a user. every: they see all cameras."""
    _users(request).add(name, password, Role[role.upper()], None if every else camera or [], who=visit(request).who)
    return RedirectResponse("/users", 303)


def change(
    request: Request, name: UserName, role: RoleName, every: Annotated[bool, Form()] = False, camera: Cameras = None
) -> Response:
    """Gives a user another role and rights."""
    _users(request).change(name, Role[role.upper()], None if every else camera or [], who=visit(request).who)
    return RedirectResponse("/users", 303)


def set_password(request: Request, name: UserName, password: Password) -> Response:
    """Gives a user another password."""
    _users(request).set_password(name, password, who=visit(request).who)
    return RedirectResponse("/users", 303)


def remove(request: Request, name: UserName) -> Response:
    """Removes a user."""
    _users(request).remove(name, who=visit(request).who)
    return RedirectResponse("/users", 303)


# --- one's own


def account(request: Request) -> Response:
    """One's own password and keys."""
    return _account(request)


def _account(request: Request, secret: str | None = None) -> Response:
    """secret: a key that was just made, to be shown this once."""
    here = visit(request)
    user = _users(request).user(here.who) if here.session.password is not None else None
    keys = [] if user is None else _users(request).keys(user.name)
    return page(request, "account.html", user=user, keys=keys, secret=secret, scopes=SCOPES, shortest=SHORTEST)


def change_own_password(request: Request, old: Password, password: Password) -> Response:
    """Another password for who knows the old one. It ends all sessions, this one too."""
    name = _own(request)
    access: Access = request.app.state.access
    if access.sign_in(name, old, visit(request).session.came_from) is None:
        raise Refused(403, "That is not your password", "Go back and give the one that you signed in with.")
    access.users.set_password(name, password, who=name)
    return RedirectResponse("/sign-in", 303)


def add_key(
    request: Request, name: Annotated[str, Form(max_length=80)], scope: Annotated[list[str] | None, Form()] = None
) -> Response:
    """Makes a key, and shows it once."""
    own = _own(request)
    return _account(request, _users(request).add_key(own, name, scope or [], who=own))


def remove_key(request: Request, name: Annotated[str, Form(max_length=80)]) -> Response:
    """Ends a key."""
    own = _own(request)
    _users(request).remove_key(own, name, who=own)
    return RedirectResponse("/account", 303)


def _own(request: Request) -> str:
    """The user's name. Raises Refused for who came by the link: they are no user."""
    session = visit(request).session
    if session.password is None:
        raise Refused(403, "You came by the link, and are no user", "Add one under Users, and sign in as them.")
    return session.user


routes.add("/users", users_page, Role.ADMIN)
routes.add("/users", add, Role.ADMIN, method="POST")
routes.add("/users/{name}", change, Role.ADMIN, method="POST")
routes.add("/users/{name}/password", set_password, Role.ADMIN, method="POST")
routes.add("/users/{name}/remove", remove, Role.ADMIN, method="POST")
routes.add("/account", account, Role.VIEWER)
routes.add("/account/password", change_own_password, Role.VIEWER, method="POST")
routes.add("/account/keys", add_key, Role.VIEWER, method="POST")
routes.add("/account/keys/remove", remove_key, Role.VIEWER, method="POST")
