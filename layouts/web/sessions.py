"""Whose request it is: a key of a program, a person's session, a paired screen, or nobody's.

The browser holds a random token and nothing else; the store says what it stands for, at each
request anew, so that what is ended there is ended everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import orjson
from flask import Flask, g, redirect, request

from ioc.principal import Principal
from ioc.settings import Settings
from kpi import accounts, devices, query
from layouts.web import cookies
from layouts.web.guard import CALLBACK, INNER, Identify
from layouts.web.problems import Problem

SECOND = ("/account", "/logout", "/login")
"""Where an administrator may go before the second factor is there: nowhere but to set it up."""
LONGEST = 500


def identity(store: Any, settings: Settings) -> Identify:
    """What the guard asks of each request."""

    def identify() -> Principal | None:
        key = bearer()
        if key is not None:
            return accounts.principal_of_key(store, key) if _for_programs() else None
        if request.path in INNER:
            return None
        session = current(store)
        if session is not None:
            return session.principal
        g.device = devices.device_of(store, cookies.get(cookies.SCREEN))
        return g.device.principal if g.device is not None else None

    return identify if settings.auth == "accounts" else lambda: Principal.local_admin()


def current(store: Any) -> Any:
    """The session of this request, or None; looked up once, and kept alive by people only."""
    if "session" not in g:
        token = cookies.get(cookies.SESSION)
        g.session = accounts.session_of(store, token, touch=not _by_itself()) if token else None
    return g.session


def bearer() -> str | None:
    """The key in ``Authorization``; None when there is none."""
    kind, _, key = request.headers.get("Authorization", "").partition(" ")
    return key.strip() if kind.lower() == "bearer" else None


def install(server: Flask, settings: Settings) -> None:
    """Hold administrators to their second factor; called after the guard."""
    if settings.auth != "accounts":
        return

    @server.before_request
    def _both_factors() -> Any:
        session = g.get("session")
        if session is None or not session.limited:
            return None
        if "principal" not in g or request.path.startswith(SECOND):
            return None
        if wants_page():
            return redirect("/account", 303)
        raise Problem(403, "Người quản trị phải bật mã xác thực trước khi làm việc khác.")


def lasting(store: Any, settings: Settings) -> Callable[[], Callable[[], bool] | None]:
    """For streams: a way to ask later whether who opened this one may still listen.

    A store that cannot be read refuses nobody: silence tells the screen what it must know.
    """

    def opened() -> Callable[[], bool] | None:
        if settings.auth != "accounts":
            return None
        person = g.get("session") is not None
        token = cookies.get(cookies.SESSION if person else cookies.SCREEN)

        def still() -> bool:
            try:
                if person:
                    return accounts.session_of(store, token, touch=False) is not None
                return devices.device_of(store, token) is not None
            except query.UNREADABLE:
                return True

        return still

    return opened


def wants_page() -> bool:
    """Whether a person's browser goes to a page."""
    return request.method in ("GET", "HEAD") and request.accept_mimetypes.accept_html


def own_path(text: str) -> str:
    """A path of ours to go on to; the first page for anything else."""
    try:
        parts = urlsplit(text) if text.isprintable() and len(text) <= LONGEST else None
    except ValueError:  # half of an address in brackets
        return "/"
    if parts is None or parts.scheme or parts.netloc or "\\" in text:
        return "/"
    if not text.startswith("/") or text.startswith(("//", "/login", "/logout", "/setup", "/_")):
        return "/"
    return text


def _for_programs() -> bool:
    return request.path.startswith("/api/") or request.path in INNER


def _by_itself() -> bool:
    """Whether a page asks without anybody at it: then its session goes on ageing."""
    if request.path == "/events":
        return True
    if request.path != CALLBACK:
        return False
    try:
        changed = orjson.loads(request.get_data())["changedPropIds"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return False
    return bool(changed) and set(map(str, changed)) <= BY_ITSELF


BY_ITSELF = frozenset({"live.data", "wall-at.data"})
