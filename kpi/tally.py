"""Records are counted into observations: how many, per element, org unit and local day.

A touched (record kind, org unit, day) is counted again from the records themselves, so that a
count heals. Distinct counts keep members: how many records stand behind each member key. A stock
is counted on each day on which its org unit was checked, so there its zero is a fact.
"""

from collections import defaultdict

from sqlalchemy import Connection

from kpi.catalogue import Catalogue, Element
from kpi.versions import Versioned

OBSERVATION = Versioned(
    "observation", "t_obs", ("element", "org_unit", "day"), ("value",), ("changed_at", "run")
)
EVENT = {"opened_at": ("org_unit", "opened_day"), "closed_at": ("org_unit_done", "closed_day")}
"""The columns of a record that say where and on which day it counts, by the instant counted at."""


def text(value: str) -> str:
    """An SQL literal of a word from the catalogue."""
    return "'" + value.replace("'", "''") + "'"


def serves_sql(element: Element, unit: str) -> str:
    """The condition that an org unit (table alias ``unit``) is one that the element counts."""
    if not element.serves:
        return "1 = 1"
    levels = ", ".join(text(level) for level in element.serves)
    condition = f"{unit}.level IN ({levels})"
    if "department" in element.serves:
        condition += f" AND ({unit}.level <> 'department' OR {unit}.unit_group = 'so_ban_nganh')"
    return condition


def _field(name: str, alias: str) -> str:
    if name != "deadline":
        return f"{alias}.{name}"
    late = f"{alias}.closed_at > {alias}.due_at"  # neither, where one of them is missing
    return f"CASE WHEN {late} THEN 'missed' WHEN NOT {late} THEN 'met' END"


def where_sql(element: Element, alias: str) -> str:
    """The condition that a record (table alias) is one that the element counts."""
    parts = [
        f"{_field(field, alias)} IN ({', '.join(text(value) for value in values)})"
        for field, values in element.where.items()
    ]
    return " AND ".join([f"{alias}.kind = {text(str(element.count))}", *parts])


def observe_sql(catalogue: Catalogue) -> list[str]:
    """Statements that fill ``t_obs`` from ``t_touch``: one for each (record kind, instant)."""
    groups: dict[tuple[str, str], list[Element]] = defaultdict(list)
    for element in catalogue.elements.values():
        if element.count and not element.distinct:
            groups[element.count, element.at].append(element)
    statements = []
    for (kind, at), elements in groups.items():
        org_unit, day = EVENT[at]
        counted = ", ".join(
            f"SUM(CASE WHEN {where_sql(e, 'r')} AND {serves_sql(e, 'u')} THEN 1 ELSE 0 END) AS n{i}"
            for i, e in enumerate(elements)
        )
        for i, element in enumerate(elements):
            if element.over_time == "last":
                checked = f"r.key IS NOT NULL AND {serves_sql(element, 'u')}"
                counted += f", SUM(CASE WHEN {checked} THEN 1 ELSE 0 END) AS m{i}"
        rows = " UNION ALL ".join(
            f"SELECT {text(e.id)}, org_unit, day, CAST({_found(e, i)} AS DOUBLE PRECISION)"
            " FROM counted"
            for i, e in enumerate(elements)
        )
        statements.append(
            f"INSERT INTO t_obs (element, org_unit, day, value) WITH counted AS MATERIALIZED"
            f" (SELECT k.org_unit, k.day, {counted} FROM t_touch k"
            f" LEFT JOIN org_unit u ON u.uid = k.org_unit"
            f" LEFT JOIN record r ON r.kind = k.kind AND r.{org_unit} = k.org_unit"
            f" AND r.{day} = k.day WHERE k.kind = {text(kind)} AND k.at = {text(at)}"
            f" GROUP BY k.org_unit, k.day) {rows}"
        )
    return statements


def _found(element: Element, i: int) -> str:
    """What a day's count says; NULL where it says nothing."""
    if element.over_time == "last":
        return f"CASE WHEN m{i} > 0 THEN n{i} END"
    return f"NULLIF(n{i}, 0)"


def touch_sql(catalogue: Catalogue) -> list[str]:
    """Statements that put into ``t_touch`` the (record kind, org unit, day) whose count may move.

    What counts the same before and after (a dossier answered is still received when it was) is
    not counted again.
    """
    statements = []
    for at, (org_unit, day) in EVENT.items():
        told = sorted({
            field
            for element in catalogue.elements.values()
            if element.count and not element.distinct and element.at == at
            for field in element.where
        })
        key = f"kind, {org_unit}, {day}"
        by = ", ".join((key, *(_field(field, "t_side") for field in told)))
        statements.append(
            f"INSERT INTO t_touch (at, kind, org_unit, day) SELECT DISTINCT {text(at)}, kind,"
            f" {org_unit}, {day} FROM (SELECT {key} FROM t_side WHERE {day} IS NOT NULL"
            f" GROUP BY {by} HAVING SUM(sign) <> 0) AS moved"
        )
    return statements


def observe(connection: Connection, statements: list[str], boundary: int) -> None:
    """Count the touched days again; ``t_obs`` keeps only what really changed."""
    for statement in statements:
        connection.exec_driver_sql(statement)
    OBSERVATION.keep_changes(connection)
    OBSERVATION.apply(connection, boundary)


def member_sql(catalogue: Catalogue) -> list[str]:
    """Statements that put the members gained and lost by leaf months into ``t_member``."""
    statements = []
    for element in catalogue.elements.values():
        if not (element.count and element.distinct):
            continue
        org_unit, day = EVENT[element.at]
        statements.append(
            f"INSERT INTO t_member (element, period, org_unit, member_key, d)"
            f" SELECT {text(element.id)}, month, org_unit, member_key, SUM(sign) FROM ("
            f"SELECT s.sign, s.{org_unit} AS org_unit, s.{element.distinct} AS member_key,"
            f" (SELECT m.month FROM month m WHERE m.first_day <= s.{day}"
            f" ORDER BY m.first_day DESC LIMIT 1) AS month FROM t_side s"
            f" JOIN org_unit u ON u.uid = s.{org_unit}"
            f" WHERE s.{day} IS NOT NULL AND s.{element.distinct} IS NOT NULL"
            f" AND {where_sql(element, 's')} AND {serves_sql(element, 'u')}) AS moved"
            f" GROUP BY month, org_unit, member_key HAVING SUM(sign) <> 0"
        )
    return statements


def count_members(connection: Connection, statements: list[str]) -> None:
    """Carry members from leaf months to leaf years and to every ancestor.

    A distinct count moves only when the records behind a member go 0 <-> positive: ``t_roll``
    gets the sum of those moves for each (element, period, org unit).
    """
    for statement in statements:
        connection.exec_driver_sql(statement)
    connection.exec_driver_sql(
        "INSERT INTO t_member (element, period, org_unit, member_key, d)"
        " SELECT element, period / 12, org_unit, member_key, SUM(d) FROM t_member"
        " GROUP BY 1, 2, 3, 4"
    )
    connection.exec_driver_sql(
        "INSERT INTO t_member (element, period, org_unit, member_key, d)"
        " SELECT t.element, t.period, c.ancestor, t.member_key, SUM(t.d) FROM t_member t"
        " JOIN closure c ON c.leaf = t.org_unit GROUP BY 1, 2, 3, 4"
    )
    connection.exec_driver_sql("DELETE FROM t_member WHERE d = 0")
    connection.exec_driver_sql("DELETE FROM t_roll")
    # units and upto are the same for every distinct count of a period: it has no reporters
    connection.exec_driver_sql(
        "INSERT INTO t_roll (element, period, org_unit, value, units, upto)"
        " SELECT t.element, t.period, t.org_unit,"
        " SUM(CASE WHEN COALESCE(m.n, 0) = 0 THEN 1 WHEN m.n + t.d = 0 THEN -1 ELSE 0 END), 0,"
        " CASE WHEN t.period < 12000 THEN t.period * 12 + 11 ELSE t.period END"
        " FROM t_member t LEFT JOIN member m ON m.element = t.element AND m.period = t.period"
        " AND m.org_unit = t.org_unit AND m.member_key = t.member_key GROUP BY 1, 2, 3"
    )
    connection.exec_driver_sql(
        "INSERT INTO member (element, period, org_unit, member_key, n)"
        " SELECT element, period, org_unit, member_key, d FROM t_member WHERE 1 = 1"
        " ON CONFLICT (element, period, org_unit, member_key)"
        " DO UPDATE SET n = member.n + excluded.n"
    )
    connection.exec_driver_sql(
        "DELETE FROM member WHERE n = 0 AND (element, period, org_unit, member_key) IN"
        " (SELECT element, period, org_unit, member_key FROM t_member WHERE d < 0)"
    )
