"""How a column of the store reads in a file that outlives us: instants, days and periods in words.

``written`` and ``read`` undo each other exactly, so that a file holds what the store held and the
hash of a record can be worked out from its row.
"""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from ioc.inert import inert, original
from ioc.period import date_of, day_number
from kpi.schema import FAR, instant_of

Cell = Any
_INSTANTS = {"at", "slot", "covered_until", "changed_until", "load_boundary"}
_DAYS = {"day", "valid_from", "valid_to", "judged_on"}
_PERIODS = {"period", "window", "upto"}
_PATTERN = "%Y-%m-%dT%H:%M:%S.%fZ"
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  all instants here are UTC, and say so with a Z
_MICRO = timedelta(microseconds=1)


def field(column: sa.Column) -> dict[str, Any]:
    """The column as a field of Table Schema (Frictionless), with the rule for what is absent."""
    kind, _, _ = _ways(column)
    said: dict[str, Any] = {"name": column.name, "type": kind}
    if kind == "datetime":
        said["format"] = _PATTERN
    if column.name == "superseded_at":
        said["description"] = "trống: vẫn đang được tin"
    if kind in ("datetime", "date", "integer", "number") and not (
        column.nullable or column.name == "superseded_at"
    ):
        said["constraints"] = {"required": True}
    return said


def writers(columns: list[sa.Column]) -> list[Callable[[Any], str]]:
    """For each column what makes a cell of its value; None is an empty cell."""
    return [_ways(column)[1] for column in columns]


def readers(columns: list[sa.Column]) -> list[Callable[[str], Any]]:
    """For each column what makes a value of its cell; ValueError where it cannot be one."""
    return [_ways(column)[2] for column in columns]


def _ways(column: sa.Column) -> tuple[str, Callable[[Any], str], Callable[[str], Any]]:
    name, absent = column.name, bool(column.nullable)
    if isinstance(column.type, sa.Text):
        return "string", _text if not absent else _maybe_text, _read_text(absent)
    if isinstance(column.type, sa.Double | sa.REAL):
        return "number", _absent(_number), _known(float, absent)
    if name == "superseded_at":
        return "datetime", _until, lambda cell: _read_instant(cell) if cell else FAR
    if name.endswith("_at") or name in _INSTANTS:
        return "datetime", _absent(_instant), _known(_read_instant, absent)
    if name.endswith("_day") or name in _DAYS:
        return "date", _absent(_day), _known(_read_day, absent)
    if name in _PERIODS:
        return "string", _absent(_period), _known(_read_period, absent)
    return "integer", _absent(str), _known(int, absent)


def _absent(write: Callable[[Any], str]) -> Callable[[Any], str]:
    return lambda value: "" if value is None else write(value)


def _known(read: Callable[[str], Any], nullable: bool) -> Callable[[str], Any]:
    def known(cell: str) -> Any:
        if cell == "" and nullable:
            return None
        return read(cell)

    return known


def _text(value: str) -> str:
    return inert(value)


def _maybe_text(value: str | None) -> str:
    """An empty text is one apostrophe where a cell may also say that there is none."""
    return "" if value is None else inert(value) or "'"


def _read_text(nullable: bool) -> Callable[[str], str | None]:
    return lambda cell: None if nullable and cell == "" else original(cell)


def _number(value: float) -> str:
    return repr(float(value))


@lru_cache(4096)
def _instant(value: int) -> str:
    at = instant_of(value)
    assert at is not None
    return f"{at.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def _until(value: int) -> str:
    return "" if value == FAR else _instant(value)


@lru_cache(4096)
def _read_instant(cell: str) -> int:
    return (datetime.strptime(cell, _PATTERN) - _EPOCH) // _MICRO  # noqa: DTZ007  it ends with Z


@lru_cache(4096)
def _day(value: int) -> str:
    return date_of(value).isoformat()


@lru_cache(4096)
def _read_day(cell: str) -> int:
    return day_number(date.fromisoformat(cell))


@lru_cache(4096)
def _period(value: int) -> str:
    return f"{value:04d}" if value <= 9999 else f"{value // 12:04d}-{value % 12 + 1:02d}"


@lru_cache(4096)
def _read_period(cell: str) -> int:
    year, month = int(cell[:4]), cell[5:]
    return year * 12 + int(month) - 1 if month else year
