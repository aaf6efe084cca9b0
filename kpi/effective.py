"""Targets and formulas as they were in force: read back from the versions of the configuration."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from kpi.configversions import INDICATORS, TARGETS
from kpi.schema import FAR, instant_of, micros
from kpi.targets import Target, Wording

JUDGED = (
    "indicators operator threshold threshold_high second_reading populations judged_over"
    " baseline_date baseline_value closing_dates reading_in_force"
).split()
"""What a target is judged by; all else of it are words."""
WORDS = ("name", "short", "definition", "owner", "unit", "note", "exclusions")
"""What a definition may change without changing a figure."""
_LISTS = ("indicators", "populations", "closing_dates")
_DAYS = ("baseline_date", "closing_dates")


@dataclass(frozen=True, slots=True)
class Change:
    """The newest version of the configuration that changed an entry, and when it was kept."""

    number: int
    at: datetime


@dataclass(frozen=True, slots=True)
class History:
    """Entries by id as they were at an instant, and those that had changed by a later one."""

    then: Mapping[str, Any]
    later: Mapping[str, Any]
    changed: Mapping[str, Change]


def history(connection: Connection, file: str, since: datetime, until: datetime | None) -> History:
    """The catalogue's entries (``INDICATORS``, ``TARGETS``) at one instant and at a later one.

    Before the first version that was kept that one counts: nothing older is known.
    """
    rows = connection.execute(
        sa.text("SELECT id, at, body FROM config_version WHERE file = :file ORDER BY id"),
        {"file": file},
    ).all()
    begin, end = micros(since) or 0, FAR if until is None else micros(until) or 0
    rows = [row for row in rows if row.body and (row.at <= end or row is rows[0])]
    if not rows:
        return History({}, {}, {})
    older = [row for row in rows if row.at <= begin] or rows[:1]
    then = last = json.loads(older[-1].body)
    changed: dict[str, Change] = {}
    for row in rows[len(older) :]:
        body, at = json.loads(row.body), instant_of(row.at)
        assert at is not None
        for id in {*last, *body}:
            if last.get(id) != body.get(id):
                changed[id] = Change(row.id, at)
        last = body
    return History(
        then, last, {id: one for id, one in changed.items() if then.get(id) != last.get(id)}
    )


def judged(target: Target) -> tuple[Any, ...]:
    """What decides a target's status."""
    return (*(getattr(target, name) for name in JUDGED), target.wordings)


def restored(target: Target, said: Mapping[str, Any] | None) -> Target:
    """A target judged by what was kept of it; as it is where nothing was, or it named others."""
    if not said or tuple(said.get("indicators") or ()) != target.indicators:
        return target
    wordings = tuple(_wording(one) for one in said.get("wordings") or ())
    return replace(target, wordings=wordings, **dict(_typed(said)))


def _wording(said: Mapping[str, Any]) -> Wording:
    days = {"begins": _day(said["begins"])}
    closing = tuple(filter(None, map(_day, said["closing_dates"])))
    return Wording(**{**said, **days, "closing_dates": closing})


def _typed(said: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in JUDGED:
        if name not in said:
            continue
        value = said[name]
        if name in _DAYS:
            value = [_day(one) for one in value] if name in _LISTS else _day(value)
        yield name, tuple(value) if name in _LISTS else value


def _day(written: str | None) -> date | None:
    return date.fromisoformat(written) if written else None


def reformed(connection: Connection, before: str, after: str) -> bool:
    """Whether two definitions count or divide differently, and not only in their words."""
    rows = connection.execute(
        sa.text("SELECT definition, yaml FROM definition_version WHERE definition IN (:a, :b)"),
        {"a": before, "b": after},
    )
    known = {row.definition: _formula(row.yaml) for row in rows}
    return len(known) < 2 or known[before] != known[after]


def _formula(text: str) -> Any:
    said = json.loads(text)
    return {
        kind: {
            id: {name: value for name, value in one.items() if name not in WORDS}
            for id, one in entries.items()
        }
        for kind, entries in said.items()
    }


__all__ = ["INDICATORS", "TARGETS", "Change", "History", "history", "judged", "reformed",
           "restored"]  # fmt: skip
