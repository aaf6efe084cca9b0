"""Sign-in with the agency's own identity (OpenID Connect): code flow with PKCE, state and nonce.

What comes back is one thing only, who it is: issuer and subject. Which account that is, and what
the account may see, is decided here; no claim gives a role or an org unit.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from authlib.common.errors import AuthlibBaseError
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from flask import Flask, redirect, request, url_for
from itsdangerous import BadSignature, URLSafeTimedSerializer
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from werkzeug.wrappers import Response as Answer

from ioc.settings import Settings
from kpi import accounts, audit
from layouts.web import cookies, limits, login, sessions
from layouts.web.problems import Problem

COOKIE = "ioc-oidc"
FRESH = 600
"""Seconds that somebody has for signing in over there."""
TIMEOUT, KEPT, LEEWAY = 5, 3_600, 60
FAILED = 30
"""Seconds for which an issuer that did not answer is not asked again."""
FAULTS = (OSError, ValueError, KeyError, JoseError)
SIGNED = ["RS256", "PS256", "ES256", "EdDSA"]
AWAY = "Chưa liên hệ được nơi đăng nhập của cơ quan; hãy dùng tài khoản tại chỗ."
REFUSED = "Đăng nhập bằng tài khoản của cơ quan không thành công; hãy thử lại."


@dataclass(slots=True)
class Provider:
    """What the issuer says of itself, asked for at first use and once an hour.

    One request asks and no other waits for it: an issuer that hangs holds one thread, not all.
    """

    issuer: str
    said: dict[str, Any] = field(default_factory=dict)
    keys: Any = None
    at: float = 0.0
    again_at: float = 0.0
    lock: Lock = field(default_factory=Lock)

    def known(self, client: OAuth2Session, *, anew: bool = False) -> dict[str, Any]:
        """Addresses and keys. Raises OSError when it cannot be reached, ValueError for nonsense."""
        if self.said and not anew and time.monotonic() - self.at <= KEPT:
            return self.said
        if time.monotonic() < self.again_at:
            raise OSError("it did not answer a moment ago")
        if not self.lock.acquire(blocking=False):
            if self.said:
                return self.said
            raise OSError("it is being asked")
        try:
            self._ask(client)
        except FAULTS:
            self.again_at = time.monotonic() + FAILED
            raise
        finally:
            self.lock.release()
        return self.said

    def _ask(self, client: OAuth2Session) -> None:
        said = _read(client, self.issuer.rstrip("/") + "/.well-known/openid-configuration")
        if said.get("issuer") != self.issuer:
            raise ValueError("another issuer")
        self.keys = KeySet.import_key_set(_read(client, said["jwks_uri"]))
        self.said, self.at = said, time.monotonic()


def install(server: Flask, store: Any, settings: Settings, windows: limits.Limits) -> None:
    """Serve both halves of the way there and back; neither exists where no issuer is set."""
    if settings.auth != "accounts":
        return
    if not settings.oidc_issuer:
        for rule in ("/login/oidc", "/login/oidc/return"):
            server.add_url_rule(rule, rule, _nowhere)
        return
    provider = Provider(settings.oidc_issuer)
    signer = URLSafeTimedSerializer(_key(settings), salt="ioc.oidc")

    def client() -> OAuth2Session:
        back = url_for("come_back")
        base = settings.address or request.host_url
        return OAuth2Session(
            settings.oidc_client_id,
            settings.oidc_client_secret,
            scope="openid",
            redirect_uri=base.rstrip("/") + back,
            code_challenge_method="S256",
            default_timeout=TIMEOUT,
        )

    @server.get("/login/oidc")
    def go_there() -> Answer:
        limits.check(windows.link_from, limits.where(), login.TOO_MANY)
        onward = sessions.own_path(request.args.get("next", ""))
        kept = {name: generate_token(48) for name in ("state", "nonce", "verifier")}
        asks = client()
        try:
            endpoint = provider.known(asks)["authorization_endpoint"]
        except FAULTS:
            return login.form(settings, onward, fault=AWAY, status=503)
        address, _ = asks.create_authorization_url(
            endpoint, state=kept["state"], nonce=kept["nonce"], code_verifier=kept["verifier"]
        )
        answer = redirect(address, 303)
        cookies.put(answer, COOKIE, signer.dumps(kept | {"next": onward}), seconds=FRESH)
        return answer

    @server.get("/login/oidc/return")
    def come_back() -> Answer:
        limits.check(windows.link_from, limits.where(), login.TOO_MANY)
        try:
            kept = signer.loads(cookies.get(COOKIE), max_age=FRESH)
            subject = _subject(client(), provider, settings, kept)
            token = accounts.sign_in_subject(
                store, settings.oidc_issuer, subject, address=limits.where()
            )
        except (BadSignature, AuthlibBaseError, JoseError, ValueError, KeyError) as error:
            said = {"why": "oidc", "cause": type(error).__name__, "address": limits.where()}
            audit.write(store, "refused", audit.NOBODY, "đăng nhập", **said)
            answer: Answer = login.form(settings, "/", fault=REFUSED, status=401)
        except accounts.SignInRefused as refused:
            answer = login.form(settings, "/", fault=str(refused), status=401)
        except OSError:
            answer = login.form(settings, "/", fault=AWAY, status=503)
        else:
            answer = login.enter(token, sessions.own_path(kept["next"]))
        cookies.drop(answer, COOKIE)  # one way there, one way back
        return answer


def _nowhere() -> Answer:
    raise Problem(404)


def _subject(
    client: OAuth2Session, provider: Provider, settings: Settings, kept: dict[str, str]
) -> str:
    """Who came back, by a token that the issuer signed for us and for this very sign-in."""
    said = provider.known(client)
    if "iss" in request.args and request.args["iss"] != provider.issuer:
        raise ValueError("another issuer")  # RFC 9207
    token = client.fetch_token(
        said["token_endpoint"],
        authorization_response=request.url,
        state=kept["state"],
        code_verifier=kept["verifier"],
        timeout=TIMEOUT,
    )
    decoded = _verified(client, provider, token["id_token"])
    claims = CodeIDToken(
        decoded.claims,
        decoded.header,
        {"iss": {"value": provider.issuer}, "aud": {"value": settings.oidc_client_id}},
        {
            "nonce": kept["nonce"],
            "client_id": settings.oidc_client_id,
            "access_token": token.get("access_token"),
        },
    )
    claims.validate(leeway=LEEWAY)
    return str(claims["sub"])


def _verified(client: OAuth2Session, provider: Provider, token: str) -> Any:
    try:
        return jwt.decode(token, provider.keys, algorithms=SIGNED)
    except (JoseError, ValueError):  # its keys may have turned since we asked for them
        provider.known(client, anew=True)
        return jwt.decode(token, provider.keys, algorithms=SIGNED)


def _read(client: OAuth2Session, address: str) -> dict[str, Any]:
    reply = client.get(address, withhold_token=True, timeout=TIMEOUT)
    reply.raise_for_status()
    said = reply.json()
    if not isinstance(said, dict):
        raise ValueError("not an object")
    return said


def _key(settings: Settings) -> bytes:
    return Path(settings.secret_key_file or "").read_bytes()
