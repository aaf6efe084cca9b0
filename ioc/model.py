"""The values that travel from a sector system to the store: org units, records, readings."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Literal

from ioc.period import Period

Level = Literal["province", "department", "district", "area", "commune"]
LEVELS: tuple[Level, ...] = ("province", "department", "district", "area", "commune")


@dataclass(frozen=True, slots=True)
class OrgUnit:
    """An authority or a reporting area during one stretch of its life; ``uid`` never changes.

    ``closed`` is the last valid day. Codes are re-used (19207, 44), so only ``uid`` is a key.
    ``successor`` is the uid of the one unit that takes the whole of this one, else None.
    """

    uid: str
    code: str
    name: str
    level: Level
    unit_type: str = ""
    group: str = ""
    abbr: str = ""
    parent_code: str = ""
    area: str = ""
    opened: date | None = None
    closed: date | None = None
    successor: str | None = None
    lat: float | None = None
    lon: float | None = None
    population: int | None = None
    area_km2: float | None = None
    assumed: str = ""
    legal_basis: str = ""

    def open_on(self, day: date) -> bool:
        """Whether the unit exists on this local date."""
        return (self.opened is None or self.opened <= day) and (
            self.closed is None or day <= self.closed
        )


@dataclass(slots=True)
class Record:
    """One case of a sector system (a dossier, a report, a meeting), coded fields only."""

    key: str
    kind: str
    org_unit: str
    opened_at: datetime
    due_at: datetime | None = None
    closed_at: datetime | None = None
    changed_at: datetime | None = None
    place: str | None = None
    state: str | None = None
    category: str | None = None
    channel: str | None = None
    result: str | None = None
    quantity: float | None = None
    lat: float | None = None
    lon: float | None = None
    position: str = ""


@dataclass(slots=True)
class Reading:
    """A figure that the source counted itself, for one org unit and period."""

    element: str
    org_unit: str
    period: Period
    value: float
    changed_at: datetime | None = None
    position: str = ""


@dataclass(slots=True)
class Rejection:
    """A row that was not taken: why (Vietnamese), where it stood, its allow-listed fields.

    ``rule`` is a code of ``kpi.validation.RULES``; ``key`` is that of the record where it could
    be read.
    """

    position: str
    reason: str
    fields: dict[str, str]
    hash: str
    rule: str = "unreadable"
    key: str = ""


@dataclass(slots=True)
class Batch:
    """Rows as the source said them, and the cursor that is safe once they are stored.

    ``whole``: the batch is everything the source has, so absent keys are gone. ``origin`` is
    a page's path or a file's name without secrets; row i stands at ``position(i)``.
    ``apart``: no other batch depends on it, so what is wrong with all of it stops none;
    ``refused`` says (Vietnamese) what that is, and its kind reads it after the batch. ``unfit``
    says by index why a single row is none: the kind saw more of it than stands here. ``given`` is
    a file that a person had filled in, whole: it becomes a run of its own.
    """

    rows: Sequence[Mapping[str, Any]]
    cursor: str | None = None
    whole: bool = False
    origin: str = ""
    first: int = 1
    apart: bool = False
    refused: str = ""
    unfit: Mapping[int, str] = field(default_factory=dict)
    given: bytes | None = None

    def position(self, i: int) -> str:
        """Where row ``i`` (from 0) stood in what the source sent."""
        return f"{self.origin}#{self.first + i}"


class Status(StrEnum):
    """What a standing says about its target; words, shapes and colours are the screen's."""

    met = "met"
    on_track = "on_track"
    at_risk = "at_risk"
    off_track = "off_track"
    missed = "missed"
    awaiting = "awaiting"
    no_pace = "no_pace"
    qualitative = "qualitative"
    no_data = "no_data"
    no_source = "no_source"


WORST_FIRST = (
    Status.missed,
    Status.off_track,
    Status.at_risk,
    Status.awaiting,
    Status.no_source,
    Status.no_data,
    Status.no_pace,
    Status.on_track,
    Status.met,
    Status.qualitative,
)
"""The order in which a target of several parts, and a list of exceptions, look at statuses."""


class Freshness(StrEnum):
    """How old a figure is, independent of its status."""

    fresh = "fresh"
    late = "late"
    stale = "stale"
    final = "final"


@dataclass(slots=True)
class Counts:
    """What one poll, or one batch of it, did to the store.

    ``old_codes`` are rows taken under a code that had closed within the last 12 months,
    ``duplicates`` rows that another one of the same batch and key overtook, ``withheld`` records
    that a whole reply lacks and that stay all the same; ``rules`` counts what validation refused
    or suspected.
    """

    read: int = 0
    new: int = 0
    changed: int = 0
    same: int = 0
    rejected: int = 0
    gone: int = 0
    old_codes: int = 0
    held: bool = False
    duplicates: int = 0
    withheld: int = 0
    rules: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Counts") -> None:
        """Add another batch's counts to these."""
        self.read += other.read
        self.new += other.new
        self.changed += other.changed
        self.same += other.same
        self.rejected += other.rejected
        self.gone += other.gone
        self.old_codes += other.old_codes
        self.held = self.held or other.held
        self.duplicates += other.duplicates
        self.withheld += other.withheld
        self.rules += other.rules
