"""What storing a poll would do: it is stored for a trial, told, and undone."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from connectors import mapping
from ioc.model import Batch, Counts
from ioc.source import Source
from kpi import intake
from kpi.store import KpiStore
from kpi.validation import SUSPECTED

TRIAL = 0
"""The number of a run that is none."""


def told(
    store: KpiStore,
    source: Source,
    batches: Sequence[tuple[Batch, list[mapping.Item]]],
    *,
    now: datetime,
    confirmed: bool = False,
) -> str:
    """What was read, what the store makes of it, and what it refuses or suspects, by reason."""
    counts = Counts()
    with store.rehearse() as trial:
        with trial.write() as connection:  # what was refused before is told again
            forget = sa.text("DELETE FROM rejection WHERE source = :source")
            connection.execute(forget, {"source": source.id})
        for batch, items in batches:
            counts.add(
                intake.accept(
                    trial,
                    source,
                    items,
                    run=TRIAL,
                    cursor=batch.cursor,
                    whole=batch.whole,
                    confirmed=confirmed,
                    now=now,
                )
            )
        with trial.write() as connection:
            refused = connection.execute(
                sa.text(
                    "SELECT rule, reason, COUNT(*) AS n FROM rejection WHERE source = :source"
                    " GROUP BY rule, reason ORDER BY n DESC, reason"
                ),
                {"source": source.id},
            ).all()
    lines = [mapping.dry_summary([item for _, items in batches for item in items])]
    lines.append(
        f"  nếu ghi: mới {counts.new}, sửa {counts.changed}, như cũ {counts.same},"
        f" gỡ {counts.gone}, từ chối {counts.rejected}"
    )
    if counts.held:
        lines.append(f"  sẽ bị giữ lại chờ xác nhận: phản hồi gỡ {counts.withheld} bản ghi")
    lines += [
        f"  {'nghi vấn' if rule in SUSPECTED else 'từ chối'} {number}: {reason}"
        for rule, reason, number in refused
    ]
    return "\n".join(lines)
