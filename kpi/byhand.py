"""How much of a figure came by hand: told beside it until the source itself has said it.

Asked only of sources for which somebody gave a file; one statement for all windows wanted.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from datetime import date
from typing import NamedTuple

import sqlalchemy as sa

from ioc.period import day_number
from kpi.answer import Snapshot, SourceState
from kpi.elements import Element
from kpi.given import BY_HAND
from kpi.tally import EVENT, serves_sql, where_sql

_TREE = (
    "tree(uid, leaf) AS (SELECT o.uid, c.leaf FROM org o JOIN closure c ON c.ancestor = o.uid"
    " UNION ALL SELECT uid, uid FROM org)"
)


class Window(NamedTuple):
    """The days that a figure is about, and the elements that it is made of."""

    key: Hashable
    source: SourceState
    elements: tuple[Element, ...]
    first: date
    last: date


class Hand(NamedTuple):
    """How many org units gave a part of a figure by hand, on how many days; the newest run."""

    units: int
    days: int
    run: int


Found = dict[tuple[Hashable, str], Hand]


def by_hand(snapshot: Snapshot, windows: Iterable[Window], units: Sequence[str]) -> Found:
    """What came by hand, by (key of the window, org unit); absent where nothing did.

    Of a stock the reading that is carried to the end of the window counts, as in its sum.
    """
    given = [window for window in windows if window.source.given]
    if not given or not units:
        return {}
    found: dict[tuple[Hashable, str], list[Hand]] = defaultdict(list)
    org = "org(uid) AS (VALUES " + ", ".join(f"(:u{i})" for i in range(len(units))) + ")"
    names = {f"u{i}": uid for i, uid in enumerate(units)}
    for sql in (_readings(snapshot, given, org), *_records(snapshot, given, org)):
        for n, uid, *counts in snapshot.connection.execute(sa.text(sql), names) if sql else ():
            found[given[n].key, uid].append(Hand(*counts))
    return {at: _most(hands) for at, hands in found.items()}


def _most(hands: list[Hand]) -> Hand:
    return Hand(*(max(each) for each in zip(*hands, strict=True)))


def words(hand: Hand, behind: int, what: str) -> str:
    """nhập tay, or nhập tay một phần (2/190 đơn vị)."""
    part = hand.days if what == "tháng" else hand.units
    return "nhập tay" if part >= behind else f"nhập tay một phần ({part}/{behind} {what})"


def _rows(windows: Sequence[Window], *, counted: bool) -> list[tuple[int, Window, Element]]:
    return [
        (n, window, element)
        for n, window in enumerate(windows)
        for element in {element.id: element for element in window.elements}.values()
        if bool(element.count) == counted
    ]


def _readings(snapshot: Snapshot, windows: Sequence[Window], org: str) -> str:
    listed = [
        f"({n}, '{element.id}', {_first(window, element)}, {day_number(window.last)},"
        f" {int(element.over_time == 'last')}, {window.source.boundary})"
        for n, window, element in _rows(windows, counted=False)
    ]
    if not listed:
        return ""
    return (
        f"WITH w(n, element, first, last, stock, b) AS (VALUES {', '.join(listed)}), {org}, {_TREE}"
        " SELECT w.n, t.uid, COUNT(DISTINCT x.org_unit), COUNT(DISTINCT x.day), MAX(x.run)"
        " FROM w JOIN observation x ON x.element = w.element AND x.day BETWEEN w.first AND w.last"
        f" AND x.run IS NOT NULL AND x.run IN {BY_HAND} AND {snapshot.visible('x', 'w.b')}"
        " JOIN tree t ON t.leaf = x.org_unit JOIN org_unit u ON u.uid = x.org_unit"
        " WHERE w.stock = 0 OR ((u.closed_day >= w.last OR t.uid = t.leaf) AND NOT EXISTS"
        " (SELECT 1 FROM observation y WHERE y.element = x.element AND y.org_unit = x.org_unit"
        f" AND y.day > x.day AND y.day <= w.last AND {snapshot.visible('y', 'w.b')}))"
        " GROUP BY w.n, t.uid"
    )


def _first(window: Window, element: Element) -> int:
    if element.over_time == "last":  # an ancestor carries what was said earlier in that year
        return day_number(date(window.last.year, 1, 1))
    return day_number(window.first)


def _records(snapshot: Snapshot, windows: Sequence[Window], org: str) -> list[str]:
    """A statement for each element that counts records: sheets of records are small."""
    statements = []
    for n, window, element in _rows(windows, counted=True):
        org_unit, day = EVENT[element.at]
        tables = [("record", f"r.known_at < {window.source.boundary}" if snapshot.as_of else "1=1")]
        if snapshot.as_of is not None:
            tables.append(("record_version", snapshot.visible("r", window.source.boundary)))
        seen = " UNION ALL ".join(
            f"SELECT r.{org_unit} AS org_unit, r.{day} AS day, r.run FROM {table} r"
            f" JOIN org_unit u ON u.uid = r.{org_unit} WHERE r.source = '{window.source.id}'"
            f" AND r.run IN {BY_HAND} AND {believed} AND {where_sql(element, 'r')}"
            f" AND {serves_sql(element, 'u')}"
            f" AND r.{day} BETWEEN {day_number(window.first)} AND {day_number(window.last)}"
            for table, believed in tables
        )
        statements.append(
            f"WITH {org}, {_TREE} SELECT {n}, t.uid, COUNT(DISTINCT x.org_unit),"
            f" COUNT(DISTINCT x.day), MAX(x.run) FROM ({seen}) AS x"
            " JOIN tree t ON t.leaf = x.org_unit GROUP BY t.uid"
        )
    return statements
