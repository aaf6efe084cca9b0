"""Org units to choose from when rights are granted: by name or code, of every time."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from dash import html

from ioc.orgunits import OrgUnits
from kpi.acts import Refused
from layouts import text
from layouts.admin import frame
from layouts.components import Piece
from layouts.state import desk, now

LIST, EVERY = "admin-places", "Tất cả đơn vị"
HINT = "gõ tên hoặc mã để tìm"
MANY = "nhiều đơn vị: cách nhau bằng dấu chấm phẩy"
LEVELS = {
    "area": "địa bàn",
    "province": "tỉnh",
    "department": "sở, ngành",
    "district": "huyện",
    "commune": "xã",
}


def field(label: str, id: str) -> Piece:
    """Where org units are written, with the entries that the browser finds while one types."""
    return frame.field(label, frame.line(id, list=LIST, most=500, placeholder=HINT))


def entries() -> Piece:
    """The list that the fields of a page look into, once for all of them."""
    return html.Datalist([html.Option(value=one) for one in (EVERY, *_by_entry())], id=LIST)


@lru_cache(4)
def _entries(units: OrgUnits) -> dict[str, str]:
    return {told(uid): uid for uid in units if not units.is_rest(uid)}


def _by_entry() -> dict[str, str]:
    return _entries(desk().orgunits)


def told(uid: str) -> str:
    """An org unit as it can be told from others of its name or code: level, code and days."""
    unit = desk().orgunits[uid]
    opened = f"từ {text.day(unit.opened)}" if unit.opened else ""
    closed = f"đến {text.day(unit.closed)}" if unit.closed else ""
    days = " ".join(filter(None, (opened, closed)))
    return text.join([unit.name, LEVELS.get(unit.level, ""), unit.code, days])


def chosen(given: Any) -> tuple[str, ...] | None:
    """The org units that were written: entries of the list, codes or uids; None stands for all.

    Several stand with semicolons between them, codes also with commas. A code means the unit that
    has it today, else the last that had it.

    Raises:
        Refused: there is no such unit.
    """
    words = " ".join(str(given or "").split())
    if words in ("*", EVERY):
        return None
    found: list[str] = []
    for part in filter(None, map(str.strip, words.split(";"))):
        uid = _uid(part)
        found += [uid] if uid else [_known(one.strip()) for one in part.split(",")]
    return tuple(found)


def said(uids: Iterable[str] | None) -> str:
    """Which units were taken, in words."""
    return "tất cả đơn vị" if uids is None else "; ".join(map(told, uids))


def _known(word: str) -> str:
    uid = _uid(word)
    if uid is None:
        raise Refused(f"Không có đơn vị “{word}”; hãy gõ tên hoặc mã rồi chọn trong danh sách.")
    return uid


def _uid(word: str) -> str | None:
    units = desk().orgunits
    if word in units:
        return word
    if word in _by_entry():
        return _by_entry()[word]
    found = units.coded(word)
    open_ = [unit for unit in found if unit.open_on(now().date())]
    return (open_ or found[-1:])[0].uid if found else None
