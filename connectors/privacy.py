"""What keeps people out of the store: keyed hashes instead of codes, and a last look at texts."""

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ioc.errors import ConfigError, Fault
from ioc.personal import personal

__all__ = ["Hasher", "personal", "secret_key"]
_SHORTEST = 16


class Hasher:
    """Hashes with the deployment's key: equal codes stay equal, nobody reads them back."""

    def __init__(self, key: bytes):
        self._start = hmac.new(key, digestmod=hashlib.sha256)

    def code(self, text: str) -> str:
        """32 hex digits that stand for a code."""
        made = self._start.copy()
        made.update(text.encode())
        return made.hexdigest()[:32]

    def row(self, row: Mapping[str, Any]) -> str:
        """What a rejected row is recognised by, without keeping the row."""
        try:
            text = json.dumps(row, sort_keys=True, ensure_ascii=False, default=str)
        except (TypeError, ValueError, RecursionError):
            text = "?"
        return self.code(text)


def secret_key(settings: Any) -> bytes:
    """The deployment's key: ``IOC_SECRET_KEY_FILE``, else made once in the data folder.

    Raises:
        ConfigError: the file cannot be read or holds fewer than 16 bytes.
    """
    given = getattr(settings, "secret_key_file", None)
    return _read_key(Path(given) if given else _made_once(Path(settings.data) / "secret.key"))


@cache
def _read_key(path: Path) -> bytes:
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise ConfigError([Fault(str(path), 0, f"không đọc được khóa: {error.strerror}")]) from None
    if len(key) < _SHORTEST:
        raise ConfigError([Fault(str(path), 0, f"khóa ngắn hơn {_SHORTEST} byte")])
    return key


def _made_once(path: Path) -> Path:
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    made.touch(mode=0o600)
    made.write_text(secrets.token_hex(32))
    try:
        os.link(made, path)  # whole or not at all; the first of two processes wins
    except FileExistsError:
        pass
    finally:
        made.unlink()
    return path
