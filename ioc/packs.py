"""Packs: figures that leave by themselves, on which days, about what, and to whom (``packs.yaml``).

A slot is an instant on the local clock at which a pack is due; +07:00 knows no summer time.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ioc.config import Lined, read_yaml
from ioc.errors import ConfigError, Fault
from ioc.period import LOCAL
from ioc.principal import Principal

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
CLASSES = ("public", "internal", "restricted")
LATE = timedelta(minutes=15)
"""How long after its slot a pack may still be made without being called late."""
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_MAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_KEYS = "title org_unit days at targets sector classes mail folder".split()


@dataclass(frozen=True, slots=True)
class Pack:
    """One pack. ``targets``: all that its reader may read where empty; ``folder``: None for
    ``packs/<name>`` in ``IOC_DATA``; ``mail``: addresses, each of which gets a mail of its own."""

    name: str
    title: str = "Gói số liệu tuần"
    org_unit: str = "area-qb"
    days: tuple[str, ...] = ("monday",)
    at: str = "06:30"
    targets: tuple[str, ...] = ()
    sector: str = ""
    classes: tuple[str, ...] = ("public", "internal")
    mail: tuple[str, ...] = ()
    folder: Path | None = None

    @property
    def reader(self) -> Principal:
        """Whose rights a pack is drawn with: those of its org unit, never more."""
        return Principal(
            f"gói {self.name}", "head", frozenset({self.org_unit}), frozenset(self.classes)
        )

    def slot(self, now: datetime) -> datetime:
        """The newest slot at or before an instant, aware UTC."""
        return max(one for one in self._around(now) if one <= now)

    def following(self, now: datetime) -> datetime:
        """The first slot after an instant, aware UTC."""
        return min(one for one in self._around(now) if one > now)

    def _around(self, now: datetime) -> list[datetime]:
        hour, minute = map(int, self.at.split(":"))
        today = now.astimezone(LOCAL).replace(hour=hour, minute=minute, second=0, microsecond=0)
        near = (today + timedelta(days=ahead) for ahead in range(-7, 8))
        return [one.astimezone(UTC) for one in near if DAYS[one.weekday()] in self.days]


OURS = (Pack("tuan"),)
"""What there is where nobody declared any: the whole territory, every Monday, no mail."""


def load(
    folder: Path | None,
    *,
    org_units: Collection[str],
    targets: Collection[str],
    sectors: Collection[str],
) -> tuple[Pack, ...]:
    """The packs of a deployment: of its ``packs.yaml`` where there is one, else ours.

    Raises:
        ConfigError: every fault with file and line.
    """
    path = folder / "packs.yaml" if folder else None
    if path is None or not path.exists():
        return OURS
    faults: list[Fault] = []
    data = read_yaml(path, faults)
    file = str(path)
    entries = data.get("packs") if isinstance(data, Lined) else None
    if not isinstance(entries, Lined) or set(data) != {"packs"}:
        raise ConfigError([*faults, Fault(file, 1, "tệp phải gồm packs: {tên: {…}}")])
    known = {"org_unit": org_units, "targets": targets, "sector": sectors}
    found = [_pack(name, entries, known, faults, file) for name in entries]
    if faults:
        raise ConfigError(faults)
    return tuple(found)


def _pack(
    name: Any, entries: Lined, known: dict[str, Collection[str]], faults: list[Fault], file: str
) -> Pack:
    """One entry; what is wrong with it is added to the faults."""
    said, line = entries[name], entries.line_of(name)

    def fault(key: str, what: str) -> None:
        at = said.line_of(key) if isinstance(said, Lined) else line
        faults.append(Fault(file, at, f"gói {name}: {what}"))

    if not isinstance(name, str) or not _NAME.fullmatch(name):
        fault("", "tên gồm a-z, 0-9, gạch nối, bắt đầu bằng chữ")
    if not isinstance(said, Lined):
        fault("", "phải là các mục title, org_unit, …")
        return Pack(str(name))
    for key in said:
        if key not in _KEYS:
            fault(key, f"mục lạ {key!r}; có {', '.join(_KEYS)}")
    given: dict[str, Any] = {}
    for key in ("days", "targets", "classes", "mail"):
        if key in said:
            listed = said[key] if isinstance(said[key], list) else [said[key]]
            given[key] = tuple(str(one) for one in listed)
    for key in ("title", "org_unit", "at", "sector"):
        if key in said:
            given[key] = str(said[key]).strip()
    if "folder" in said:
        given["folder"] = Path(str(said["folder"]))
        if not given["folder"].is_absolute():
            fault("folder", "folder phải là đường dẫn đầy đủ")
    title = given.get("title", "Gói số liệu")
    if not (title.isprintable() and 0 < len(title) <= 80):
        fault("title", "title từ 1 đến 80 chữ, trên một dòng")
    if not _CLOCK.fullmatch(given.get("at", "06:30")):
        fault("at", 'at phải là giờ, viết "06:30" (có dấu nháy)')
    _check(given, "days", DAYS, fault)
    _check(given, "classes", CLASSES, fault)
    _check(given, "targets", known["targets"], fault)
    for key in ("org_unit", "sector"):
        if key in given and given[key] not in known[key]:
            fault(key, f"không có {key} {given[key]!r}")
    if "targets" in given and "sector" in given:
        fault("sector", "chỉ ghi một trong targets, sector")
    for address in given.get("mail", ()):
        if not _MAIL.fullmatch(address):
            fault("mail", f"{address!r} không phải địa chỉ thư")
    return Pack(str(name), **given)


def _check(given: dict[str, Any], key: str, allowed: Collection[str], fault: Any) -> None:
    strange = [one for one in given.get(key, ()) if one not in allowed]
    if strange or given.get(key) == ():
        fault(key, f"{key} không có {', '.join(map(repr, strange)) or '(trống)'}")
