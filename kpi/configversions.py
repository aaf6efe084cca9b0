"""Every version of the configuration that was in force: kept when it changes, put back when asked.

Only configuration that loads whole is kept, and such files hold references to secrets, never one.
What the catalogue made of them is kept beside, so that the audit names each indicator and target
that changed, also where the product's own files did.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Connection

from ioc.clock import right_now
from ioc.errors import IocError
from ioc.principal import Principal
from kpi import audit, formulas
from kpi.schema import instant_of, micros
from kpi.store import KpiStore

SUFFIXES = (".yaml", ".yml", ".txt", ".csv")
LARGEST = 1 << 20
"""Bytes of a file that is kept; a larger one is no configuration of ours."""
INDICATORS, TARGETS = "(catalogue) indicators", "(catalogue) targets"
"""Under these names stands what the catalogue made of all files, by id."""
PROGRAM = "chương trình"
GONE = "tệp đã bị xóa"


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a file; ``hash`` is the SHA-256 of its body, empty where it was removed."""

    number: int
    file: str
    hash: str
    body: str
    by: str
    at: datetime | None
    note: str


def record(
    store: KpiStore, folder: Path | None, *, by: str = PROGRAM, note: str = "",
    now: datetime | None = None,
) -> list[str]:  # fmt: skip
    """Keep each file that changed since it was last kept; their names, in order.

    To be called once the configuration has loaded: it must not keep what is refused.
    """
    at, found = now or right_now(), _files(folder)
    catalogue = {INDICATORS: _indicators(store), TARGETS: _targets(store)}
    with store.write() as connection:
        known = _newest(connection)
        bodies = {**found, **catalogue}
        bodies |= {name: "" for name in known if name not in bodies and known[name].hash}
        changed = [n for n, body in bodies.items() if _hash(body) != _hash_of(known.get(n))]
        for name in sorted(changed):
            said = note if name in found else GONE if name not in catalogue else ""
            number = _keep(connection, name, bodies[name], by, at, said)
            if name in catalogue:
                _tell(connection, name, known.get(name), bodies[name], by, at)
            else:
                audit.append(
                    connection, "config", by, name, now=at, version=number,
                    hash=_hash(bodies[name]), note=said,
                )  # fmt: skip
    return sorted(changed)


def versions(store: KpiStore, file: str = "") -> list[Version]:
    """All versions, newest first; of one file where it is named."""
    with store.read() as connection:
        found = connection.execute(
            sa.text(
                "SELECT id AS number, file, hash, body, by_whom AS by, at, note FROM config_version"
                " ORDER BY id DESC"
            )
        )
        return [
            Version(**{**row._mapping, "at": instant_of(row.at)})
            for row in found
            if file in ("", row.file)
        ]


def definitions_at(store: KpiStore, instant: datetime) -> dict[str, str]:
    """Which definitions of every indicator stood, as ``formulas.dated`` writes them, by its id.

    Empty before the first.
    """
    with store.read() as connection:
        body = connection.scalar(
            sa.text(
                "SELECT body FROM config_version WHERE file = :file AND at <= :at"
                " ORDER BY id DESC LIMIT 1"
            ),
            {"file": INDICATORS, "at": micros(instant)},
        )
    return json.loads(body) if body else {}


def version(store: KpiStore, number: int) -> Version:
    """One version. Raises IocError where there is none of this number."""
    found = next((one for one in versions(store) if one.number == number), None)
    if found is None:
        raise IocError(f"không có phiên bản cấu hình số {number}")
    return found


def roll_back(
    store: KpiStore,
    folder: Path | None,
    number: int,
    *,
    by: Principal,
    validate: Callable[[Path], object],
    now: datetime | None = None,
) -> Version:
    """Write an older body back to the configuration folder, once the whole of it would load.

    ``validate`` is given a copy of the folder with the older file in it, and raises what is wrong.

    Raises:
        IocError: no such version, no folder, or it is no file of the folder.
        ConfigError: with the older file the configuration would not load; nothing is written.
    """
    older = version(store, number)
    if folder is None:
        raise IocError("chưa đặt IOC_CONFIG: không có thư mục cấu hình để ghi lại")
    if older.file in (INDICATORS, TARGETS) or not older.hash:
        raise IocError(f"phiên bản số {number} không phải nội dung của một tệp")
    target = folder / older.file
    if not target.resolve().is_relative_to(folder.resolve()):
        raise IocError(f"{older.file}: nằm ngoài thư mục cấu hình")
    with tempfile.TemporaryDirectory() as room:
        trial = Path(room) / "config"
        shutil.copytree(folder, trial)
        _write(trial / older.file, older.body)
        validate(trial)
    _write(target, older.body)
    record(store, folder, by=by.name, note=f"quay lại phiên bản số {number}", now=now)
    return older


def _files(folder: Path | None) -> dict[str, str]:
    """The body of each file of configuration, by its path inside the folder."""
    if folder is None:
        return {}
    paths = (path for path in sorted(folder.rglob("*")) if path.suffix in SUFFIXES)
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in paths
        if path.is_file() and path.stat().st_size <= LARGEST
    }


def _indicators(store: KpiStore) -> str:
    found = store.catalogue.indicators.values()
    return _json({one.id: formulas.dated(one) for one in found})


def _targets(store: KpiStore) -> str:
    return _json({id: asdict(target) for id, target in store.catalogue.targets.items()})


def _json(said: object) -> str:
    return json.dumps(said, ensure_ascii=False, sort_keys=True, default=str)


def _hash(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest() if body else ""


def _hash_of(known: Version | None) -> str:
    return known.hash if known else ""


def _newest(connection: Connection) -> dict[str, Version]:
    found = connection.execute(
        sa.text(
            "SELECT id AS number, file, hash, body, by_whom AS by, note FROM config_version"
            " WHERE id IN (SELECT MAX(id) FROM config_version GROUP BY file)"
        )
    )
    return {row.file: Version(**row._mapping, at=None) for row in found}


def _keep(
    connection: Connection, name: str, body: str, by: str, at: datetime, note: str
) -> int | None:
    return connection.scalar(
        sa.text(
            "INSERT INTO config_version (file, hash, body, by_whom, at, note)"
            " VALUES (:file, :hash, :body, :by, :at, :note) RETURNING id"
        ),
        {
            "file": name, "hash": _hash(body), "body": body, "by": by, "at": micros(at),
            "note": note,
        },
    )  # fmt: skip


def _tell(
    connection: Connection, name: str, known: Version | None, body: str, by: str, at: datetime
) -> None:
    """Say in the audit which indicators or targets changed; of the first version only how many."""
    kind = "definition" if name == INDICATORS else "target"
    after = json.loads(body)
    if known is None or not known.body:
        audit.append(
            connection, kind, by, "", now=at, act="first", count=len(after), hash=_hash(body)
        )
        return
    before = json.loads(known.body)
    for one in sorted({*before, *after}):
        if before.get(one) == after.get(one):
            continue
        act = "added" if one not in before else "removed" if one not in after else "changed"
        told = {"before": _hash(_json(before.get(one))), "after": _hash(_json(after.get(one)))}
        audit.append(connection, kind, by, one, now=at, act=act, **told)


def _write(path: Path, body: str) -> None:
    """Put a body in a file's place, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_name(f".{path.name}.{os.getpid()}")
    made.write_text(body, encoding="utf-8")
    made.replace(path)
