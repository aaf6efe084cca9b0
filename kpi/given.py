"""What people gave by hand: it gives way to whatever its source says later.

A run with ``given_by`` took a file that a person had filled in; what it stored is known by its run.
"""

from sqlalchemy import Connection

from kpi.schema import FAR
from kpi.tally import OBSERVATION

BY_HAND = "(SELECT given.run FROM poll_run given WHERE given.given_by <> '')"
"""The runs that took what a person had filled in."""


def weaker(stored: str, said: str) -> str:
    """The condition that one row (an alias) is a person's and another the source's own."""
    return f"({stored}.run IN {BY_HAND} AND {said}.run NOT IN {BY_HAND})"


def any_given(connection: Connection) -> bool:
    """Whether anybody ever gave anything: until then nobody pays for it."""
    return bool(connection.exec_driver_sql(f"SELECT 1 FROM {BY_HAND} AS x LIMIT 1").scalar())


def take_over(connection: Connection, boundary: int) -> None:
    """What a poll says just as a person had said it is the poll's from ``boundary`` on.

    The person's version stays before it; the value does not change, so nothing else moves. Works
    on the readings in ``t_obs``; readings of one that a person gave take nothing over.
    """
    if not any_given(connection):
        return

    def same(stored: str) -> str:
        match = OBSERVATION.match(stored, "t")
        return f"{match} AND {stored}.value = t.value AND {weaker(stored, 't')}"

    of = same("observation")
    sql = connection.exec_driver_sql
    sql(
        f"UPDATE observation SET run = t.run, changed_at = t.changed_at FROM t_obs t WHERE {of}"
        f" AND observation.superseded_at = {FAR} AND observation.known_at = {boundary}"
    )
    sql(
        f"UPDATE observation SET superseded_at = {boundary} FROM t_obs t WHERE {of}"
        f" AND observation.superseded_at = {FAR}"
    )
    sql(
        "INSERT INTO observation (element, org_unit, day, known_at, superseded_at, value,"
        f" changed_at, run) SELECT t.element, t.org_unit, t.day, {boundary}, {FAR}, t.value,"
        f" t.changed_at, t.run FROM t_obs t JOIN observation o ON {same('o')}"
        f" AND o.superseded_at = {boundary} WHERE NOT EXISTS (SELECT 1 FROM observation c"
        f" WHERE {OBSERVATION.match('c', 't')} AND c.superseded_at = {FAR})"
    )
