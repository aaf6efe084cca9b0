"""Rows that were refused, as they may be read again: what they said is kept with the reason.

A row is one to replay while nothing newer stands in its place. What it becomes belongs to the run
that read it, so its origin stays true; the run of the replay only counts.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ioc.model import Reading, Record
from ioc.period import Period
from kpi.schema import FAR
from kpi.smallness import HIDDEN
from kpi.store import KpiStore
from kpi.validation import SUSPECTED

MOST = 20_000
"""Rows that one replay looks through, the newest of them."""
_INSTANTS = ("opened_at", "due_at", "closed_at", "changed_at")
_NUMBERS = ("quantity", "lat", "lon")


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that was refused: the run that read it, where it stood, its coded fields as text."""

    run: int
    position: str
    rule: str
    fields: dict[str, str]

    @property
    def readable(self) -> bool:
        """Whether all that it said is still there: a masked field was not kept."""
        return bool(self.fields) and HIDDEN not in self.fields.values()


def refused(store: KpiStore, source: str) -> list[Refused]:
    """The refused rows of a source, oldest first, each row of a run once."""
    with store.read() as connection:
        found = connection.execute(
            sa.text(
                "SELECT run, position, rule, fields FROM rejection WHERE source = :source"
                f" AND rule NOT IN {SUSPECTED} ORDER BY id DESC LIMIT {MOST}"
            ),
            {"source": source},
        ).all()
    rows = {
        tuple(row): Refused(row.run, row.position, row.rule, json.loads(row.fields))
        for row in reversed(found)
    }
    return list(rows.values())


def items_of(store: KpiStore, row: Refused) -> Sequence[Record | Reading]:
    """What a row was once it had been read; nothing for one that could not be, or is masked."""
    if not row.readable or row.rule == "unreadable":
        return ()
    try:
        if "element" in row.fields:
            return [_reading(row)]
        return [_record(row)] if "kind" in row.fields else _together(store, row)
    except (KeyError, ValueError, TypeError):
        return ()


def is_past(
    store: KpiStore, source: str, row: Refused, item: Record | Reading, now: datetime
) -> bool:
    """Whether what stands in an item's place was read by the same run or a later one."""
    taken = store.rules.validate(source, [item], row.run, now)
    with store.read() as connection:
        for _, record in taken.records:
            standing = connection.scalar(
                sa.text("SELECT run FROM record WHERE source = :source AND key = :key"),
                {"source": record[0], "key": record[1]},
            )
            return standing is not None and standing >= row.run
        for _, cell in taken.readings:
            standing = connection.scalar(
                sa.text(
                    "SELECT run FROM observation WHERE element = :element AND org_unit = :unit"
                    f" AND day = :day AND superseded_at = {FAR}"
                ),
                dict(zip(("element", "unit", "day"), cell[:3], strict=True)),
            )
            return standing is not None and standing >= row.run
    return False


def _record(row: Refused) -> Record:
    said = row.fields
    values: dict[str, Any] = {name: said[name] for name in ("kind", "key", "org_unit")}
    values |= {n: said[n] for n in "place state category channel result".split() if n in said}
    values |= {n: datetime.fromisoformat(said[n]) for n in _INSTANTS if n in said}
    values |= {n: float(said[n]) for n in _NUMBERS if n in said}
    return Record(position=row.position, **values)


def _reading(row: Refused) -> Reading:
    said = row.fields
    changed = said.get("changed_at")
    return Reading(
        said["element"],
        said["org_unit"],
        Period.parse(said["period"]),
        float(said["value"]),
        datetime.fromisoformat(changed) if changed else None,
        row.position,
    )


def _together(store: KpiStore, row: Refused) -> list[Reading]:
    """Figures that were refused as a pair, as ``kpi.plausibility`` tells them."""
    code = store.orgunits[row.fields["org_unit"]].code
    period = Period.parse(row.fields["period"])
    return [
        Reading(name, code, period, _number(row.fields[name]), position=row.position)
        for name in row.fields
        if name in store.catalogue.elements
    ]


def _number(told: str) -> float:
    """The number that ``kpi.validation.figure`` wrote."""
    return float(told.replace(".", "").replace(",", "."))
