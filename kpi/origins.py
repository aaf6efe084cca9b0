"""Which poll brought what became known at a boundary: sums keep the boundary, not the poll.

A poll writes at the boundary of its minute, so the source and the clock name it. Numbers of polls
grow with the clock: a poll of an instant is found by halving, not by a scan.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from sqlalchemy import Connection

from ioc.period import day_number
from kpi.elements import Element

_MINUTE = 60_000_000
BACK = 60
"""Polls of a source that are looked at before the end of a boundary's minute, one a second."""
_BROUGHT = "(ended_at IS NULL OR new + changed + gone > 0)"


@dataclass(frozen=True, slots=True)
class Poll:
    """The newest poll that wrote at a boundary; ``given_by`` where a person gave its file."""

    run: int
    given_by: str


def polls_at(
    connection: Connection, source: str, boundaries: Iterable[int | None]
) -> dict[int, Poll]:
    """The polls of a source that brought something at each boundary, the newest of each.

    A boundary in a history that was built from the source's own change times has none: absent.
    """
    first = connection.scalar(
        sa.text("SELECT first_poll_at FROM source WHERE id = :source"), {"source": source}
    )
    found: dict[int, Poll] = {}
    for at in {one for one in boundaries if one is not None}:
        if first is None or at + _MINUTE <= first:
            continue
        row = connection.execute(
            sa.text(
                "SELECT run, given_by FROM (SELECT run, given_by, ended_at, new, changed, gone"
                " FROM poll_run WHERE source = :source AND run < :after"
                f" ORDER BY run DESC LIMIT {BACK}) AS newest"
                f" WHERE {_BROUGHT} AND (ended_at IS NULL OR ended_at >= :at)"
                " ORDER BY run DESC LIMIT 1"
            ),
            {"source": source, "at": at, "after": _first_begun(connection, at + _MINUTE)},
        ).first()
        if row is not None:
            found[at] = Poll(row.run, row.given_by)
    return found


def declared_at(
    connection: Connection,
    elements: Iterable[Element],
    org_unit: str,
    days: tuple[date, date],
    boundary: int,
) -> Poll | None:
    """The poll that brought a declared figure at a boundary: readings say it themselves."""
    listed = ", ".join(f"'{element.id}'" for element in elements if element.reading)
    if not listed:
        return None
    row = connection.execute(
        sa.text(
            "SELECT x.run, r.given_by FROM observation x JOIN poll_run r ON r.run = x.run"
            f" WHERE x.element IN ({listed}) AND x.day BETWEEN :first AND :last"
            " AND x.run IS NOT NULL AND x.known_at = :at AND (x.org_unit = :unit OR x.org_unit IN"
            " (SELECT leaf FROM closure WHERE ancestor = :unit)) ORDER BY x.run DESC LIMIT 1"
        ),
        {
            "first": day_number(days[0]),
            "last": day_number(days[1]),
            "at": boundary,
            "unit": org_unit,
        },
    ).first()
    return None if row is None else Poll(row.run, row.given_by)


def _first_begun(connection: Connection, at: int) -> int:
    """The number of the first poll, of whatever source, that began at or after an instant."""
    low, high = 0, (connection.scalar(sa.text("SELECT MAX(run) FROM poll_run")) or 0) + 1
    while low < high:
        middle = (low + high) // 2
        found = connection.execute(
            sa.text("SELECT run, started_at FROM poll_run WHERE run >= :run ORDER BY run LIMIT 1"),
            {"run": middle},
        ).first()
        if found is None or found.started_at >= at:
            high = middle
        else:
            low = found.run + 1
    return low
