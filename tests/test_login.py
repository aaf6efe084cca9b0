"""Signing in and staying in: forms without a script, tokens that only the browser holds."""

import re
from datetime import timedelta

import pyotp
import pytest
import sqlalchemy as sa
from gunicorn.config import Config
from gunicorn.http import wsgi
from gunicorn.http.parser import RequestParser

from app import serving
from ioc.clock import right_now
from kpi import accounts
from kpi.schema import micros
from layouts.web import sessions
from tests.doors import ADMIN, HERE, PASSWORD, doors


@pytest.fixture
def door(tmp_path, sqlite_store):
    return doors(tmp_path, sqlite_store)


def aged(store, **columns):
    """Sessions whose instants lie so long ago."""
    with store.write() as connection:
        for column, ago in columns.items():
            connection.execute(
                sa.text(f"UPDATE session SET {column} = :at"), {"at": micros(right_now() - ago)}
            )


def test_a_stranger_finds_the_form_on_every_page_and_goes_on_to_that_page(door):
    browser = door.browser()
    name = door.person()
    answer = browser.get("/indicator/I02b?org_unit=area-qb")
    assert answer.status_code == 401
    onward = re.search(r'name="next" value="([^"]*)"', answer.text)[1]
    assert onward == "/indicator/I02b?org_unit=area-qb"
    assert "Đăng nhập" in answer.text and "_dash" not in answer.text
    token = re.search(r'name="csrf" value="([^"]+)"', answer.text)[1]
    form = {"csrf": token, "name": name, "password": PASSWORD, "next": onward}
    entered = browser.post("/login", form)
    assert entered.status_code == 303 and entered.location == onward
    assert browser.get(onward).status_code == 200


def test_the_session_cookie_is_bound_to_this_host_and_no_script_reads_it(door):
    name = door.person()
    [given] = [
        cookie
        for cookie in door.browser().sign_in(name).headers.getlist("Set-Cookie")
        if cookie.startswith("__Host-ioc=")
    ]
    parts = {part.strip() for part in given.split(";")[1:]}
    assert parts == {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"}


def test_on_this_machine_without_tls_the_cookie_has_no_prefix(door):
    name = door.person()
    browser = door.browser("http://127.0.0.1:8050")
    answer = browser.sign_in(name)
    assert answer.status_code == 303
    assert any(c.startswith("ioc=") for c in answer.headers.getlist("Set-Cookie"))
    assert browser.get("/").status_code == 200


def test_a_wrong_password_and_an_unknown_name_are_refused_in_the_same_words(door):
    name = door.person()
    said = {
        re.search(r'role="alert">([^<]+)<', answer.text)[1]
        for answer in (
            door.browser().sign_in(name, "không phải mật khẩu này"),
            door.browser().sign_in("khong-co-ai", PASSWORD),
        )
        if answer.status_code == 401
    }
    assert len(said) == 1
    assert len(door.told("refused")) == 2


def test_an_account_is_locked_after_five_wrong_passwords_and_the_right_one_does_not_help(door):
    name = door.person()
    for _ in range(5):
        assert door.browser().sign_in(name, "sai").status_code == 401
    assert door.browser().sign_in(name).status_code == 401
    assert door.told("locked")


def test_signing_in_gives_a_new_token_whatever_the_browser_brought(door):
    """Fixation: a token that somebody else has put there, or an older one, opens nothing."""
    name = door.person()
    browser = door.browser()
    browser.client.set_cookie("__Host-ioc", "của-kẻ-gian", domain="ioc.example", secure=True)
    browser.sign_in(name)
    first = browser.cookie("__Host-ioc").value
    assert first != "của-kẻ-gian"
    token = browser.token("/account")
    browser.post("/logout", {"csrf": token})
    browser.sign_in(name)
    assert browser.cookie("__Host-ioc").value != first


def test_a_token_that_signed_out_opens_nothing_any_more(door):
    browser = door.inside()
    held = browser.cookie("__Host-ioc").value
    assert browser.post("/logout", {"csrf": browser.token("/account")}).status_code == 303
    assert browser.cookie("__Host-ioc") is None
    thief = door.browser()
    thief.client.set_cookie("__Host-ioc", held, domain="ioc.example", secure=True)
    assert thief.get("/").status_code == 401
    assert [entry.who for entry in door.told("sign_out")] == ["lan"]


@pytest.mark.parametrize(
    ("column", "ago", "status"),
    [
        ("seen_at", timedelta(minutes=14), 200),
        ("seen_at", timedelta(minutes=16), 401),
        ("created_at", timedelta(hours=13), 401),
    ],
)
def test_a_session_ends_when_nobody_is_there_and_after_half_a_day(door, column, ago, status):
    browser = door.inside()
    aged(door.store, **{column: ago})
    assert browser.get("/").status_code == status


def test_a_page_that_refreshes_by_itself_keeps_nobody_signed_in(door):
    browser = door.inside()
    aged(door.store, seen_at=timedelta(minutes=10))
    asks = {"Accept": "application/json", "Origin": HERE}
    assert browser.client.get("/events", base_url=HERE, headers=asks).status_code == 200
    with door.store.read() as connection:
        seen = connection.scalar(sa.text("SELECT seen_at FROM session"))
    assert seen < micros(right_now() - timedelta(minutes=9))
    browser.get("/account")
    with door.store.read() as connection:
        assert connection.scalar(sa.text("SELECT seen_at FROM session")) > seen


def test_a_new_password_ends_every_session_that_was_open(door):
    from kpi import accounts
    from tests.doors import ADMIN

    browser = door.inside()
    link = accounts.new_link(door.store, ADMIN, "lan", purpose="reset")
    other = door.browser()
    form = {"csrf": other.token(f"/setup/{link}"), "password": PASSWORD[::-1]}
    form["again"] = form["password"]
    assert other.post(f"/setup/{link}", form).location == "/login?set=1&name=lan"
    assert browser.get("/").status_code == 401
    assert door.browser().sign_in("lan", PASSWORD[::-1]).status_code == 303
    again = other.post(f"/setup/{link}", form | {"csrf": other.token()})
    assert again.status_code == 410


@pytest.mark.parametrize(
    "there",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/login?next=/",
        "/%0d%0aSet-Cookie:x\r\ny",
        "/\t/evil.example",
        "http:evil.example",
        "evil.example",
        "/" + "a" * 600,
        "",
    ],
)
def test_nobody_is_sent_on_to_another_site(door, there):
    assert sessions.own_path(there) == "/"
    name = door.person()
    browser = door.browser()
    assert browser.sign_in(name, next=there).location == "/"


def test_own_addresses_with_their_filters_are_gone_on_to():
    there = "/indicator/I02b?org_unit=area-qb&from=2025-01"
    assert sessions.own_path(there) == there


def test_a_form_that_our_page_did_not_give_signs_nobody_in(door):
    name = door.person()
    form = {"name": name, "password": PASSWORD}
    for csrf in ({}, {"csrf": "x"}, {"csrf": ""}):
        assert door.browser().post("/login", form | csrf).status_code == 403
    browser = door.browser()
    form["csrf"] = browser.token()
    assert browser.post("/login", form, Origin="https://evil.example").status_code == 403


@pytest.mark.parametrize("there", ["/login", "/setup/" + "x" * 43])
def test_a_form_that_no_person_fills_in_is_refused_unread(door, there):
    browser = door.browser()
    form = {"csrf": browser.token(), "name": "lan", "password": "a" * 9_000, "again": ""}
    assert browser.post(there, form).status_code == 413
    signed_in = door.inside()
    form["csrf"] = signed_in.token("/account")
    assert signed_in.post(there, form).status_code == 413
    assert not door.told("refused")


@pytest.mark.parametrize("fault", [RuntimeError, sa.exc.OperationalError])
def test_a_link_that_is_still_good_stands_in_no_log(door, monkeypatch, caplog, fault):
    link = accounts.create(door.store, ADMIN, name="lan", display="Lan", role="viewer")

    def fails(*_):
        raise fault("x", {}, Exception()) if fault is not RuntimeError else fault

    monkeypatch.setattr(accounts, "set_password", fails)
    browser = door.browser()
    form = {"csrf": browser.token(), "password": PASSWORD, "again": PASSWORD}
    assert browser.post(f"/setup/{link}", form).status_code >= 500
    assert "POST /setup/<token>" in caplog.text
    assert link not in caplog.text


def test_an_administrator_does_nothing_before_the_second_factor(door):
    browser = door.inside("quan-tri", role="admin")
    answer = browser.get("/")
    assert answer.status_code == 303 and answer.location == "/account"
    api = browser.client.get("/api/v1/targets.json", base_url=HERE)
    assert api.status_code == 403
    drawn = browser.does("/account/totp")
    assert "<svg" in drawn.text and "style=" not in drawn.text
    secret = re.search(r'class="door-secret">([^<]+)<', drawn.text)[1].replace(" ", "")
    uri = re.search(r'name="uri" value="([^"]+)"', drawn.text)[1].replace("&amp;", "&")
    wrong = browser.does("/account/totp/confirm", code="000000", uri=uri)
    assert wrong.status_code == 400 and "<svg" in wrong.text
    right = browser.does("/account/totp/confirm", code=pyotp.TOTP(secret).now(), uri=uri)
    assert right.location == "/account?on=1"
    assert browser.get("/").status_code == 200
    assert door.browser().sign_in("quan-tri").status_code == 401  # from now on with a code


def test_who_ends_all_sessions_is_out_everywhere(door):
    browser, other = door.inside(), door.browser()
    other.sign_in("lan")
    assert browser.does("/account/sessions/end").location == "/login"
    assert other.get("/").status_code == 401


def test_a_key_reads_data_addresses_with_its_owners_rights_and_nothing_else(door):
    browser = door.inside("lan", role="analyst")
    made = browser.does("/account/keys", label="bảng tính", days="30")
    key = re.search(r'class="door-secret">([^<]+)<', made.text)[1]
    program = door.server.test_client()
    carries = {"Authorization": f"Bearer {key}"}
    for path, status in (("/api/v1/targets.json", 200), ("/", 401), ("/account", 401)):
        assert program.get(path, base_url=HERE, headers=carries).status_code == status
    assert key not in browser.get("/account").text
    number = re.search(r"/account/keys/(\d+)/revoke", browser.get("/account").text)[1]
    assert browser.does(f"/account/keys/{number}/revoke").status_code == 303
    assert program.get("/api/v1/targets.json", base_url=HERE, headers=carries).status_code == 401
    assert browser.does("/account/keys/999/revoke").status_code == 404


@pytest.mark.parametrize("host", ["evil.example", "ioc.example.evil.example", "", "10.0.0.7:8050"])
def test_a_name_that_is_not_ours_is_refused(door, host):
    answer = door.server.test_client().get("/login", base_url=HERE, headers={"Host": host})
    assert answer.status_code == 421


def test_without_tls_only_this_machine_is_served(door):
    outside = door.browser("http://ioc.example")
    assert outside.get("/login").status_code == 403
    assert outside.get("/healthz").status_code in (200, 503)


def test_over_tls_the_browser_is_told_to_stay_there_and_to_keep_nothing(door):
    browser = door.inside()
    for path in ("/login", "/account", "/", "/api/v1/targets.json", "/screen"):
        answer = browser.get(path)
        assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000")
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


def test_behind_as_many_proxies_as_trusted_the_callers_own_address_counts(tmp_path, sqlite_store):
    door = doors(tmp_path, sqlite_store, proxy=1)

    @door.server.get("/_where")
    def where():
        from flask import request

        return f"{request.remote_addr} {request.scheme}"

    told = {"X-Forwarded-For": "6.6.6.6, 10.1.1.1", "X-Forwarded-Proto": "https"}
    with door.server.test_client() as client:
        client.get("/_where", base_url="http://ioc.example", headers=told)
        from flask import request

        assert (request.remote_addr, request.scheme) == ("10.1.1.1", "https")
        client.get(
            "/login", base_url="http://ioc.example", headers={"X-Forwarded-Host": "evil.example"}
        )
        assert request.host == "ioc.example"


def test_open_mode_has_no_doors_and_says_so_on_every_page(tmp_path, sqlite_store):
    from app import create_app
    from ioc.settings import Settings

    server = create_app(Settings(data=tmp_path), sqlite_store).server
    client = server.test_client()
    for path in ("/login", "/account"):
        assert client.get(path, base_url="http://127.0.0.1:8050").location == "/"
    body = {
        "output": "..",
        "changedPropIds": [],
    }
    assert client.post("/logout", json=body, base_url="http://127.0.0.1:8050").status_code in (
        404,
        405,
    )


def test_over_plain_http_only_this_machine_is_served_whatever_name_it_is_called_by(door):
    client, near = door.server.test_client(), {"base_url": "http://127.0.0.1:8050"}
    assert client.get("/login", **near).status_code == 200
    far = {"REMOTE_ADDR": "10.0.0.7"}
    assert client.get("/login", environ_overrides=far, **near).status_code == 403
    through = {"X-Forwarded-For": "10.0.0.7"}
    assert client.get("/login", headers=through, **near).status_code == 403


@pytest.mark.parametrize("hops", [0, 1])
def test_whether_the_wire_is_safe_is_believed_of_a_proxy_that_was_named(
    tmp_path, sqlite_store, hops
):
    """From the bytes on the wire: the server below must not believe what we would not."""
    door = doors(tmp_path, sqlite_store, proxy=hops)
    how = Config()
    for name, value in serving(door.settings).items():
        how.set(name, value)
    sent = b"GET /login HTTP/1.1\r\nHost: ioc.example\r\nX-Forwarded-Proto: https\r\n\r\n"
    near, said = ("127.0.0.1", 50_000), []
    request = next(RequestParser(how, iter([sent]), near))
    _, environ = wsgi.create(request, None, near, ("127.0.0.1", 8050), how)
    b"".join(door.server.wsgi_app(environ, lambda status, _headers: said.append(status[:3])))
    assert request.scheme == "http"
    assert said == ["200" if hops else "403"]


# --- one-time links ------------------------------------------------------------------------------


def test_a_link_names_its_account_and_the_form_of_signing_in_has_it(door):
    from kpi import accounts
    from tests.doors import ADMIN

    door.person()
    link = accounts.new_link(door.store, ADMIN, "lan")
    browser = door.browser()
    shown = browser.get(f"/setup/{link}")
    assert "<strong>lan</strong>" in shown.text
    form = {"csrf": browser.token(f"/setup/{link}"), "password": PASSWORD, "again": PASSWORD}
    there = browser.post(f"/setup/{link}", form).location
    assert 'name="name" value="lan"' in browser.get(there).text
    assert 'value="lan"' not in browser.get("/login?name=lan").text


def test_a_link_that_was_used_or_never_made_says_so_and_has_no_form(door):
    from kpi import accounts
    from tests.doors import ADMIN

    door.person()
    link = accounts.new_link(door.store, ADMIN, "lan")
    accounts.set_password(door.store, link, PASSWORD)
    for token in (link, "x" * 43):
        answer = door.browser().get(f"/setup/{token}")
        assert answer.status_code == 410 and "đã dùng hoặc đã hết hạn" in answer.text
        assert "<form" not in answer.text and "lan" not in answer.text.split("<main")[1]


def test_the_file_with_the_first_link_is_gone_once_it_was_used(door, capsys):
    from kpi import console

    console.tell_first_link(door.store, door.settings, terminal=False)
    file = door.settings.data / console.SETUP
    link = file.read_text().split()[0].rpartition("/setup/")[2]
    browser = door.browser()
    form = {"csrf": browser.token(f"/setup/{link}"), "password": PASSWORD, "again": "khác"}
    browser.post(f"/setup/{link}", form)
    assert file.exists()
    browser.post(f"/setup/{link}", form | {"again": PASSWORD})
    assert not file.exists()


def test_the_sessions_of_an_account_say_from_where_and_which_is_this_one(door):
    browser = door.inside()
    assert door.browser().sign_in("lan").status_code == 303
    shown = browser.get("/account").text
    assert shown.count("<td>127.0.0.1") == 2
    assert shown.count("phiên này") == 1


def test_a_page_that_was_refused_stands_in_the_audit_once(door):
    browser = door.inside("truong", role="head")
    body = page_of(browser, "/admin/people")
    assert "Ngoài phạm vi" in body
    page_of(browser, "/admin/people")
    page_of(browser, "/admin")
    page_of(browser, "/")
    told = [(one.who, one.what, one.detail["status"]) for one in door.told("refused")]
    assert told == [("truong", "GET /admin", 403), ("truong", "GET /admin/people", 403)]


def page_of(browser, path):
    """What Dash's router answers when a browser goes to a page."""
    asked = browser.get("/_dash-dependencies").json
    declared = next(one for one in asked if "_pages_content" in one["output"]
                    and one.get("clientside_function") is None)  # fmt: skip
    values = {"pathname": path, "search": ""}
    parts = declared["output"].strip(".").split("...")
    body = {
        "output": declared["output"],
        "outputs": [
            dict(zip(("id", "property"), one.rsplit(".", 1), strict=True)) for one in parts
        ],
        "inputs": [one | {"value": values[one["property"]]} for one in declared["inputs"]],
        "state": [one | {"value": None} for one in declared["state"]],
        "changedPropIds": ["_pages_location.pathname"],
    }
    headers = {"Origin": HERE, "X-CSRFToken": browser.cookie("ioc-csrf").value}
    sent = browser.client.post("/_dash-update-component", json=body, base_url=HERE, headers=headers)
    return str(sent.json)
