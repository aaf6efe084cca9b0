"""Who asks: a role, a subtree of org units and classes of indicators, between two dates."""

import hashlib
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ioc.orgunits import OrgUnits

Role = Literal["screen", "viewer", "head", "analyst", "operator", "admin"]


@dataclass(frozen=True, slots=True)
class Principal:
    """A reader with its rights; ``None`` in a set of rights means all.

    ``org_units`` holds the tops of subtrees: an area stands for all authorities in it, of every
    epoch; an authority for itself alone, so that who led one that ended keeps its history and does
    not get its successors' present.
    """

    name: str
    role: Role
    org_units: frozenset[str] | None = None
    indicator_classes: frozenset[str] | None = None
    valid_from: date | None = None
    valid_to: date | None = None

    @classmethod
    def local_admin(cls) -> "Principal":
        """Whoever sits at this machine in open mode: everything, on loopback only."""
        return cls("máy tại chỗ", "admin")

    @property
    def scope(self) -> str:
        """Short and stable for equal rights: part of every cache key."""
        everything = (None, None, None, None)
        held = (self.org_units, self.indicator_classes, self.valid_from, self.valid_to)
        if held == everything:
            return "all"
        rights = [
            "*" if one is None else str(one) if isinstance(one, date) else "\x1f".join(sorted(one))
            for one in held
        ]
        return hashlib.sha256("\x1e".join(rights).encode()).hexdigest()[:16]

    def valid_on(self, day: date) -> bool:
        """Whether the rights hold on a local date."""
        return (self.valid_from is None or self.valid_from <= day) and (
            self.valid_to is None or day <= self.valid_to
        )

    def on(self, day: date) -> "Principal":
        """The same with the rights that hold on a local date: all of them, or none."""
        if self.valid_on(day):
            return self
        return replace(self, org_units=frozenset(), indicator_classes=frozenset())

    @property
    def reads_nothing(self) -> bool:
        """Whether no org unit or no class of indicators is left to read."""
        return frozenset() in (self.org_units, self.indicator_classes)

    def may_read(self, org_unit: str, orgunits: "OrgUnits") -> bool:
        """Whether this org unit lies in the subtrees; an unknown one never does."""
        if org_unit not in orgunits or self.reads_nothing:
            return False
        if self.org_units is None or org_unit in self.org_units:
            return True
        return not self.org_units.isdisjoint(orgunits.ancestors(org_unit))

    def may_read_class(self, indicator_class: str) -> bool:
        """Whether indicators of this class may be read."""
        if self.reads_nothing:
            return False
        return self.indicator_classes is None or indicator_class in self.indicator_classes
