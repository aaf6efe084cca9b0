"""What the address of the projects asks for, and what two questions say of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ioc.errors import IocError
from kpi import query
from layouts import theme
from layouts.lines import Row
from layouts.state import FILTERS, desk, now, rows
from layouts.text import known

MOST = 5000
"""Milestones of one page; a register has a few hundred."""
NAMES = ("sector", "org_unit", "state")


@dataclass(frozen=True, slots=True)
class Asked:
    """The filters of the address; empty: all."""

    sector: str = ""
    org_unit: str = ""
    state: str = ""

    @property
    def given(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in NAMES}

    @property
    def narrowed(self) -> bool:
        return any(self.given.values())


@dataclass(frozen=True)
class Found:
    """The projects of an address, and the milestones that were reported of them."""

    asked: Asked
    rows: list[Row]
    milestones: list[Row]

    @cached_property
    def of(self) -> dict[str, list[Row]]:
        """Milestones by project, in the order of their codes."""
        found: dict[str, list[Row]] = {row["project"]: [] for row in self.rows}
        for row in sorted(self.milestones, key=lambda one: one["channel"]):
            if row["category"] in found:
                found[row["category"]].append(row)
        return found

    @cached_property
    def late(self) -> list[tuple[Row, Row]]:
        """Projects with each of their open milestones that are past their day."""
        return [
            (project, row)
            for project in self.rows
            for row in self.of[project["project"]]
            if overdue(row)
        ]


def overdue(row: Row) -> bool:
    """Whether a milestone is open past its day."""
    return not known(row["closed_at"]) and known(row["due_at"]) and row["due_at"] < now()


def look(given: Mapping[str, Any]) -> Asked | None:
    """The filters of an address; None when it names something that we do not have."""
    wanted = {name: str(given.get(name) or "") for name in NAMES}
    if any(given.get(name) for name in FILTERS if name not in NAMES):
        return None
    allowed = {
        "sector": desk().store.catalogue.sectors,
        "org_unit": desk().orgunits,
        "state": theme.PROJECT,
    }
    if any(value and value not in allowed[name] for name, value in wanted.items()):
        return None
    return Asked(**wanted)


def again(given: Any) -> Asked:
    """The filters that a page remembers; refused when they are none of ours."""
    asked = look(given) if isinstance(given, dict) else None
    if asked is None:
        raise IocError("Không có danh mục dự án này: hãy tải lại trang.")
    return asked


def find(asked: Asked) -> Found:
    """The projects of an address with their milestones."""
    wanted = {f"{name}s": [value] for name, value in asked.given.items() if value}
    milestones = rows(query.records, kinds=["milestone"], limit=MOST)
    return Found(asked, rows(query.projects, **wanted), milestones)
