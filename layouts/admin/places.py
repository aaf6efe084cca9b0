"""Org units to choose from when rights are granted: by name or code, of every time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dash import dcc

from kpi.acts import Refused
from layouts import text
from layouts.admin import frame
from layouts.components import Piece
from layouts.state import desk, now

ALL = "*"
LEVELS = {
    "area": "địa bàn",
    "province": "tỉnh",
    "department": "sở, ngành",
    "district": "huyện",
    "commune": "xã",
}


def field(label: str, id: str) -> Piece:
    """A choice of any number of org units, with its label."""
    every = {"label": "Tất cả đơn vị", "value": ALL, "search": f"* tất cả đơn vị {ALL}"}
    units = desk().orgunits
    options = [every] + [
        {"label": told(uid), "value": uid, "search": f"{told(uid)} {uid} {units[uid].code}"}
        for uid in units
        if not units.is_rest(uid)
    ]
    box = dcc.Dropdown(
        options,
        [],
        id=id,
        multi=True,
        placeholder="chưa chọn đơn vị nào",
        labels={
            "select_all": "Chọn tất cả", "deselect_all": "Bỏ chọn",
            "selected_count": "Đã chọn {num_selected}", "search": "Tìm theo tên, mã",
            "clear_search": "Xóa ô tìm", "clear_selection": "Bỏ chọn",
            "no_options_found": "Không có đơn vị nào như vậy",
        },
    )  # fmt: skip
    return frame.field(label, box)


def told(uid: str) -> str:
    """An org unit as it can be told from others of its name or code: level, code and days."""
    unit = desk().orgunits[uid]
    opened = f"từ {text.day(unit.opened)}" if unit.opened else ""
    closed = f"đến {text.day(unit.closed)}" if unit.closed else ""
    days = " ".join(filter(None, (opened, closed)))
    return text.join([unit.name, LEVELS.get(unit.level, ""), unit.code, days])


def chosen(given: Any) -> tuple[str, ...] | None:
    """The org units that were chosen, or written by code or uid; None stands for all.

    A code means the unit that has it today.

    Raises:
        UnknownOrgUnit, Refused: there is no such unit.
    """
    words = [given] if isinstance(given, str) else list(given or [])
    names = [word.strip() for word in words if str(word).strip()]
    return None if ALL in names else tuple(map(_uid, names))


def said(uids: Iterable[str] | None) -> str:
    """Which units were taken, in words."""
    return "tất cả đơn vị" if uids is None else "; ".join(map(told, uids))


def _uid(word: str) -> str:
    units = desk().orgunits
    if word in units:
        return word
    found = units.coded(word)
    if not found:
        raise Refused(f"Không có đơn vị nào mang mã “{word}”; hãy chọn trong danh sách.")
    open_ = [unit for unit in found if unit.open_on(now().date())]
    return (open_ or found[-1:])[0].uid
