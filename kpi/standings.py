"""Standings: numerator and denominator per (target, indicator, org unit, window), what walls read.

A window is the period a target is judged over: a calendar year, or the month of a stock. A target
that closes inside a year has that year's window cut at its closing month (additive elements only:
the catalogue refuses others). Status, pace, freshness and sentences are functions of a standing,
its target and the clock, made at reading.
"""

from sqlalchemy import Connection

from kpi.schema import FAR


def _of(column: str, fold: str, *elements: str) -> str:
    """A column of the rollup over the window of ``s``, folded where the window is cut."""
    rows = (
        f"FROM rollup x WHERE x.element IN ({', '.join(elements)}) AND x.org_unit = s.org_unit"
        f" AND x.superseded_at = {FAR} AND x.period"
    )
    return (
        f'CASE WHEN s."window" = j.cut_year THEN (SELECT {fold}(x.{column}) {rows}'
        f" IN (SELECT m.month FROM month m WHERE m.month BETWEEN j.cut_year * 12 AND j.cut_month))"
        f' ELSE (SELECT MAX(x.{column}) {rows} = s."window") END'
    )


_RENEW = (
    'INSERT INTO standing (target, indicator, org_unit, "window", numerator, denominator, units,'
    " upto, known_at) SELECT target, indicator, org_unit, judged_window, numerator, denominator,"
    # a declared figure stands for the org units that gave both of its sides
    " CASE WHEN paired = 1 AND COALESCE(num_units, 0) < den_units THEN COALESCE(num_units, 0)"
    " ELSE COALESCE(den_units, num_units) END, COALESCE(den_upto, num_upto), known_at FROM ("
    'SELECT s.target, s.indicator, s.org_unit, s."window" AS judged_window,'
    " (SELECT 1 FROM element e WHERE e.id = j.numerator AND e.silence = 'unknown') AS paired,"
    f" {_of('value', 'SUM', 'j.numerator')} AS numerator,"
    f" {_of('value', 'SUM', 'j.denominator')} AS denominator,"
    f" {_of('units', 'SUM', 'j.numerator')} AS num_units,"
    f" {_of('units', 'SUM', 'j.denominator')} AS den_units,"
    f" {_of('upto', 'MAX', 'j.numerator')} AS num_upto,"
    f" {_of('upto', 'MAX', 'j.denominator')} AS den_upto,"
    f" {_of('known_at', 'MAX', 'j.numerator', 'j.denominator')} AS known_at"
    " FROM t_standing s JOIN judged j ON j.target = s.target AND j.indicator = s.indicator)"
    " AS judged_now WHERE numerator IS NOT NULL OR denominator IS NOT NULL"
)


def renew_all(connection: Connection) -> set[str]:
    """All standings again from the sums as they are: what is judged has changed, no sum has.

    Returns:
        The ids of the targets that have any.
    """
    for table in ("standing", "t_standing", "t_done"):
        connection.exec_driver_sql(f"DELETE FROM {table}")
    connection.exec_driver_sql(
        "INSERT INTO t_done (element, period, org_unit) SELECT DISTINCT r.element, r.period,"
        " r.org_unit FROM rollup r JOIN judged j ON r.element IN (j.numerator, j.denominator)"
        f" WHERE r.superseded_at = {FAR}"
    )
    return renew(connection)


def renew(connection: Connection) -> set[str]:
    """Renew the standings of touched windows.

    Returns:
        The ids of the targets among them.
    """
    connection.exec_driver_sql(
        'INSERT INTO t_standing (target, indicator, org_unit, "window")'
        " SELECT DISTINCT j.target, j.indicator, t.org_unit, t.period FROM t_done t"
        " JOIN judged j ON t.element IN (j.numerator, j.denominator)"
        " AND j.by_year = CASE WHEN t.period < 12000 THEN 1 ELSE 0 END"
        " UNION SELECT j.target, j.indicator, t.org_unit, j.cut_year FROM t_done t"
        " JOIN judged j ON t.element IN (j.numerator, j.denominator)"
        " AND t.period BETWEEN j.cut_year * 12 AND j.cut_month AND j.by_year = 1"
    )
    connection.exec_driver_sql(
        'DELETE FROM standing WHERE (target, indicator, org_unit, "window") IN'
        ' (SELECT target, indicator, org_unit, "window" FROM t_standing)'
    )
    connection.exec_driver_sql(_RENEW)
    return set(connection.exec_driver_sql("SELECT DISTINCT target FROM t_standing").scalars())
