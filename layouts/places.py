"""Where an org unit stands: the path from the province down, its addresses, its dates, its order.

Every page that is about an org unit shows the same path: province, area, unit, what of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date
from typing import Any
from unicodedata import normalize
from urllib.parse import quote

from dash import dcc, html

from ioc.model import OrgUnit
from layouts import components, text
from layouts.components import Piece
from layouts.lines import AREA
from layouts.state import desk, readable

LETTERS = "aăâbcdđeêfghijklmnoôơpqrstuưvwxyz"
TONES = "\u0300\u0309\u0303\u0301\u0323"  # huyền, hỏi, ngã, sắc, nặng


def address(uid: str) -> str:
    """The page of one org unit."""
    return f"/org-unit/{quote(uid)}"


def path(uid: str, *last: str) -> list[tuple[str, str]]:
    """Province, area, org unit, then what of it: the steps of ``shell.crumb``."""
    known = desk().orgunits
    steps = [
        (known[one].name, address(one) if readable(one) else "")
        for one in [*reversed(known.ancestors(uid)), uid]
    ]
    steps += [(name, "") for name in last]
    return [("Chỉ tiêu", "/"), *steps[:-1], (steps[-1][0], "")]


def card(unit: OrgUnit, on: date) -> Piece:
    """Where it stands in the tree, what it came from and became, and what is below it."""
    known = desk().orgunits
    above = known.parent(unit.uid, on)
    areas = [known[uid] for uid in known.ancestors(unit.uid)]
    before = [one for one in known.values() if one.successor == unit.uid]
    namesakes = [one for one in known.coded(unit.code) if one.uid != unit.uid]
    return components.card(
        "Vị trí trong tỉnh",
        components.facts([
            ("Cấp trên", name_of(known[above]) if above and known[above] not in areas else None),
            ("Thuộc địa bàn", _listed(areas)),
            ("Thành lập từ", _listed(by_name(before))),
            ("Kế thừa", name_of(known[unit.successor]) if unit.successor else None),
            (f"Mã {unit.code} còn là", _listed(namesakes)),
            *_below(unit, on),
            ("Căn cứ", unit.legal_basis),
        ]),
    )


def _below(unit: OrgUnit, on: date) -> list[tuple[str, Piece]]:
    """Those of the date by level, then those of other dates, folded away."""
    known = desk().orgunits
    inside = [known[uid] for uid in known.children(unit.uid, on)]
    if unit.uid == AREA:
        inside += known.population("department", on)
    inside = [one for one in inside if readable(one.uid)]
    found = [
        (f"{text.LEVELS[level]} ({len(some)})", _listed(by_name(some), dated=False))
        for level in ("area", "district", "department", "commune")
        if (some := [one for one in inside if one.level == level])
    ]
    past = [
        one for one in known.values() if one.area == unit.uid and one.closed and one.closed < on
    ]
    if past and unit.uid != AREA:
        listed = components.more(f"{len(past)} đơn vị", _listed(by_name(past)))
        found.append(("Đã kết thúc", listed))
    return found


def _listed(units: list[OrgUnit], *, dated: bool = True) -> Piece:
    if not units:
        return None
    return html.Ul([html.Li(name_of(unit, dated=dated)) for unit in units], className="places")


def name_of(unit: OrgUnit, *, dated: bool = True) -> Piece:
    """A link to an org unit, with its dates where it is of another epoch."""
    told = life(unit) if dated else ""
    return html.Span([
        dcc.Link(unit.name, href=address(unit.uid)) if readable(unit.uid) else unit.name,
        html.Span(f" {told}", className="place-life") if told else None,
    ])


def names(uids: Iterable[str]) -> dict[str, str]:
    """The names of the org units of one list, those of namesakes with their dates: Sở Y tế (từ
    01/07/2025)."""
    units = [desk().orgunits[uid] for uid in dict.fromkeys(uids)]
    often = Counter(unit.name for unit in units)
    return {
        unit.uid: f"{unit.name} ({life(unit)})"
        if often[unit.name] > 1 and life(unit)
        else unit.name
        for unit in units
    }


def life(unit: OrgUnit) -> str:
    """từ 01/07/2025, đến 30/06/2025, or both; empty for what was always there."""
    return span(unit.opened, unit.closed)


def span(opened: Any, closed: Any) -> str:
    """A stretch of time in words."""
    return text.join(
        [
            f"từ {text.day(opened)}" if text.known(opened) else "",
            f"đến {text.day(closed)}" if text.known(closed) else "",
        ],
        " ",
    )


def alphabetical(name: str) -> list[tuple[list[int], list[int]]]:
    """The key that sorts names as Vietnamese dictionaries do: Đ after D; tones decide last,
    syllable by syllable.
    """
    return [_syllable(word) for word in normalize("NFC", name.casefold()).split()]


def _syllable(word: str) -> tuple[list[int], list[int]]:
    letters, tones = [], []
    for letter in word:
        parts = normalize("NFD", letter)
        tone = next((mark for mark in parts if mark in TONES), "")
        plain = normalize("NFC", parts.replace(tone, ""))
        letters.append(1000 + LETTERS.index(plain) if plain in LETTERS else ord(plain[0]))
        tones.append(TONES.index(tone) + 1 if tone else 0)
    return letters, tones


def by_name(units: list[OrgUnit]) -> list[OrgUnit]:
    """Org units in the order of their names, what kind of place they are aside."""
    return sorted(units, key=lambda unit: alphabetical(unit.name.removeprefix(unit.unit_type)))
