"""One's own account: password, second factor, open sessions, keys of programs; nobody else's."""

from __future__ import annotations

import io
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import segno
from flask import Flask, Response, g, redirect, request
from markupsafe import Markup
from werkzeug.wrappers import Response as Answer

from ioc.errors import IocError
from ioc.settings import Settings
from kpi import accounts
from layouts import text
from layouts.web import cookies, limits, login
from layouts.web.problems import Problem

DAYS = frozenset({30, 90, 365})
WRONG = "Mã không đúng hoặc đã dùng rồi; hãy chờ mã kế tiếp."
CHANGED = "Đã đổi mật khẩu. Mọi phiên khác đã kết thúc, mọi khóa lập trình đã thu hồi."
NOTICES = {"on": "Đã bật mã xác thực.", "changed": CHANGED}
"""What the page says after a form of its own, by the word in its address."""


def install(server: Flask, store: Any, settings: Settings, windows: limits.Limits) -> None:
    """Serve the page and what its forms do."""
    if settings.auth != "accounts":
        return

    @server.get("/account")
    def account() -> Response:
        said = [notice for word, notice in NOTICES.items() if word in request.args]
        return _page(store, notice=" ".join(said))

    @server.post("/account/password")
    def change() -> Answer:
        _whole()
        login.refuse_long()
        return _change(store, windows)

    @server.post("/account/totp")
    def begin() -> Answer:
        try:
            return _page(store, uri=accounts.totp_begin(store, mine().account))
        except IocError as error:
            return _page(store, fault=str(error), status=400)

    @server.post("/account/totp/confirm")
    def confirm() -> Answer:
        code, uri = request.form.get("code", ""), request.form.get("uri", "")
        held = cookies.get(cookies.SESSION)
        try:
            right = accounts.totp_confirm(store, mine().account, code, session=held)
        except IocError as error:
            return _page(store, fault=str(error), status=400)
        if right:
            return redirect("/account?on=1", 303)
        known = uri.startswith("otpauth://totp/") and len(uri) < 500
        return _page(store, uri=uri if known else "", fault=WRONG, status=400)

    @server.post("/account/sessions/end")
    def end() -> Answer:
        accounts.end_all(store, mine().principal, mine().account)
        g.session = None
        answer = redirect("/login", 303)
        cookies.drop(answer, cookies.SESSION)
        return answer

    @server.post("/account/keys")
    def make_key() -> Answer:
        _whole()
        label, days = request.form.get("label", "").strip()[:60], request.form.get("days", "")
        if not label or not days.isdecimal() or int(days) not in DAYS:
            return _page(store, fault="Khóa cần một tên và một thời hạn.", status=400)
        made = accounts.create_key(
            store, mine().principal, mine().account, label=label, days=int(days)
        )
        return _page(store, key=made)

    @server.post("/account/keys/<int:number>/revoke")
    def revoke(number: int) -> Answer:
        _whole()
        if number not in {one.id for one in accounts.keys_of(store, mine().account)}:
            raise Problem(404, "Không có khóa này.")
        accounts.revoke_key(store, mine().principal, number)
        return redirect("/account", 303)


def _change(store: Any, windows: limits.Limits) -> Answer:
    """Another password, tried as often as at the door; this browser stays, under a new token."""
    current, new, again = (request.form.get(part, "") for part in ("current", "password", "again"))
    try:
        limits.check(windows.sign_in_from, limits.where(), login.TOO_MANY)
        limits.check(windows.sign_in, mine().account, login.TOO_MANY)
        if new != again:
            return _page(store, fault=login.DIFFERENT, status=400)
        held = cookies.get(cookies.SESSION)
        token = accounts.change_password(store, held, current, new, address=limits.where())
    except IocError as error:
        return _page(store, fault=str(error), status=400)
    except Problem as problem:
        answer = _page(store, fault=problem.detail, status=problem.status)
        answer.headers["Retry-After"] = str(problem.retry_after)
        return answer
    g.session = accounts.session_of(store, token)
    return login.enter(token, "/account?changed=1")


def mine() -> Any:
    """The session of this request. Raises Problem 403 for who came in by another way."""
    if g.get("session") is None:
        raise Problem(403, "Trang này chỉ dành cho người đã đăng nhập.")
    return g.session


def _whole() -> None:
    if mine().limited:
        raise Problem(403, "Hãy bật mã xác thực trước.")


def _page(store: Any, *, uri: str = "", status: int = 200, **given: Any) -> Response:
    session = mine()
    if uri:
        given |= {"uri": uri, "picture": _picture(uri), "secret": _secret(uri)}
    return login.page(
        "account.html",
        "Tài khoản",
        status,
        session=session,
        role=accounts.ROLES[session.role],
        local=accounts.has_password(store, session.account),
        second=session.second or accounts.has_second(store, session.account),
        sessions=[
            {
                "created": _clock(one.created_at),
                "seen": _clock(one.seen_at),
                "address": one.address or "không rõ",
                "own": one.own,
            }
            for one in accounts.open_sessions(
                store, session.account, token=cookies.get(cookies.SESSION)
            )
        ],
        keys=[
            {
                "id": one.id,
                "label": one.label,
                "expires": _clock(one.expires_at),
                "seen": _clock(one.seen_at),
            }
            for one in accounts.keys_of(store, session.account)
        ],
        **given,
    )


def _picture(uri: str) -> Markup:
    """The code that a phone reads: drawn here, so that the secret goes nowhere else."""
    drawn = io.BytesIO()
    segno.make(uri, error="m", micro=False).save(
        drawn, kind="svg", border=2, dark="#000", omitsize=True, xmldecl=False, svgns=False
    )
    return Markup(drawn.getvalue().decode())


def _secret(uri: str) -> str:
    plain = parse_qs(urlsplit(uri).query).get("secret", [""])[0]
    return " ".join(plain[at : at + 4] for at in range(0, len(plain), 4))


def _clock(at: datetime | None) -> str:
    return f"{text.local(at):%H:%M %d/%m/%Y}" if at is not None else "chưa"
