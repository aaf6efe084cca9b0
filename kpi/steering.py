"""What the walls are told: which sheet, whether they pause, and the instant they are held at."""

from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from kpi.schema import instant_of
from kpi.store import KpiStore


class Steering(NamedTuple):
    """The newest word to the walls; ``number`` 0: there was none yet."""

    number: int = 0
    sheet: str = ""
    paused: bool = False
    codes: bool = False
    held: datetime | None = None
    who: str = ""
    at: datetime | None = None


def steering(store: KpiStore) -> Steering:
    """The newest word; nobody's where none was said."""
    with store.read() as connection:
        row = connection.execute(
            sa.text(
                "SELECT number, sheet, paused, codes, held_at, who, at FROM steering WHERE id = 1"
            )
        ).first()
    if row is None:
        return Steering()
    return Steering(
        row.number,
        row.sheet,
        bool(row.paused),
        bool(row.codes),
        instant_of(row.held_at),
        row.who,
        instant_of(row.at),
    )
