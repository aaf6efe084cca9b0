"""Records and their versions: the newest state of each key, and every state it had before.

Works on the rows of ``t_in`` and ``t_gone``, and leaves in ``t_side`` what they counted as before
and count as now.
"""

from collections.abc import Sequence

from sqlalchemy import Connection

from kpi.given import any_given, weaker
from kpi.schema import RECORD
from kpi.validation import content_hash

RECORD_COLUMNS = ("source", "key", *(name for name, _, _ in RECORD))
SAID = RECORD_COLUMNS[2 : RECORD_COLUMNS.index("changed_at")]
"""What a record says, in the order of its content hash."""
_SIDE = (
    "kind, org_unit, org_unit_done, opened_day, closed_day, state, category, channel, result,"
    " place, due_at, closed_at"
)
_ALL = ", ".join(RECORD_COLUMNS)


def drop_known(connection: Connection) -> None:
    """Keep in ``t_in`` only what says something new of its key, and nothing older."""
    sql = connection.exec_driver_sql
    held = f" AND NOT {weaker('t_in', 'record')}" if any_given(connection) else ""
    sql(
        "UPDATE record SET changed_at = t_in.changed_at FROM t_in"
        " WHERE record.source = t_in.source AND record.key = t_in.key"
        f" AND record.hash = t_in.hash AND record.changed_at < t_in.changed_at{held}"
    )
    older = "record.changed_at > t_in.changed_at"
    if any_given(connection):  # a person's word is the poll's from now on, though that is older
        older = f"({older} AND NOT {weaker('record', 't_in')})"
        sql(
            "UPDATE record SET run = t_in.run FROM t_in WHERE record.source = t_in.source AND"
            f" record.key = t_in.key AND record.hash = t_in.hash AND {weaker('record', 't_in')}"
        )
    sql(
        "DELETE FROM t_in WHERE EXISTS (SELECT 1 FROM record WHERE record.source = t_in.source"
        f" AND record.key = t_in.key AND (record.hash = t_in.hash OR {older}))"
    )


def write_records(connection: Connection, boundary: int) -> tuple[int, int]:
    """Put ``t_in`` into the record table at a boundary, keeping what it supersedes.

    Leaves in ``t_side`` what the changed records counted as before (-1) and count as now (+1).

    Returns:
        How many were new and how many changed.
    """
    sql = connection.exec_driver_sql
    total = sql("SELECT COUNT(*) FROM t_in").scalar() or 0
    if not total:
        return 0, 0
    known = "FROM record r JOIN t_in ON r.source = t_in.source AND r.key = t_in.key"
    changed = sql(f"SELECT COUNT(*) {known}").scalar() or 0
    of_record = ", ".join(f"r.{name.strip()}" for name in _SIDE.split(","))
    sql(f"INSERT INTO t_side (sign, {_SIDE}) SELECT -1, {of_record} {known}")
    sql(f"INSERT INTO t_side (sign, {_SIDE}) SELECT 1, {_SIDE} FROM t_in")
    _supersede(connection, "t_in", boundary)
    sets = ", ".join(f"{name} = excluded.{name}" for name in RECORD_COLUMNS[2:])
    sql(
        f"INSERT INTO record ({_ALL}, known_at, version)"
        f" SELECT {_ALL}, {boundary}, COALESCE((SELECT MAX(v.version) FROM record_version v"
        " WHERE v.source = t_in.source AND v.key = t_in.key), 0) + 1 FROM t_in WHERE 1 = 1"
        f" ON CONFLICT (source, key) DO UPDATE SET {sets}, known_at = excluded.known_at,"
        " version = excluded.version"
    )
    # what this very boundary had superseded is believed again: its version goes on
    again = (
        f" FROM record_version v JOIN t_in USING (source, key)"
        f" WHERE v.superseded_at = {boundary} AND v.hash = t_in.hash"
    )
    sql(
        "UPDATE record SET known_at = b.known_at, version = b.version FROM"
        f" (SELECT v.source, v.key, v.known_at, v.version{again}) AS b"
        " WHERE record.source = b.source AND record.key = b.key"
    )
    sql(
        "DELETE FROM record_version WHERE (source, key, version) IN"
        f" (SELECT v.source, v.key, v.version{again})"
    )
    return total - changed, changed


def _supersede(connection: Connection, touched: str, boundary: int) -> None:
    """Keep the versions that the rows of ``touched`` end, unless this boundary wrote them."""
    connection.exec_driver_sql(
        f"INSERT INTO record_version ({_ALL}, version, known_at, superseded_at)"
        f" SELECT {', '.join('r.' + name for name in RECORD_COLUMNS)}, r.version, r.known_at,"
        f" {boundary} FROM record r JOIN {touched} t ON t.source = r.source AND t.key = r.key"
        f" WHERE r.known_at < {boundary}"
    )


def remove(connection: Connection, boundary: int) -> None:
    """Take the records of ``t_gone`` out; their versions stay."""
    sql = connection.exec_driver_sql
    of_record = ", ".join(f"r.{name.strip()}" for name in _SIDE.split(","))
    sql(
        f"INSERT INTO t_side (sign, {_SIDE}) SELECT -1, {of_record}"
        " FROM record r JOIN t_gone t ON t.source = r.source AND t.key = r.key"
    )
    _supersede(connection, "t_gone", boundary)
    sql("DELETE FROM record WHERE (source, key) IN (SELECT source, key FROM t_gone)")


def matches(said: Sequence[object], kept: str) -> bool:
    """Whether a stored version (its ``SAID`` columns) still has the content hash it came with."""
    return content_hash(said) == kept
