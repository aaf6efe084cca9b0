"""Signing in with the agency's identity, against a real provider on a port of its own."""

from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import flask
import httpx2
import oidc_provider_mock
import pytest
from oidc_provider_mock import _server as running

from ioc.errors import ConfigError
from ioc.settings import Settings
from kpi import accounts
from layouts.web import oidc
from tests.doors import ADMIN, HERE, doors

CLIENT = {"oidc_client_id": "ioc", "oidc_client_secret": "canary-4f9a1c"}


@contextmanager
def provider() -> Iterator[tuple[str, list[Any]]]:
    """The provider's address, and what was sent to its token door."""
    app, heard = oidc_provider_mock.app(require_nonce=True), []

    @app.before_request
    def listen() -> None:
        if flask.request.method == "POST" and flask.request.form.get("grant_type"):
            heard.append(dict(flask.request.form))

    with running._threaded_server(app=app) as server:
        yield f"http://localhost:{server.server_port}", heard


@pytest.fixture
def agency():
    with provider() as found:
        yield found


@pytest.fixture
def door(tmp_path, sqlite_store, agency):
    found = doors(tmp_path, sqlite_store, oidc_issuer=agency[0], **CLIENT)
    found.person("lan")
    accounts.tie(sqlite_store, ADMIN, "lan", agency[0], "canbo-7")
    return found


def there_and_back(browser: Any, subject: str, onward: str = "/sector") -> str:
    """Go to the provider, sign in there; the path with which it sends the browser back."""
    away = browser.get(f"/login/oidc?next={onward}")
    assert away.status_code == 303
    asked = parse_qs(urlsplit(away.location).query)
    assert asked["code_challenge_method"] == ["S256"] and asked["nonce"] and asked["state"]
    assert asked["scope"] == ["openid"] and asked["response_type"] == ["code"]
    back = httpx2.post(away.location, data={"sub": subject}).headers["Location"]
    assert back.startswith(f"{HERE}/login/oidc/return?")
    return back.removeprefix(HERE)


def test_whom_the_agency_knows_comes_in_as_the_account_that_is_tied_to_them(door, agency):
    browser = door.browser()
    there = browser.get("/login").text
    assert "/login/oidc?next=" in there
    back = there_and_back(browser, "canbo-7")
    entered = browser.get(back)
    assert entered.status_code == 303 and entered.location == "/sector"
    assert browser.get("/").status_code == 200
    [sent] = agency[1]
    assert sent["code_verifier"] and "client_secret" not in sent
    assert door.told("sign_in")[0].who == "lan"


def test_the_proof_that_is_sent_for_the_code_is_the_one_that_was_promised(door, agency):
    browser = door.browser()
    away = browser.get("/login/oidc")
    promised = parse_qs(urlsplit(away.location).query)["code_challenge"][0]
    back = httpx2.post(away.location, data={"sub": "canbo-7"}).headers["Location"]
    browser.get(back.removeprefix(HERE))
    digest = sha256(agency[1][0]["code_verifier"].encode()).digest()
    assert urlsafe_b64encode(digest).decode().rstrip("=") == promised


def test_an_identity_without_an_account_stays_outside(door):
    browser = door.browser()
    answer = browser.get(there_and_back(browser, "nguoi-la"))
    assert answer.status_code == 401 and "chưa được gắn" in answer.text
    assert browser.get("/").status_code == 401


def test_an_answer_that_this_browser_did_not_ask_for_is_refused(door):
    """A code of somebody else, slipped in, would sign one in as another (login CSRF)."""
    asker, victim = door.browser(), door.browser()
    back = there_and_back(asker, "canbo-7")
    assert victim.get(back).status_code == 401
    there_and_back(victim, "canbo-7")
    assert victim.get(back).status_code == 401  # another state
    assert victim.get("/").status_code == 401
    assert door.told("refused")


def test_an_answer_serves_once(door):
    browser = door.browser()
    back = there_and_back(browser, "canbo-7")
    assert browser.get(back).status_code == 303
    again = door.browser()
    assert again.get(back).status_code == 401
    assert browser.get(back).status_code == 401


def test_a_token_for_another_sign_in_is_refused(door):
    """Its nonce is not the one that was sent: the token was taken from elsewhere."""
    browser = door.browser()
    away = browser.get("/login/oidc").location
    other = away.replace(parse_qs(urlsplit(away).query)["nonce"][0], "nonce-khac")
    assert other != away
    back = httpx2.post(other, data={"sub": "canbo-7"}).headers["Location"]
    assert browser.get(back.removeprefix(HERE)).status_code == 401


def test_while_the_agency_cannot_be_reached_local_accounts_come_in(tmp_path, sqlite_store):
    from tests.conftest import free_port

    door = doors(tmp_path, sqlite_store, oidc_issuer=f"http://localhost:{free_port()}", **CLIENT)
    browser = door.browser()
    answer = browser.get("/login/oidc")
    assert answer.status_code == 503 and "tài khoản tại chỗ" in answer.text
    assert browser.sign_in(door.person()).status_code == 303


class Silent:
    """An issuer's door that does not open; counts who knocked."""

    def __init__(self):
        self.knocks = 0

    def get(self, *_where, **_how):
        self.knocks += 1
        raise OSError


def test_an_issuer_that_did_not_answer_is_left_alone_for_half_a_minute(monkeypatch):
    clock = {"at": 1000.0}
    monkeypatch.setattr(oidc.time, "monotonic", lambda: clock["at"])
    provider, door = oidc.Provider("https://sso.example"), Silent()
    for _ in range(3):
        with pytest.raises(OSError):
            provider.known(door)
    assert door.knocks == 1
    clock["at"] += 31
    with pytest.raises(OSError):
        provider.known(door)
    assert door.knocks == 2


def test_nobody_waits_while_somebody_else_asks_the_issuer():
    provider, door = oidc.Provider("https://sso.example"), Silent()
    said: list[Any] = []

    def ask() -> None:
        try:
            said.append(provider.known(door, anew=bool(provider.said)))
        except OSError:
            said.append(None)

    with provider.lock:
        for known in ({}, {"issuer": "https://sso.example"}):
            provider.said = known
            asking = Thread(target=ask, daemon=True)
            asking.start()
            asking.join(5)
    assert said == [None, {"issuer": "https://sso.example"}] and not door.knocks


def test_an_administrator_from_the_agency_still_owes_the_second_factor(door, agency):
    door.person("quan-tri", role="admin")
    accounts.tie(door.store, ADMIN, "quan-tri", agency[0], "truong")
    browser = door.browser()
    browser.get(there_and_back(browser, "truong"))
    assert browser.get("/").location == "/account"


@pytest.mark.parametrize("issuer", ["http://id.example", "id.example", "ftp://id.example"])
def test_an_issuer_without_tls_is_refused_at_the_start(issuer):
    given = {"IOC_OIDC_ISSUER": issuer, "IOC_AUTH": "accounts"}
    with pytest.raises(ConfigError, match="IOC_OIDC_ISSUER"):
        Settings.from_env(given)


def test_the_three_settings_of_an_issuer_come_together():
    given = {"IOC_OIDC_ISSUER": "https://id.example", "IOC_AUTH": "accounts"}
    with pytest.raises(ConfigError, match="phải đặt cùng nhau"):
        Settings.from_env(given)


def test_the_secret_is_shown_nowhere(tmp_path, sqlite_store):
    door = doors(tmp_path, sqlite_store, oidc_issuer="https://id.example", **CLIENT)
    assert CLIENT["oidc_client_secret"] not in repr(door.settings)
    assert CLIENT["oidc_client_secret"] not in door.browser().get("/login").text
