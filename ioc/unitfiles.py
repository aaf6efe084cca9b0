"""Reads the org-unit files and lists everything in them that contradicts itself.

``orgunits.csv`` holds areas, rest leaves, province, districts and communes of all epochs;
``departments.csv`` the departments, whose successors are codes and not uids.
"""

import csv
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, cast

from ioc.errors import ConfigError, Fault
from ioc.model import LEVELS, Level, OrgUnit

FOLDER = Path(__file__).parent / "units"
ROOT = "area-qb"
REST = "rest-"
ALIAS_GROUP = "ubnd_huyen"  # rows UBND-45x: another name of district 45x, no unit of its own
GROUPS = ("so_ban_nganh", "nganh_doc", "doanh_nghiep", ALIAS_GROUP)
_DAY = timedelta(days=1)
_COLUMNS = {
    "orgunits.csv": (
        *("uid", "code", "name", "level", "unit_type", "parent_code", "area"),
        *("opened", "closed", "successor", "lat", "lon", "population", "area_km2"),
        *("legal_basis", "assumed"),
    ),
    "departments.csv": (
        *("uid", "code", "name", "abbr", "group", "opened", "closed", "successor"),
        *("assumed", "bullets", "systems"),
    ),
}
_Lines = dict[str, tuple[str, int]]


def read_units(folder: Path) -> tuple[list[OrgUnit], dict[str, str]]:
    """All org units in the order of the files, and aliases (``UBND-450`` -> code ``450``).

    Raises:
        ConfigError: lists all faults with file and line.
    """
    faults: list[Fault] = []
    lines: _Lines = {}
    units: list[OrgUnit] = []
    for name in _COLUMNS:
        for line, row in _rows(folder / name, faults):
            unit = _unit(row, name, line, faults)
            if unit is None:
                continue
            if unit.uid in lines:
                faults.append(Fault(name, line, f"uid {unit.uid!r} bị lặp"))
                continue
            lines[unit.uid] = (name, line)
            units.append(unit)
    units = _follow_department_codes(units, lines, faults)
    aliases = _aliases(units, lines, faults)
    units = [unit for unit in units if unit.group != ALIAS_GROUP]
    _check(units, lines, faults)
    if faults:
        raise ConfigError(sorted(faults, key=lambda fault: (fault.file, fault.line)))
    return units, aliases


def _rows(path: Path, faults: list[Fault]) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        faults.append(Fault(path.name, 0, f"không đọc được tệp: {error}"))
        return
    reader = csv.DictReader(text.splitlines())
    missing = [name for name in _COLUMNS[path.name] if name not in (reader.fieldnames or ())]
    if missing:
        faults.append(Fault(path.name, 1, f"thiếu cột: {', '.join(missing)}"))
        return
    for row in reader:
        line = reader.line_num
        if None in row or None in row.values():
            faults.append(Fault(path.name, line, "số ô không khớp với tiêu đề"))
        elif not unicodedata.is_normalized("NFC", "".join(row.values())):
            faults.append(Fault(path.name, line, "chữ có dấu chưa ở dạng dựng sẵn (NFC)"))
        else:
            yield line, {key: value.strip() for key, value in row.items()}


def _unit(row: dict[str, str], file: str, line: int, faults: list[Fault]) -> OrgUnit | None:
    before = len(faults)
    department = file == "departments.csv"
    level = "department" if department else row["level"]

    def fault(message: str) -> None:
        faults.append(Fault(file, line, message))

    def read(name: str, how: Callable[[str], Any], what: str) -> Any:
        try:
            return how(row[name]) if row.get(name) else None
        except ValueError:
            return fault(f"{name} {row[name]!r} không phải {what}")

    if level not in LEVELS:
        fault(f"cấp {level!r} không có; chọn {', '.join(LEVELS)}")
    if department and row["group"] not in GROUPS:
        fault(f"nhóm {row['group']!r} không có; chọn {', '.join(GROUPS)}")
    for name in ("uid", "code", "name"):
        if not row[name]:
            fault(f"cột {name} trống")
    opened = read("opened", date.fromisoformat, "ngày (2025-07-01)")
    closed = read("closed", date.fromisoformat, "ngày (2025-06-30)")
    lat, lon = read("lat", float, "số"), read("lon", float, "số")
    population, km2 = read("population", int, "số nguyên"), read("area_km2", float, "số")
    if lat is not None and not 8 <= lat <= 24:
        fault(f"vĩ độ {lat} ngoài Việt Nam")
    if lon is not None and not 102 <= lon <= 118:
        fault(f"kinh độ {lon} ngoài Việt Nam")
    if opened and closed and closed < opened:
        fault(f"kết thúc {closed} trước khi bắt đầu {opened}")
    if len(faults) > before:
        return None
    return OrgUnit(
        uid=row["uid"],
        code=row["code"],
        name=row["name"],
        level=cast(Level, level),
        unit_type=row.get("unit_type", ""),
        group=row.get("group", ""),
        abbr=row.get("abbr", ""),
        parent_code="44" if department else row["parent_code"],
        area=ROOT if department else row["area"],
        opened=opened,
        closed=closed,
        successor=row["successor"] or None,
        lat=lat,
        lon=lon,
        population=population,
        area_km2=km2,
        assumed=row["assumed"],
        legal_basis=row.get("legal_basis", ""),
    )


def _follow_department_codes(
    units: list[OrgUnit], lines: _Lines, faults: list[Fault]
) -> list[OrgUnit]:
    """A department's successor is a code, else its own: the row valid on the day after."""
    departments = [unit for unit in units if unit.level == "department"]
    codes = {unit.code for unit in departments}
    followed = []
    for unit in units:
        if unit.level == "department" and unit.closed:
            code, day = unit.successor or unit.code, unit.closed + _DAY
            if code not in codes:
                faults.append(Fault(*lines[unit.uid], f"đơn vị kế thừa {code!r} không có"))
            after = [u.uid for u in departments if u.code == code and u.open_on(day)]
            if unit.successor and code in codes and not after:
                faults.append(
                    Fault(*lines[unit.uid], f"đơn vị kế thừa {code!r} chưa có hiệu lực ngày {day}")
                )
            unit = replace(unit, successor=after[0] if after else None)
        followed.append(unit)
    return followed


def _aliases(units: list[OrgUnit], lines: _Lines, faults: list[Fault]) -> dict[str, str]:
    districts = {unit.code for unit in units if unit.level == "district"}
    aliases = {}
    for unit in units:
        if unit.group == ALIAS_GROUP:
            code = unit.code.removeprefix("UBND-")
            if code not in districts:
                faults.append(Fault(*lines[unit.uid], f"{unit.code!r} không ứng với huyện nào"))
                continue
            aliases[unit.code] = aliases[unit.uid] = code
    return aliases


def _check(units: list[OrgUnit], lines: _Lines, faults: list[Fault]) -> None:
    by_uid = {unit.uid: unit for unit in units}
    by_code: dict[str, list[OrgUnit]] = {}
    for unit in units:
        for message in _contradictions(unit, by_uid):
            faults.append(Fault(*lines[unit.uid], message))
        for other in by_code.get(unit.code, ()):
            if _overlap(unit, other):
                faults.append(
                    Fault(*lines[unit.uid], f"mã {unit.code!r} trùng thời gian với {other.uid}")
                )
        by_code.setdefault(unit.code, []).append(unit)
    if ROOT not in by_uid:
        faults.append(Fault("orgunits.csv", 0, f"thiếu địa bàn gốc {ROOT!r}"))


def _contradictions(unit: OrgUnit, by_uid: Mapping[str, OrgUnit]) -> Iterator[str]:
    area = by_uid.get(unit.area)
    if unit.area and (area is None or area.level != "area"):
        yield f"địa bàn {unit.area!r} không có"
    if not unit.area and unit.level in ("commune", "district"):
        yield f"{unit.name} không thuộc địa bàn nào"
    if area is not None and not unit.uid.startswith(REST) and REST + unit.area not in by_uid:
        yield f"địa bàn {unit.area!r} thiếu phần chuyển tiếp {REST + unit.area!r}"
    if unit.level == "area" and unit.closed:
        yield "địa bàn không được có ngày kết thúc"
    if unit.successor is None:
        return
    heir = by_uid.get(unit.successor)
    if heir is None:
        yield f"đơn vị kế thừa {unit.successor!r} không có"
    elif unit.closed is None:
        yield f"còn hiệu lực mà đã có đơn vị kế thừa {unit.successor!r}"
    elif heir.level != unit.level or heir.area != unit.area:
        yield f"đơn vị kế thừa {unit.successor!r} khác cấp hoặc khác địa bàn"
    elif not heir.open_on(unit.closed + _DAY):
        yield f"đơn vị kế thừa {unit.successor!r} không có hiệu lực ngay sau {unit.closed}"


def _overlap(one: OrgUnit, other: OrgUnit) -> bool:
    return (one.opened or date.min) <= (other.closed or date.max) and (
        other.opened or date.min
    ) <= (one.closed or date.max)
