"""One set-based refresh for the touched keys: records to observations, sums, standings.

The steps are SQL over temporary tables, the same on SQLite and PostgreSQL, inside the
transaction that brought the rows. A full rebuild replays the versions of the records through
this very path, so that it can only agree or show a fault.
"""

from sqlalchemy import Connection

from kpi import rollup, standings, tally
from kpi.catalogue import Catalogue

_SIDE = (
    "kind TEXT, org_unit TEXT, org_unit_done TEXT, opened_day BIGINT, closed_day BIGINT,"
    " state TEXT, category TEXT, channel TEXT, result TEXT, place TEXT, due_at BIGINT,"
    " closed_at BIGINT"
)
_DECLARED = {
    "t_in": "source TEXT, key TEXT, kind TEXT, code TEXT, org_unit TEXT, org_unit_done TEXT,"
    " place TEXT, opened_at BIGINT, due_at BIGINT, closed_at BIGINT, opened_day BIGINT,"
    " closed_day BIGINT, state TEXT, category TEXT, channel TEXT, result TEXT,"
    " quantity DOUBLE PRECISION, lat DOUBLE PRECISION, lon DOUBLE PRECISION, changed_at BIGINT,"
    " hash TEXT, run BIGINT",
    "t_rejection": "source TEXT, run BIGINT, position TEXT, reason TEXT, fields TEXT, hash TEXT,"
    " at BIGINT, rule TEXT",
    "t_gone": "source TEXT, key TEXT",
    "t_side": "sign INTEGER, " + _SIDE,
    "t_touch": "at TEXT, kind TEXT, org_unit TEXT, day BIGINT",
    "t_obs": "element TEXT, org_unit TEXT, day BIGINT, value DOUBLE PRECISION, changed_at BIGINT,"
    " run BIGINT",
    "t_month": "element TEXT, org_unit TEXT, month BIGINT",
    "t_roll": "element TEXT, period BIGINT, org_unit TEXT, value DOUBLE PRECISION, units BIGINT,"
    " upto BIGINT",
    "t_done": "element TEXT, period BIGINT, org_unit TEXT",
    "t_member": "element TEXT, period BIGINT, org_unit TEXT, member_key TEXT, d BIGINT",
    "t_standing": 'target TEXT, indicator TEXT, org_unit TEXT, "window" BIGINT',
}
TEMPORARY = "".join(
    f"CREATE TEMPORARY TABLE IF NOT EXISTS {name} ({columns}) ON COMMIT DELETE ROWS;\n"
    for name, columns in _DECLARED.items()
)
"""The temporary tables of a writing connection (SQLite drops the ``ON COMMIT`` clause)."""


class Refresh:
    """The refresh of one catalogue: its SQL is composed once."""

    def __init__(self, catalogue: Catalogue):
        self._observe = tally.touch_sql(catalogue) + tally.observe_sql(catalogue)
        self._members = tally.member_sql(catalogue)

    def clear(self, connection: Connection) -> None:
        """Empty the temporary tables before the next boundary's rows are loaded."""
        for name in _DECLARED:
            connection.exec_driver_sql(f"DELETE FROM {name}")

    def run(self, connection: Connection, boundary: int) -> set[str]:
        """Bring every derived table up to the rows in ``t_side`` and the readings in ``t_obs``.

        Returns:
            The ids of the targets whose standings moved.
        """
        tally.observe(connection, self._observe, boundary)
        rollup.leaf_months(connection, boundary)
        rollup.ancestor_months(connection, boundary)
        rollup.years(connection, boundary)
        if self._members:
            tally.count_members(connection, self._members)
            rollup.distinct(connection, boundary)
        return standings.renew(connection)
