"""Every setting of the product, from the environment, checked as a whole before it starts."""

import ipaddress
import os
import re
import socket
import stat
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from ioc import clock
from ioc.config import secret
from ioc.errors import ConfigError, Fault, NeedsCredentials

_PLACE = "môi trường"
_DATABASES = ("sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg")
_MIN_SECRET = 32


def _about(what: str) -> dict[str, str]:
    """The sentence that the README prints."""
    return {"description": what}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One value per ``IOC_*`` variable; ``IOC_X_FILE`` gives any of them from a file."""

    host: str = field(
        default="127.0.0.1",
        metadata=_about("Address the web listens on; loopback while `IOC_AUTH=open`"),
    )
    port: int = field(default=8050, metadata=_about("Port of the web"))
    address: str = field(
        default="",
        metadata=_about(
            "Address that phones reach (`https://…`), for the codes on the wall; empty: the"
            " wall's own"
        ),
    )
    hosts: str = field(
        default="",
        metadata=_about(
            "Further names under which it is reached, with commas; with `accounts`, beside that of"
            " `IOC_ADDRESS`"
        ),
    )
    proxy: int = field(
        default=0,
        metadata=_about(
            "Proxies in front whose `X-Forwarded-For` and `-Proto` are believed; with `accounts`"
        ),
    )
    data: Path = field(
        default=Path("data"), metadata=_about("Folder for the database and working files")
    )
    database_url: str = field(
        default="",
        repr=False,
        metadata=_about("Database; empty: SQLite file `ioc.sqlite` in `IOC_DATA`; or PostgreSQL"),
    )
    cache_url: str = field(
        default="",
        repr=False,
        metadata=_about("Redis for the cache; empty: memory of each process"),
    )
    broker_url: str = field(
        default="",
        repr=False,
        metadata=_about("Redis or RabbitMQ for polling on several machines; empty: threads"),
    )
    config: Path | None = field(
        default=None,
        metadata=_about(
            "Folder with `sources.yaml`, `wall.yaml`, `packs.yaml` and plan overrides; empty: the"
            " product's own"
        ),
    )
    auth: Literal["open", "accounts"] = field(
        default="open",
        metadata=_about("`open`: no sign-in, this machine only; `accounts`: sign-in"),
    )
    secret_key_file: Path | None = field(
        default=None,
        metadata=_about("File with at least 32 bytes of secret for sessions; with `accounts`"),
    )
    oidc_issuer: str = field(
        default="",
        metadata=_about("Issuer of an OpenID Connect sign-in (`https://…`); empty: local only"),
    )
    oidc_client_id: str = field(default="", metadata=_about("Name of this product at that issuer"))
    oidc_client_secret: str = field(
        default="", repr=False, metadata=_about("Its secret there; a file or a credential")
    )
    smtp_url: str = field(
        default="",
        metadata=_about(
            "Mail server for packs: `smtp://user@host` (must turn to TLS), `smtps://…`; on this"
            " machine `smtp+insecure://127.0.0.1`; empty: no mail"
        ),
    )
    smtp_from: str = field(default="", metadata=_about("Address that packs are sent from"))
    smtp_password: str = field(
        default="", repr=False, metadata=_about("Password at the mail server; a file or credential")
    )
    tile_url: str = field(
        default="",
        metadata=_about("Map tiles `https://…/{z}/{x}/{y}.png`; empty: no tiles, offline"),
    )
    lease: float = field(
        default=15,
        metadata=_about(
            "Seconds (or `15s`) after which another `ioc poll` takes over a silent one"
        ),
    )
    sandbox_scale: float = field(
        default=0.2, metadata=_about("Size of the synthetic province; 1 is the real volume")
    )
    sandbox_seed: int = field(default=450, metadata=_about("Seed of the synthetic province"))
    sandbox_port: int = field(
        default=8060, metadata=_about("First port of the synthetic systems, one each from here")
    )
    clock: str = field(
        default="",
        metadata=_about(
            "Rehearsal with the sample: `12@2026-11-24T14:00:00Z` runs 12 times as fast"
        ),
    )

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> "Settings":
        """Read all settings.

        Raises:
            ConfigError: lists every setting at fault, in Vietnamese; no value of a secret.
        """
        env = os.environ if env is None else env
        faults: list[Fault] = []
        values: dict[str, Any] = {}
        for spec in fields(cls):
            try:
                text = secret(variable(spec), env)
            except NeedsCredentials as error:
                faults.append(Fault(_PLACE, 0, str(error)))
                continue
            if text is None or not text.strip():
                continue
            try:
                values[spec.name] = _READERS.get(spec.name, str.strip)(text)
            except ValueError as error:
                faults.append(Fault(_PLACE, 0, f"{variable(spec)}: {error}"))
        settings = cls(**values)
        if not settings.database_url and "database_url" not in values:
            path = (settings.data / "ioc.sqlite").absolute()
            settings = replace(settings, database_url=f"sqlite:///{path}")
        if settings.auth == "open":
            address, message = _loopback(settings.host)
            if message:
                faults.append(Fault(_PLACE, 0, f"IOC_HOST: {message}"))
            settings = replace(settings, host=address or settings.host)
            faults += [
                Fault(_PLACE, 0, f"IOC_{name.upper()} chỉ dùng với IOC_AUTH=accounts")
                for name in ("hosts", "proxy", "oidc_issuer")
                if getattr(settings, name)
            ]
        elif settings.secret_key_file is None:
            faults.append(Fault(_PLACE, 0, "IOC_AUTH=accounts cần IOC_SECRET_KEY_FILE"))
        oidc = [
            getattr(settings, f"oidc_{part}") for part in ("issuer", "client_id", "client_secret")
        ]
        if any(oidc) and not all(oidc):
            names = "IOC_OIDC_ISSUER, IOC_OIDC_CLIENT_ID và IOC_OIDC_CLIENT_SECRET"
            faults.append(Fault(_PLACE, 0, f"{names} phải đặt cùng nhau"))
        if settings.smtp_url and not settings.smtp_from:
            faults.append(Fault(_PLACE, 0, "IOC_SMTP_URL cần IOC_SMTP_FROM"))
        if "@" in settings.smtp_url and not settings.smtp_password:
            faults.append(Fault(_PLACE, 0, "IOC_SMTP_URL có tài khoản, cần IOC_SMTP_PASSWORD_FILE"))
        if faults:
            raise ConfigError(faults)
        return settings

    @property
    def sqlite_path(self) -> Path | None:
        """The database file, when the database is SQLite."""
        found = re.fullmatch(
            r"sqlite(?:\+pysqlite)?:///(?P<path>[^?]+)(?:\?.*)?", self.database_url
        )
        return Path(found["path"]) if found else None


def variable(spec: Field) -> str:
    """The environment variable of a field of ``Settings``."""
    return f"IOC_{spec.name.upper()}"


def described() -> list[tuple[str, str, str]]:
    """All settings as (variable, default, description), in order: the README's table."""
    return [
        (
            variable(spec),
            "" if spec.default in (None, MISSING) else str(spec.default),
            spec.metadata["description"],
        )
        for spec in fields(Settings)
    ]


def _with(settings: Settings, **changes: Any) -> Settings:
    return Settings(
        **{spec.name: getattr(settings, spec.name) for spec in fields(Settings)} | changes
    )


def _port(text: str) -> int:
    if not text.strip().isdecimal() or not 1 <= int(text) <= 65535:
        raise ValueError(f"{text!r} không phải số cổng (1 đến 65535)")
    return int(text)


def _whole(text: str) -> int:
    if not text.strip().isdecimal():
        raise ValueError(f"{text!r} không phải số nguyên không âm")
    return int(text)


def _scale(text: str) -> float:
    try:
        scale = float(text)
    except ValueError:
        scale = 0.0
    if not 0 < scale <= 10:
        raise ValueError(f"{text!r} không phải số lớn hơn 0 và không quá 10 (viết 0.2)")
    return scale


def _clock(text: str) -> str:
    clock.rate(text)
    return text.strip()


def _lease(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)s?", text.strip())
    if not found or not 1 <= float(found[1]) <= 600:
        raise ValueError(f"{text!r} không phải số giây từ 1 đến 600 (viết 15s)")
    return float(found[1])


def _auth(text: str) -> str:
    if text.strip() not in ("open", "accounts"):
        raise ValueError(f"{text!r} không hợp lệ; chọn open hoặc accounts")
    return text.strip()


def _data(text: str) -> Path:
    path = Path(text.strip())
    if path.exists() and not path.is_dir():
        raise ValueError(f"{path} không phải thư mục")
    if path.is_dir() and not os.access(path, os.W_OK | os.X_OK):
        raise ValueError(f"không ghi được vào thư mục {path}")
    return path


def _config(text: str) -> Path:
    path = Path(text.strip())
    if not path.is_dir():
        raise ValueError(f"không có thư mục {path}")
    return path


def _database(text: str) -> str:
    scheme = text.strip().partition(":")[0]
    if scheme not in _DATABASES or "://" not in text:
        raise ValueError(
            f"phải bắt đầu bằng sqlite:/// hoặc postgresql+psycopg:// (đang là {scheme[:24]!r})"
        )
    return text.strip()


def _url_of(*schemes: str) -> Any:
    def read(text: str) -> str:
        if not text.strip().startswith(tuple(f"{scheme}://" for scheme in schemes)):
            raise ValueError("phải bắt đầu bằng " + " hoặc ".join(f"{s}://" for s in schemes))
        return text.strip()

    return read


def _issuer(text: str) -> str:
    parts = urlsplit(text.strip())
    here = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if not parts.netloc or not (parts.scheme == "https" or (here and parts.scheme == "http")):
        raise ValueError("phải bắt đầu bằng https://")
    return text.strip()


def _mail_server(text: str) -> str:
    address = _url_of("smtp", "smtps", "smtp+insecure")(text)
    parts = urlsplit(address)
    if not parts.hostname or parts.password or parts.path.strip("/"):
        raise ValueError("phải có dạng smtp://[tài khoản@]máy[:cổng], không kèm mật khẩu")
    if parts.scheme == "smtp+insecure" and (parts.username or _loopback(parts.hostname)[1]):
        raise ValueError("smtp+insecure:// chỉ dùng cho chính máy này, không tài khoản")
    return address


def _mail_address(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+", text.strip()):
        raise ValueError(f"{text!r} không phải địa chỉ thư")
    return text.strip()


def _mail_password(text: str) -> str:
    if not text.strip().isascii():
        raise ValueError("chỉ gồm chữ không dấu: nhiều máy chủ thư không nhận chữ khác")
    return text.strip()


def _hops(text: str) -> int:
    if _whole(text) > 5:
        raise ValueError(f"{text!r} không phải số máy trung gian (0 đến 5)")
    return int(text)


def _tiles(text: str) -> str:
    address = _url_of("https", "http")(text)
    if not all(part in address for part in ("{z}", "{x}", "{y}")):
        raise ValueError("phải có {z}, {x} và {y}")
    return address


def _secret_file(text: str) -> Path:
    path = Path(text.strip())
    try:
        mode, content = path.stat().st_mode, path.read_bytes()
    except OSError as error:
        raise ValueError(f"không đọc được {path}: {error.strerror}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ValueError(f"{path} phải chỉ cho chủ sở hữu đọc (chmod 600)")
    if len(content.strip()) < _MIN_SECRET:
        raise ValueError(f"{path} phải có ít nhất {_MIN_SECRET} byte")
    return path


def _loopback(host: str) -> tuple[str, str]:
    """The numeric loopback address to bind, or why there is none.

    A name is bound by the address it had when it was checked, never resolved again.
    """
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return "", f"không phân giải được {host!r}"
    addresses = [ipaddress.ip_address(str(row[4][0]).partition("%")[0]) for row in found]
    outside = [address for address in addresses if not address.is_loopback]
    if outside or not addresses:
        return "", (
            f"{host!r} không phải địa chỉ của riêng máy này; IOC_AUTH=open chỉ chạy ở 127.0.0.1 "
            "hoặc ::1 (muốn mở ra ngoài, dùng IOC_AUTH=accounts)"
        )
    return str(min(addresses, key=lambda address: address.version)), ""


_READERS: dict[str, Any] = {
    "port": _port,
    "data": _data,
    "database_url": _database,
    "cache_url": _url_of("redis", "rediss"),
    "broker_url": _url_of("redis", "rediss", "amqp", "amqps"),
    "config": _config,
    "auth": _auth,
    "secret_key_file": _secret_file,
    "proxy": _hops,
    "oidc_issuer": _issuer,
    "smtp_url": _mail_server,
    "smtp_from": _mail_address,
    "smtp_password": _mail_password,
    "tile_url": _tiles,
    "lease": _lease,
    "sandbox_scale": _scale,
    "sandbox_seed": _whole,
    "sandbox_port": _port,
    "clock": _clock,
}
