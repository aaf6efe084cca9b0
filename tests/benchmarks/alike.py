"""The floor of a drill-down that gives the product's own columns: made by SQL, named, dumped.

It knows no rights, no clock and no rules: a day without a figure is a zero, whatever the reason,
and nothing is ever a revision.
"""

from kpi import series
from kpi.schema import FAR

_KNOWN = "MAX(COALESCE(a.known_at, 0), COALESCE(b.known_at, 0)) / 1000000 + 25200"
_ROW = (
    "SELECT 'I02b', o.uid, o.code, o.name, o.level, '{grain}', {text}, COALESCE(a.value, 0.0),"
    " COALESCE(b.value, 0.0), 100.0 * COALESCE(a.value, 0.0) / b.value, '%', 1.0,"
    " CASE WHEN b.value IS NULL THEN 'zero_denominator' ELSE '' END,"
    f" strftime('%Y-%m-%dT%H:%M:%S', {_KNOWN}, 'unixepoch') || '+07:00', 0,"
    " (SELECT MAX(run) FROM poll_run WHERE source = 'public_services'), :definition, NULL, NULL,"
    " '', ''"
)
_SIDES = "".join(
    f" LEFT JOIN {{table}} {side} ON {side}.element = '{element}' AND {side}.org_unit = o.uid"
    f" AND {side}.{{period}} AND {side}.superseded_at = {FAR}"
    for side, element in (("b", "dossiers_resolved"), ("a", "dossiers_fully_online"))
)
DAYS = (
    "WITH RECURSIVE d(day) AS (SELECT :first UNION ALL SELECT day + 1 FROM d WHERE day < :last) "
    + _ROW.format(grain="day", text="date(d.day * 86400, 'unixepoch')")
    + " FROM d CROSS JOIN org_unit o"
    + _SIDES.format(table="observation", period="day = d.day")
    + " WHERE o.uid = :unit ORDER BY d.day"
)
RANKING = (
    _ROW.format(grain="month", text=":text")
    + " FROM closure c JOIN org_unit o ON o.uid = c.leaf AND o.level = 'commune'"
    + _SIDES.format(table="rollup", period="period = :month")
    + " WHERE c.ancestor = :area AND o.opened_day <= :day AND o.closed_day >= :day"
)


def document(rows: list[tuple], version: int) -> dict:
    """The rows under the product's names, in the frame of its JSON."""
    named = [dict(zip(series.COLUMNS, row, strict=True)) for row in rows]
    head = {"version": version, "as_of": None, "sample_data": None, "count": len(rows)}
    return head | {"next": None, "rows": named}
