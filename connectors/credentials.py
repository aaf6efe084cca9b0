"""How a source is told who we are: secrets are read when used and never kept in a source."""

import base64
import json
import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote_plus

from connectors.privacy import Hasher, secret_key
from ioc.config import expand, references, secret
from ioc.errors import Broken, NeedsCredentials
from ioc.source import ApiKey, Basic, Bearer, Headers, NoAuth, OAuth2, PrivateKey, Source

Post = Callable[[str, dict[str, str], dict[str, str]], bytes]


class Proof(NamedTuple):
    """What a request carries to prove who asks, and whether asking anew may help."""

    headers: dict[str, str]
    params: dict[str, str]
    renewable: bool = False


class Login(NamedTuple):
    """A user and the password, or the private key, of a protocol that is not HTTP."""

    user: str
    password: str = ""
    key: str = ""
    passphrase: str | None = None


class _Token(NamedTuple):
    text: str
    until: float


_tokens: dict[tuple[str, str, str], _Token] = {}  # they outlive a poll, not the process


class Credentials:
    """The proof of one source; a token is kept until shortly before it expires."""

    def __init__(
        self,
        source: Source,
        env: Mapping[str, str],
        clock: Callable[[], float],
        hide: Callable[[str], None],
    ):
        self._source, self._env, self._clock, self._hide = source, env, clock, hide

    def proof(self, post: Post) -> Proof:
        """Headers and parameters for one request; ``post`` fetches a token where one is due."""
        match self._source.auth:
            case Basic(username=user, password=password):
                pair = f"{expand(user, self._env)}:{self._secret(password)}"
                return Proof({"Authorization": f"Basic {self._base64(pair)}"}, {})
            case Bearer(token=token):
                return Proof({"Authorization": f"Bearer {self._secret(token)}"}, {})
            case ApiKey(key=key, param=str(param)):
                return Proof({}, {param: self._secret(key)})
            case ApiKey(key=key, header=header):
                return Proof({header: self._secret(key)}, {})
            case Headers(headers=headers):
                return Proof({name: self._secret(text) for name, text in headers.items()}, {})
            case OAuth2() as auth:
                return Proof({"Authorization": f"Bearer {self._token(auth, post)}"}, {}, True)
        return Proof({}, {})

    def login(self) -> Login:
        """User and password or private key. Raises NeedsCredentials where none is declared."""
        match self._source.auth:
            case Basic(username=user, password=password):
                return Login(expand(user, self._env), self._secret(password))
            case PrivateKey(username=user, key=key, passphrase=phrase):
                words = self._secret(phrase) if phrase else None
                return Login(expand(user, self._env), "", self._secret(key), words)
        raise NeedsCredentials("nguồn chưa khai auth: basic hoặc private_key")

    def login_if_any(self) -> Login | None:
        """The login; None where the source is open."""
        return None if isinstance(self._source.auth, NoAuth) else self.login()

    def forget(self) -> None:
        """Drop the kept token: the source no longer takes it."""
        _tokens.pop(self._token_key(), None)

    def _token_key(self) -> tuple[str, str, str]:
        auth = self._source.auth
        assert isinstance(auth, OAuth2)
        return self._source.id, expand(auth.token_url, self._env), expand(auth.client_id, self._env)

    def _token(self, auth: OAuth2, post: Post) -> str:
        key = self._token_key()
        token = _tokens.get(key)
        if token is None or self._clock() >= token.until:
            token = _tokens[key] = self._ask(auth, post)
        self._hide(token.text)
        return token.text

    def _ask(self, auth: OAuth2, post: Post) -> _Token:
        _, url, client = self._token_key()
        given = self._secret(auth.client_secret)
        form, headers = {"grant_type": "client_credentials"}, {}
        if auth.client_auth == "basic":  # each part is form-encoded first (RFC 6749, 2.3.1)
            pair = f"{quote_plus(client)}:{quote_plus(given)}"
            headers = {"Authorization": f"Basic {self._base64(pair)}"}
        else:
            form |= {"client_id": client, "client_secret": given}
        if auth.scope:
            form["scope"] = auth.scope
        try:
            reply = json.loads(post(url, form, headers))
            text, seconds = reply["access_token"], float(reply.get("expires_in", 60))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Broken("máy chủ cấp mã truy cập trả lời sai mẫu") from None
        if not isinstance(text, str) or not text.isascii() or not text.isprintable():
            raise Broken("máy chủ cấp mã truy cập trả lời sai mẫu")
        return _Token(text, self._clock() + seconds - min(30.0, seconds / 10))

    def _secret(self, reference: str) -> str:
        value = expand(reference, self._env)
        for name in references(reference):  # each by itself too: a template holds several
            self._hide(secret(name, self._env) or "")
        self._hide(value)
        return value

    def _base64(self, text: str) -> str:
        coded = base64.b64encode(text.encode()).decode()
        self._hide(coded)
        return coded


def fingerprint(source: Source, settings: Any, env: Mapping[str, str] = os.environ) -> str:
    """A keyed hash of a source's secrets and addresses as they resolve now: tells a change."""

    def given(name: str) -> str:
        try:
            return secret(name, env) or ""
        except NeedsCredentials:
            return ""

    return Hasher(secret_key(settings)).code("\0".join(map(given, _references(source))))


def what_to_do(source: Source) -> str:
    """What brings a source back that was paused for its credentials."""
    names = ", ".join(dict.fromkeys(_references(source))) or "quyền truy cập ở hệ thống nguồn"
    return (
        f"nguồn được tạm dừng: hãy sửa {names}; đổi xong nguồn tự chạy lại, hoặc thử ngay bằng"
        f" ioc poll {source.id} --once"
    )


def _references(source: Source) -> list[str]:
    return references(f"{source.url} {source.auth.model_dump_json()}")
