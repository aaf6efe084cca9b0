"""The pages before all others: sign in, set a password by a one-time link, sign out.

They are drawn by the server and need no script. What is refused is always refused with the same
sentence, and what a person is sent on to is a page of ours.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

from flask import Flask, Response, g, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as Answer

from ioc.errors import IocError
from ioc.settings import Settings
from kpi import accounts
from layouts.shell import PRODUCT, TERRITORY
from layouts.web import cookies, csrf, limits, sessions
from layouts.web.problems import MACHINE, Problem

PUBLIC = ("/login", "/setup/")
TOO_MANY = "Quá nhiều lần thử"
FORM = 8 << 10
"""Bytes of a form that a person fills in; whatever is longer is refused unread."""
DIFFERENT = "Hai lần nhập mật khẩu không giống nhau."


def install(server: Flask, store: Any, settings: Settings, windows: limits.Limits) -> None:
    """Serve the pages of signing in; in open mode all of them lead to the first page."""
    if settings.auth != "accounts":
        for rule in ("/login", "/account", "/screen"):
            onward = "/wall" if rule == "/screen" else "/"
            server.add_url_rule(rule, rule, lambda onward=onward: redirect(onward, 303))
        return

    @server.route("/login", methods=["GET", "POST"])
    def login() -> Answer:
        refuse_long()
        onward = sessions.own_path(request.values.get("next", ""))
        if request.method == "POST":
            return _sign_in(store, settings, windows, onward)
        if sessions.current(store) is not None:
            return redirect(onward, 303)
        return form(settings, onward)

    @server.post("/logout")
    def logout() -> Answer:
        accounts.sign_out(store, cookies.get(cookies.SESSION))
        g.session = None
        answer = redirect("/login", 303)
        cookies.drop(answer, cookies.SESSION)
        answer.delete_cookie(csrf.COOKIE)
        answer.headers["Clear-Site-Data"] = '"cache"'
        return answer

    @server.route("/setup/<token>", methods=["GET", "POST"])
    def setup(token: str) -> Answer:
        refuse_long()
        if request.method == "POST":
            csrf.check_form()
        limits.check(windows.link_from, limits.where(), TOO_MANY)
        try:
            name = accounts.account_of(store, token)
        except accounts.NotDone as gone:
            return _setup_form("", str(gone), 410)
        if request.method != "POST":
            return _setup_form(name)
        password, again = request.form.get("password", ""), request.form.get("again", "")
        if password != again:
            return _setup_form(name, DIFFERENT, 400)
        try:
            accounts.set_password(store, token, password)
        except accounts.NotDone as gone:
            return _setup_form("", str(gone), 410)
        except IocError as error:
            return _setup_form(name, str(error), 400)
        if name == accounts.FIRST:
            _put_away(settings)
        answer = redirect(f"/login?{urlencode({'set': 1, 'name': name})}", 303)
        cookies.drop(answer, cookies.SESSION)  # whoever was signed in here signs in anew
        return answer

    @server.after_request
    def _ask_who(response: Response) -> Response:
        """A stranger who opens a page finds the form there, and goes on to that page."""
        if response.status_code != 401 or request.path.startswith((*MACHINE, *PUBLIC)):
            return response
        if not request.accept_mimetypes.accept_html:
            return response
        if request.path == "/wall" and cookies.get(cookies.SCREEN):
            return server.make_response(redirect("/screen", 303))
        there = request.full_path.rstrip("?") if sessions.wants_page() else "/"
        return form(settings, sessions.own_path(there), status=401)


def enter(token: str, onward: str) -> Answer:
    """Begin a session: a token that no one has seen before, whatever came with the request."""
    answer = redirect(onward, 303)
    cookies.put(answer, cookies.SESSION, token)
    return answer


def form(
    settings: Settings, onward: str, *, fault: str = "", name: str = "", status: int = 200
) -> Response:
    """The page with the form of signing in."""
    notice = "Đã đặt mật khẩu. Hãy đăng nhập." if "set" in request.args else ""
    name = name or (request.args.get("name", "")[:64] if notice else "")
    return page(
        "login.html",
        "Đăng nhập",
        status,
        next=onward,
        fault=fault,
        name=name,
        notice=notice,
        oidc=bool(settings.oidc_issuer),
    )


def page(template: str, title: str, status: int = 200, **given: Any) -> Response:
    """One of our plain pages, with the proof that its forms carry."""
    body = render_template(
        template, title=title, product=PRODUCT, territory=TERRITORY, token=csrf.token(), **given
    )
    return make_response(body, status)


def _sign_in(store: Any, settings: Settings, windows: limits.Limits, onward: str) -> Answer:
    csrf.check_form()
    given = {part: request.form.get(part, "") for part in ("name", "password", "code")}
    name = given["name"].strip().lower()
    try:
        limits.check(windows.sign_in_from, limits.where(), TOO_MANY)
        limits.check(windows.sign_in, name[:64], TOO_MANY)
        code, address = given["code"].replace(" ", ""), limits.where()
        token = accounts.sign_in(store, name, given["password"], code, address=address)
    except accounts.SignInRefused as refused:
        return form(settings, onward, fault=str(refused), name=name[:64], status=401)
    except Problem as problem:
        answer = form(settings, onward, fault=problem.detail, name=name[:64], status=problem.status)
        answer.headers["Retry-After"] = str(problem.retry_after)
        return answer
    before = cookies.get(cookies.SESSION)
    if before:
        accounts.sign_out(store, before)
    return enter(token, onward)


def refuse_long() -> None:
    """Bound the form before it is read. Raises Problem 413 where its length is said."""
    request.max_content_length = FORM
    if (request.content_length or 0) > FORM:
        raise Problem(413)


def _setup_form(name: str, fault: str = "", status: int = 200) -> Response:
    """The form of a link for an account; without a name the link is no good any more."""
    return page("setup.html", "Đặt mật khẩu", status, fault=fault, name=name)


def _put_away(settings: Settings) -> None:
    """The file with the first link is of no use once somebody has come in by it."""
    with suppress(OSError):  # gone, or a folder that this process may only read
        (settings.data / accounts.SETUP).unlink(missing_ok=True)
