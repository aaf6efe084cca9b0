"""What the address of an indicator's page asks for, and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from ioc.errors import IocError
from ioc.model import OrgUnit
from kpi import query
from layouts.lines import AREA, Line, Part, Row, closed, combine, indicators, split, unsure
from layouts.state import ask, desk, link, today

LEVELS = ("area", "department", "commune", "district")
DISTRICTS_END = date(2025, 6, 30)


@dataclass(frozen=True, slots=True)
class View:
    """What the address asks for, and what is known of it."""

    key: str
    org_unit: str
    level: str
    closing: bool  # which figure is ranked: the closing one, or the live one
    indicator: Row
    line: Line | None
    part: Part | None

    @property
    def unit(self) -> OrgUnit:
        return desk().orgunits[self.org_unit]

    @property
    def row(self) -> Row:
        return self.part.row if self.part else {}

    @property
    def borders(self) -> tuple[Any, ...]:
        return self.line.lines if self.line else ()

    @property
    def status(self) -> str:
        return self.row.get("status") or ("no_source" if not self.indicator["source"] else "")

    @property
    def locked(self) -> bool:
        return bool(self.line and self.part and self.line.early(self.part))

    @property
    def muted(self) -> bool:
        return self.locked or unsure(self.row)

    def address(self, **changes: Any) -> str:
        """This view with something changed; defaults stay out of the address."""
        given: dict[str, Any] = {
            "org_unit": "" if self.org_unit == AREA else self.org_unit,
            "level": "" if self.level == LEVELS[0] else self.level,
            "figure": "" if self.closing else "live",
        }
        return link(f"/indicator/{self.key}", **(given | changes))


def look(key: str, org_unit: str = "", level: str = "", figure: str = "") -> View | None:
    """The view of an address; None when it names nothing that we have."""
    known = indicators()
    uid = org_unit or AREA
    if key not in known or uid not in desk().orgunits:
        return None
    targets = ask(query.targets).to_dict("records")
    line = part = None
    name = next((row["target"] for row in targets if key in split(row["indicators"])), None)
    if name:
        rows = ask(query.standings, targets=[name], org_units=[uid]).to_dict("records")
        found = combine(targets, rows, known, on=today())
        line = next(line for line in found if line.id == name)
        part = next(p for p in line.parts if p.indicator == key)
    chosen = level if level in LEVELS else LEVELS[0]
    ended = bool(part and closed(part.row)) and figure != "live"
    return View(key, uid, chosen, ended, known[key], line, part)


def again(given: Any) -> View:
    """The view that a page remembers; refused when it is none of ours."""
    wanted = given if isinstance(given, dict) else {}
    names = ("key", "org_unit", "level", "figure")
    view = look(*(str(wanted.get(name) or "") for name in names))
    if view is None:
        raise IocError("Không có chỉ số này: hãy tải lại trang.")
    return view
