"""The plans that targets belong to: which one is in force on a day, and what is but an example."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

EXAMPLE = "VÍ DỤ – không phải văn bản"
"""How the title and every sentence of an example begin, and what its figures say of themselves."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan as its file heads it; ``id`` is the name of the file."""

    id: str
    title: str
    short: str
    number: str | None
    published: date
    begins: date
    ends: date
    example: bool = False
    """Shows what a plan would look like: asks nothing of anybody, and is shown only when asked."""
    sections: dict[str, list[str]] = field(default_factory=dict, repr=False, compare=False)
    """The bullets of its text by section; the sentences of its targets must be among them."""


def in_force(plans: Iterable[Plan], day: date) -> str:
    """The id of the newest plan that has begun by a day, of the first one before any has.

    An example never is, unless there is nothing else; empty where there is no plan at all.
    """
    known = list(plans)
    real = [plan for plan in known if not plan.example] or known
    begun = [plan for plan in real if plan.begins <= day]
    if begun:
        return max(begun, key=lambda plan: plan.begins).id
    return min(real, key=lambda plan: plan.begins).id if real else ""
