"""Proof that a page of ours sent a request that changes something.

A signed-in browser sends the session's own token: Dash takes it from a readable cookie into a
header, a form carries it in a field. Before there is a session, a form carries what its own cookie
says. Keys of programs need none: no browser sends them by itself. The check of ``Origin`` in the
guard stands beside this one.
"""

from __future__ import annotations

from hmac import compare_digest
from secrets import token_urlsafe

from flask import Flask, Response, g, request

from layouts.web import cookies
from layouts.web.guard import SAFE
from layouts.web.problems import Problem

COOKIE, HEADER, FIELD = "ioc-csrf", "X-CSRFToken", "csrf"
FORM = "ioc-form"
REFUSED = "Trang đã mở quá lâu hoặc phiên đã đổi: hãy tải lại trang rồi làm lại."


def install(server: Flask) -> None:
    """Check every unsafe request of a session; called after the guard."""

    @server.before_request
    def _check() -> None:
        session = g.get("session")
        if session is not None and request.method not in SAFE:
            given = request.headers.get(HEADER) or _field()
            if not compare_digest(given.encode(), session.csrf.encode()):
                raise Problem(403, REFUSED)

    @server.after_request
    def _give(response: Response) -> Response:
        session, form = g.get("session"), g.get("form_token")
        if session is not None and request.cookies.get(COOKIE) != session.csrf:
            # readable by our own scripts and by nobody else: no prefix, for Dash knows one name
            response.set_cookie(
                COOKIE, session.csrf, secure=request.is_secure, samesite="Strict", path="/"
            )
        if form is not None:
            cookies.put(response, FORM, form, strict=True)
        return response


def token() -> str:
    """What a form of this answer carries: the session's token, or one that its cookie repeats."""
    if g.get("session") is not None:
        return g.session.csrf
    g.form_token = cookies.get(FORM) or token_urlsafe(32)
    return g.form_token


def check_form() -> None:
    """For forms that come before a session. Raises Problem 403."""
    if g.get("session") is None and not _same(cookies.get(FORM), _field()):
        raise Problem(403, REFUSED)


def _same(kept: str, given: str) -> bool:
    return bool(kept) and compare_digest(kept.encode(), given.encode())


def _field() -> str:
    form = request.mimetype == "application/x-www-form-urlencoded"
    return request.form.get(FIELD, "") if form else ""
