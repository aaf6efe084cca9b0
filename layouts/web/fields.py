"""What the columns of a file are: title, type and unit, as ``fields.yaml`` says them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ioc.config import read_yaml
from ioc.errors import ConfigError, Fault
from layouts import text, theme

FILE = Path(__file__).parent.parent / "fields.yaml"
TYPES = ("string", "number", "integer", "date", "datetime")
OWN_UNIT = "theo cột unit"
IN_UNIT = frozenset({
    "value",
    "value_before",
    "closing_value",
    "latest_value",
    "baseline_value",
    "threshold",
    "threshold_high",
    "pace",
    "low",
    "high",
})
"""Columns whose unit is that of the row's indicator."""
CATEGORIES: dict[str, Mapping[Any, Any]] = {
    "status": theme.STATUS,
    "freshness": theme.FRESHNESS,
    "outcome": theme.OUTCOME,
    "reason": text.REASONS,
    "level": text.LEVELS,
    "grain": text.GRAINS,
}
"""Columns of words of ours, and what each word means."""
SAME = {"status_before": "status", "closing_status": "status"}


@cache
def said() -> dict[str, Any]:
    """All that is said of columns and questions. Raises ConfigError on an unknown type."""
    faults: list[Fault] = []
    found = read_yaml(FILE, faults)
    for rows in (found["fields"], *found["of"].values()):
        for name, (_, kind, *_unit) in rows.items():
            if kind not in TYPES:
                faults.append(Fault(str(FILE), rows.line_of(name), f"{name}: không có kiểu {kind}"))
    if faults:
        raise ConfigError(faults)
    return found


def title(question: str) -> str:
    """What a question is called in a file."""
    return said()["questions"][question]


def fields(question: str, columns: Sequence[str]) -> list[dict[str, Any]]:
    """The columns as fields of a Table Schema; ``categories`` holds what coded words mean."""
    units = IN_UNIT if "unit" in columns else frozenset()
    return [_field(question, name, units) for name in columns]


def _field(question: str, name: str, in_unit: frozenset[str]) -> dict[str, Any]:
    own = said()["of"].get(question, {})
    called, kind, *unit = own.get(name) or said()["fields"][name]
    found = {"name": name, "type": kind, "title": called}
    if unit or name in in_unit:
        found["unit"] = unit[0] if unit else OWN_UNIT
    words = CATEGORIES.get(SAME.get(name, name)) if (name, question) not in OTHERS else None
    if words:
        found["categories"] = [
            {"value": str(value), "label": getattr(word, "word", word)}
            for value, word in words.items()
            if value
        ]
    return found


OTHERS = frozenset({("reason", "rejections"), ("reason", "forecasts")})
"""Columns that hold other words than their namesakes."""
