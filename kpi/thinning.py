"""Thinning: versions that no remaining boundary and no seal can see are deleted.

Remaining are every minute of the last seven days, every end of a local day, every seal and the
present. Nothing is rewritten; what sources said (records' versions, readings) is kept.
"""

from datetime import datetime

import sqlalchemy as sa

from ioc.period import minute_start
from kpi.answer import MINUTES_KEPT
from kpi.schema import FAR, micros
from kpi.store import KpiStore
from kpi.versions import last_midnight


def thin(store: KpiStore, now: datetime) -> int:
    """Delete the versions that nobody can ask for any more.

    Returns:
        How many were deleted.
    """
    deleted = 0
    with store.write() as connection:
        for table, spared in (("observation", "run IS NULL AND "), ("rollup", "")):
            deleted += connection.execute(
                sa.text(
                    f"DELETE FROM {table} WHERE {spared}superseded_at < :kept"
                    f" AND superseded_at < {FAR} AND {last_midnight('superseded_at')} <= known_at"
                    " AND NOT EXISTS (SELECT 1 FROM seal s WHERE s.at > known_at"
                    " AND s.at <= superseded_at)"
                ),
                {"kept": micros(minute_start(now - MINUTES_KEPT))},
            ).rowcount
    return deleted
