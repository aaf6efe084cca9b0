"""The nightly sweep: when a source that is read by its changes is read again as a whole."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from ioc.period import LOCAL
from ioc.source import Source, duration

_NIGHT = timedelta(hours=2)  # a day's sweep is due from two o'clock, local time


def is_due(source: Source, swept: datetime | None, now: datetime) -> bool:
    """Whether a night has begun since the last sweep; a load that was cut needs one at once."""
    if "sweep" not in source.options:
        return False
    every = duration(source.options["sweep"])
    night = datetime(2021, 1, 1, tzinfo=LOCAL) + _NIGHT
    return swept is None or (now - night) // every > (swept - night) // every


def faults(source: Source) -> Iterator[tuple[str, str]]:
    """What does not fit in the option ``sweep``: (entry, Vietnamese reason)."""
    try:
        duration(source.options.get("sweep", "1d"))
    except ValueError as error:
        yield "options", f"sweep: {error}"
