"""Standings: numerator and denominator per (target, indicator, org unit, window), what walls read.

A window is the period a target is judged over: a calendar year, or the month of a stock. A target
that closes inside a year has that year's window cut at its closing month (additive elements only:
the catalogue refuses others). Status, pace, freshness and sentences are functions of a standing,
its target and the clock, made at reading.
"""

from collections.abc import Collection

import sqlalchemy as sa
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
    " FROM t_standing s JOIN judged j ON j.target = s.target AND j.indicator = s.indicator"
    ' AND s."window" BETWEEN j.first_window AND j.last_window)'
    " AS judged_now WHERE numerator IS NOT NULL OR denominator IS NOT NULL"
)


_ALL = sa.text(
    'INSERT INTO t_standing (target, indicator, org_unit, "window")'
    " SELECT DISTINCT j.target, j.indicator, r.org_unit, CASE WHEN j.by_year = 1"
    " AND r.period >= 12000 THEN j.cut_year ELSE r.period END FROM judged j"
    f" JOIN rollup r ON r.element IN (j.numerator, j.denominator) AND r.superseded_at = {FAR}"
    " AND CASE WHEN r.period < 12000 OR j.by_year = 0"
    " THEN (r.period < 12000) = (j.by_year = 1)"
    " AND r.period BETWEEN j.first_window AND j.last_window"
    " ELSE r.period BETWEEN j.cut_year * 12 AND j.cut_month"
    " AND j.cut_year BETWEEN j.first_window AND j.last_window END"
    " WHERE j.target = :target AND j.indicator = :indicator"
)


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
        " AND t.period BETWEEN j.first_window AND j.last_window"
        " UNION SELECT j.target, j.indicator, t.org_unit, j.cut_year FROM t_done t"
        " JOIN judged j ON t.element IN (j.numerator, j.denominator)"
        " AND t.period BETWEEN j.cut_year * 12 AND j.cut_month AND j.by_year = 1"
        " AND j.cut_year BETWEEN j.first_window AND j.last_window"
    )
    return _renewed(connection)


def renew_of(connection: Connection, judged: Collection[tuple[str, str]]) -> set[str]:
    """Renew all standings of some (target, indicator): what they count was declared anew.

    The sums stay as they are. What is no longer judged at all goes.

    Returns:
        The ids of the targets among them.
    """
    connection.exec_driver_sql("DELETE FROM t_standing")
    named = sa.text("SELECT 1 FROM judged WHERE target = :target AND indicator = :indicator")
    for target, indicator in judged:
        said = {"target": target, "indicator": indicator}
        connection.execute(
            sa.text("DELETE FROM standing WHERE target = :target AND indicator = :indicator"), said
        )
        if connection.scalar(named, said):
            connection.execute(_ALL, said)
    return _renewed(connection) | {target for target, _ in judged}


def _renewed(connection: Connection) -> set[str]:
    connection.exec_driver_sql(
        'DELETE FROM standing WHERE (target, indicator, org_unit, "window") IN'
        ' (SELECT target, indicator, org_unit, "window" FROM t_standing)'
    )
    connection.exec_driver_sql(_RENEW)
    return set(connection.exec_driver_sql("SELECT DISTINCT target FROM t_standing").scalars())
