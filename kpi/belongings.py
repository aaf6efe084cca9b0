"""What belongs to a database and is no part of it: its key, configuration, note of its backup."""

import hashlib
import json
from contextlib import suppress
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from ioc.errors import IocError
from ioc.settings import Settings
from kpi import archive

LAST = "last-backup.json"


def key_file(settings: Settings) -> Path:
    """The file of the key that hashes record keys."""
    return settings.secret_key_file or settings.data / archive.KEY


def fingerprint(key: bytes) -> str:
    """What tells two keys apart and says nothing of either."""
    return hashlib.sha256(b"ioc key fingerprint\n" + key.strip()).hexdigest()[:16]


def last_backup(settings: Settings) -> dict[str, Any] | None:
    """When the last backup was made and where it is; None when there was none."""
    try:
        found = json.loads((settings.data / LAST).read_text(encoding="utf-8"))
        return found | {"at": datetime.fromisoformat(found["at"])}
    except (OSError, ValueError, KeyError):
        return None


def remember(settings: Settings, file: Path, now: datetime) -> None:
    """Note the last backup, for ``last_backup``."""
    said = {"at": now.isoformat(), "file": str(file.absolute())}
    with suppress(OSError):  # the backup itself is done
        (settings.data / LAST).write_text(json.dumps(said), encoding="utf-8")


def manifest(settings: Settings, now: datetime, with_key: bool) -> dict[str, Any]:
    """What a backup says of where it was made."""
    key = key_file(settings)
    return {
        "product": archive.PRODUCT,
        "release": metadata.version(archive.PRODUCT),
        "at": now.isoformat(timespec="seconds"),
        "key": fingerprint(key.read_bytes()) if key.is_file() else "",
        "with_key": with_key,
    }


def configuration(settings: Settings) -> dict[str, Path]:
    """The files of ``IOC_CONFIG`` by their names in an archive."""
    folder = settings.config
    found = sorted(folder.rglob("*.yaml")) if folder else []
    return {
        f"{archive.CONFIG}/{path.relative_to(folder).as_posix()}": path
        for path in found
        if folder and path.is_file()
    }


def check_key(settings: Settings, found: dict[str, Any]) -> None:
    """Another key would make every record look new, and count it twice."""
    key = key_file(settings)
    if key.is_file() and found["key"] not in ("", fingerprint(key.read_bytes())):
        raise IocError(f"khóa {key} không phải khóa của bản sao lưu: mọi hồ sơ sẽ bị đếm hai lần")
    if found["key"] and not key.is_file() and archive.KEY not in found["files"]:
        raise IocError(
            f"thiếu khóa {key} (bản sao lưu không kèm khóa): hãy chép tệp khóa vào trước, nếu"
            " không mọi hồ sơ sẽ bị đếm hai lần"
        )


def restore(settings: Settings, file: Path, found: dict[str, Any]) -> list[str]:
    """Put the key where there is none, and the configuration where it disturbs nothing."""
    said, key = [], key_file(settings)
    if archive.KEY in found["files"] and not key.is_file():
        archive.extract(file, archive.KEY, key)
        said.append(f"Đã ghi khóa {key}.")
    names = [name for name in found["files"] if name.startswith(f"{archive.CONFIG}/")]
    given = {name: path.read_bytes() for name, path in configuration(settings).items()}
    folder = settings.data / "config.restored"
    for name in names:
        archive.extract(file, name, folder / name.removeprefix(f"{archive.CONFIG}/"))
    same = {n: (folder / n.removeprefix(f"{archive.CONFIG}/")).read_bytes() for n in names} == given
    if names and not same:
        said.append(f"Cấu hình kèm theo nằm ở {folder}; đặt IOC_CONFIG để dùng.")
    return said
