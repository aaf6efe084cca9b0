"""Tokens of client credentials from servers that nobody here wrote: oidc-provider-mock and Authlib.

The provider issues the tokens (short-lived ones), and its own validator guards the rows.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import flask
import httpx2
import oidc_provider_mock
import pytest
import werkzeug.serving
from authlib.oauth2.rfc6749 import ClientCredentialsGrant
from oidc_provider_mock import _app as provider
from oidc_provider_mock import _storage as storage

from connectors.poller import poll
from ioc.config import Lined
from kpi import health
from tests.fields import rest_source

ROW = {
    "ma": "HS-1",
    "coQuan": "19207",
    "tiepNhan": "2026-11-02T08:00:00+07:00",
}


class ForServices(ClientCredentialsGrant):
    """Authlib's grant; whoever asks is kept as a user, as the provider keeps its tokens."""

    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")

    def create_token_response(self) -> Any:
        self.request.user = storage.User(sub=self.request.client.id)
        storage.storage.store_user(self.request.user)
        return super().create_token_response()


@dataclass
class Provider:
    """The provider behind its port, with what was asked of it."""

    url: str
    app: flask.Flask
    issued: int = 0
    refused: int = 0
    tokens: list[str] = field(default_factory=list)

    def register(self, method: str) -> tuple[str, str]:
        """A client of its own, which must authenticate in this way: its id and secret."""
        body = {"redirect_uris": [self.url], "token_endpoint_auth_method": method}
        given = httpx2.post(f"{self.url}/oauth2/clients", json=body).json()
        return given["client_id"], given["client_secret"]

    def end_all_tokens(self) -> None:
        """Whatever it said when it gave them."""
        httpx2.post(f"{self.url}/het-han")


@contextmanager
def provided(seconds: int) -> Iterator[Provider]:
    """A provider whose tokens live so many seconds, and rows that it guards."""
    app = oidc_provider_mock.app(require_client_registration=True, issue_refresh_token=False)
    server = werkzeug.serving.make_server("127.0.0.1", 0, app, threaded=True)
    found = Provider(f"http://127.0.0.1:{server.server_port}", app)
    known: list[Any] = []

    @app.post("/token")
    def token() -> Any:
        authorization = flask.g._authlib_authorization_server
        if not known:
            known.append(authorization)
            authorization.register_grant(ForServices)
            expires = {"OAUTH2_TOKEN_EXPIRES_IN": {"client_credentials": seconds}}
            made = authorization.create_bearer_token_generator(app.config | expires)
            authorization.register_token_generator("default", made)
        reply = authorization.create_token_response()
        found.issued += reply.status_code == 200
        if reply.status_code == 200:
            found.tokens.append(reply.get_json()["access_token"])
        return reply

    @app.get("/du-lieu")
    @provider.require_oauth()
    def rows() -> Any:
        return flask.jsonify({"data": [ROW]})

    @app.post("/het-han")
    def end() -> Any:
        for kept in storage.storage.access_tokens():
            storage.storage.store_access_token(replace(kept, expires_at=datetime.now(UTC)))
        return "", 204

    @app.after_request
    def count(reply: flask.Response) -> flask.Response:
        found.refused += flask.request.path == "/du-lieu" and reply.status_code == 401
        return reply

    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join(10)


class Reader:
    """A source of dossiers behind the provider, polled into a store."""

    def __init__(self, provider: Provider, store: Any, folder: Any, method: str) -> None:
        self.client, self.secret = provider.register(method)
        auth = {
            "kind": "oauth2_client_credentials",
            "token_url": f"{provider.url}/token",
            "client_id": self.client,
            "client_secret": "${IOC_THU_SECRET}",
            "scope": "openid",
        }
        if method == "client_secret_basic":
            auth["client_auth"] = "basic"
        options = Lined({"path": "/du-lieu"})
        self.source = rest_source(provider.url, auth=Lined(auth), options=options)
        self.store, self.settings = store, SimpleNamespace(data=folder, secret_key_file=None)
        self.runs: list[dict[str, Any]] = []
        health.publish_sources(store, [self.source])

    def poll(self) -> dict[str, Any]:
        self.runs.append(poll(self.store, self.source, self.settings))
        return self.runs[-1]


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")  # loopback only
    grants = (*storage.Client.GRANT_TYPES_SUPPORTED, "client_credentials")
    monkeypatch.setattr(storage.Client, "GRANT_TYPES_SUPPORTED", grants)
    return lambda value: monkeypatch.setenv("IOC_THU_SECRET", value)


@pytest.mark.parametrize("method", ["client_secret_post", "client_secret_basic"])
def test_a_token_is_fetched_once_used_again_and_never_told(
    method: str, secret: Any, sqlite_store: Any, tmp_path: Any, caplog: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    with provided(seconds=3600) as provider:
        reader = Reader(provider, sqlite_store, tmp_path, method)
        secret(reader.secret)
        assert reader.poll()["outcome"] == "ok"
        assert reader.poll()["outcome"] == "ok"
        assert (provider.issued, provider.refused) == (1, 0)
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    theirs = ("authlib", "oidc_provider_mock", "werkzeug")  # the provider's own log tells all
    ours = "".join(r.getMessage() for r in caplog.records if not r.name.startswith(theirs))
    for told in (reader.secret, *provider.tokens):
        assert told.encode() not in kept
        assert told not in repr(reader.runs) + repr(reader.source) + ours


def test_a_token_is_renewed_before_it_ends_and_no_request_is_refused(
    secret: Any, sqlite_store: Any, tmp_path: Any
) -> None:
    with provided(seconds=2) as provider:
        reader = Reader(provider, sqlite_store, tmp_path, "client_secret_post")
        secret(reader.secret)
        assert reader.poll()["outcome"] == "ok"
        until = time.monotonic() + 30
        while provider.issued < 3 and time.monotonic() < until:
            assert reader.poll()["outcome"] == "ok"
            time.sleep(0.3)
        assert provider.issued == 3


def test_a_token_that_ends_early_is_renewed_within_the_poll(
    secret: Any, sqlite_store: Any, tmp_path: Any
) -> None:
    with provided(seconds=3600) as provider:
        reader = Reader(provider, sqlite_store, tmp_path, "client_secret_post")
        secret(reader.secret)
        reader.poll()
        provider.end_all_tokens()
        assert reader.poll()["outcome"] == "ok"
        assert (provider.issued, provider.refused) == (2, 1)


def test_a_wrong_secret_pauses_the_source_and_says_which_one(
    secret: Any, sqlite_store: Any, tmp_path: Any
) -> None:
    with provided(seconds=3600) as provider:
        reader = Reader(provider, sqlite_store, tmp_path, "client_secret_post")
        secret("khong-dung")
        run = reader.poll()
        assert run["outcome"] == "needs_credentials" and provider.issued == 0
        assert "IOC_THU_SECRET" in run["note"] and "khong-dung" not in run["note"]
        secret(reader.secret)
        assert reader.poll()["outcome"] == "ok"
