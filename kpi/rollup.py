"""Sums over time first, then over org units: leaf months, ancestors' months, years.

Additive elements are summed; stocks take the last value, and an ancestor adds up, for the org
units open at the end of the month, what each said last in that calendar year; it has a value only
for months in which somebody reported. Distinct counts come from members, never from sums.
"""

from sqlalchemy import Connection

from kpi.schema import FAR
from kpi.versions import Versioned

ROLLUP = Versioned(
    "rollup", "t_roll", ("element", "period", "org_unit"), ("value", "units", "upto")
)


def _store(connection: Connection, boundary: int) -> None:
    ROLLUP.keep_changes(connection)
    ROLLUP.apply(connection, boundary)
    connection.exec_driver_sql(
        "INSERT INTO t_done (element, period, org_unit)"
        " SELECT element, period, org_unit FROM t_roll"
    )


def leaf_months(connection: Connection, boundary: int) -> None:
    """Months of the org units that report, from the observations of their days."""
    connection.exec_driver_sql(
        "INSERT INTO t_month (element, org_unit, month) SELECT DISTINCT t.element, t.org_unit,"
        " (SELECT m.month FROM month m WHERE m.first_day <= t.day"
        " ORDER BY m.first_day DESC LIMIT 1)"
        " FROM t_obs t"
    )
    connection.exec_driver_sql("DELETE FROM t_roll")
    connection.exec_driver_sql(
        "INSERT INTO t_roll (element, period, org_unit, value, units, upto)"
        # a seek for each key: planners without statistics would scan all observations instead
        " SELECT k.element, k.month, k.org_unit, (SELECT SUM(o.value) FROM observation o"
        " WHERE o.element = k.element AND o.org_unit = k.org_unit"
        f" AND o.day BETWEEN m.first_day AND m.last_day AND o.superseded_at = {FAR}),"
        " 1, k.month FROM t_month k"
        " JOIN element e ON e.id = k.element AND e.over_time = 'sum'"
        " JOIN month m ON m.month = k.month"
    )
    connection.exec_driver_sql(
        "INSERT INTO t_roll (element, period, org_unit, value, units, upto)"
        " SELECT k.element, k.month, k.org_unit, (SELECT o.value FROM observation o"
        " WHERE o.element = k.element AND o.org_unit = k.org_unit"
        f" AND o.day BETWEEN m.first_day AND m.last_day AND o.superseded_at = {FAR}"
        " ORDER BY o.day DESC LIMIT 1), 1, k.month FROM t_month k"
        " JOIN element e ON e.id = k.element AND e.over_time = 'last'"
        " JOIN month m ON m.month = k.month"
    )
    _store(connection, boundary)


def ancestor_months(connection: Connection, boundary: int) -> None:
    """Months of the areas above the leaves that changed."""
    connection.exec_driver_sql("DELETE FROM t_month")
    connection.exec_driver_sql(
        "INSERT INTO t_month (element, org_unit, month)"
        " SELECT DISTINCT t.element, c.ancestor, t.period FROM t_roll t"
        " JOIN closure c ON c.leaf = t.org_unit"
        # what a leaf said last is carried to the later months of its year
        " UNION SELECT t.element, c.ancestor, x.period FROM t_roll t"
        " JOIN element e ON e.id = t.element AND e.over_time = 'last'"
        " JOIN closure c ON c.leaf = t.org_unit JOIN rollup x ON x.element = t.element"
        " AND x.period > t.period AND x.period <= (t.period / 12) * 12 + 11"
        f" AND x.org_unit = c.ancestor AND x.superseded_at = {FAR}"
    )
    connection.exec_driver_sql("DELETE FROM t_roll")
    connection.exec_driver_sql(
        "INSERT INTO t_roll (element, period, org_unit, value, units, upto)"
        # each leaf is sought once for all the areas above it
        " WITH said AS MATERIALIZED (SELECT d.element, d.month, l.leaf, (SELECT x.value"
        " FROM rollup x WHERE x.element = d.element AND x.period = d.month"
        f" AND x.org_unit = l.leaf AND x.superseded_at = {FAR}) AS value FROM"
        " (SELECT DISTINCT t.element, t.month FROM t_month t"
        " JOIN element e ON e.id = t.element AND e.over_time = 'sum') AS d"
        " CROSS JOIN (SELECT DISTINCT leaf FROM closure) AS l)"
        " SELECT k.element, k.month, k.org_unit, SUM(s.value), COUNT(*), k.month FROM said s"
        " JOIN closure c ON c.leaf = s.leaf JOIN t_month k ON k.element = s.element"
        " AND k.month = s.month AND k.org_unit = c.ancestor WHERE s.value IS NOT NULL"
        " GROUP BY k.element, k.month, k.org_unit"
    )
    connection.exec_driver_sql(
        "INSERT INTO t_roll (element, period, org_unit, value, units, upto)"
        " SELECT element, month, org_unit, CASE WHEN SUM(here) > 0 THEN SUM(said) END, SUM(here),"
        " month FROM (SELECT k.element, k.month, k.org_unit, (SELECT o.value FROM observation o"
        " WHERE o.element = k.element AND o.org_unit = c.leaf AND o.day <= m.last_day"
        " AND o.day >= y.first_day"
        f" AND o.superseded_at = {FAR} ORDER BY o.day DESC LIMIT 1) AS said,"
        " CASE WHEN EXISTS (SELECT 1 FROM rollup x WHERE x.element = k.element"
        f" AND x.period = k.month AND x.org_unit = c.leaf AND x.superseded_at = {FAR})"
        " THEN 1 ELSE 0 END AS here FROM t_month k"
        " JOIN element e ON e.id = k.element AND e.over_time = 'last'"
        " JOIN month m ON m.month = k.month JOIN month y ON y.month = (k.month / 12) * 12"
        " JOIN closure c ON c.ancestor = k.org_unit JOIN org_unit u ON u.uid = c.leaf"
        " AND u.opened_day <= m.last_day AND u.closed_day >= m.last_day) AS said_last"
        " GROUP BY element, month, org_unit"
    )
    # an ancestor of which no leaf says anything has no row above: it must lose the one it had
    connection.exec_driver_sql(
        "INSERT INTO t_roll (element, period, org_unit, value, units, upto)"
        " SELECT k.element, k.month, k.org_unit, NULL, 0, k.month FROM t_month k"
        " WHERE NOT EXISTS (SELECT 1 FROM t_roll t WHERE t.element = k.element"
        " AND t.period = k.month AND t.org_unit = k.org_unit)"
    )
    _store(connection, boundary)


def years(connection: Connection, boundary: int) -> None:
    """Years of every org unit whose months changed, leaf or ancestor.

    ``units`` of an additive year counts reporting org units in each month (org-unit months); of
    a stock it is that of the last month, and ``upto`` names that month.
    """
    connection.exec_driver_sql("DELETE FROM t_month")
    connection.exec_driver_sql(
        "INSERT INTO t_month (element, org_unit, month)"
        " SELECT DISTINCT element, org_unit, period / 12 FROM t_done"
    )
    connection.exec_driver_sql("DELETE FROM t_roll")
    connection.exec_driver_sql(
        "INSERT INTO t_roll (element, period, org_unit, value, units, upto)"
        " SELECT k.element, k.month, k.org_unit, SUM(x.value), COALESCE(SUM(x.units), 0),"
        " COALESCE(MAX(x.period), 0) FROM t_month k"
        " JOIN element e ON e.id = k.element AND e.over_time = 'sum'"
        " CROSS JOIN month m"
        " LEFT JOIN rollup x ON x.element = k.element AND x.period = m.month"
        f" AND x.org_unit = k.org_unit AND x.superseded_at = {FAR}"
        " WHERE m.month BETWEEN k.month * 12 AND k.month * 12 + 11"
        " GROUP BY k.element, k.month, k.org_unit"
    )
    connection.exec_driver_sql(
        "INSERT INTO t_roll (element, period, org_unit, value, units, upto)"
        " SELECT k.element, k.month, k.org_unit, x.value, COALESCE(x.units, 0),"
        " COALESCE(x.period, 0) FROM (SELECT k.element, k.month, k.org_unit, MAX(x.period) AS last"
        " FROM t_month k JOIN element e ON e.id = k.element AND e.over_time = 'last'"
        " CROSS JOIN month m"
        " LEFT JOIN rollup x ON x.element = k.element AND x.period = m.month"
        f" AND x.org_unit = k.org_unit AND x.superseded_at = {FAR}"
        " WHERE m.month BETWEEN k.month * 12 AND k.month * 12 + 11"
        " GROUP BY k.element, k.month, k.org_unit) AS k"
        " LEFT JOIN rollup x ON x.element = k.element AND x.period = k.last"
        f" AND x.org_unit = k.org_unit AND x.superseded_at = {FAR}"
    )
    _store(connection, boundary)


def distinct(connection: Connection, boundary: int) -> None:
    """Distinct counts move by what ``t_roll`` says their members gained or lost."""
    connection.exec_driver_sql("DELETE FROM t_roll WHERE value = 0")
    connection.exec_driver_sql(
        "UPDATE t_roll SET value = NULLIF(t_roll.value + COALESCE((SELECT x.value FROM rollup x"
        " WHERE x.element = t_roll.element AND x.period = t_roll.period"
        f" AND x.org_unit = t_roll.org_unit AND x.superseded_at = {FAR}), 0), 0)"
    )
    _store(connection, boundary)
