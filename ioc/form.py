"""The workbook that people fill in by hand for a source of sheets: its names, columns, example.

Who draws it and who reads it share no more than what stands here.
"""

import re
from collections.abc import Mapping
from typing import Any

from ioc.period import Period
from ioc.source import Source

PREFIX = "nhap-tay_"
"""What the name of a file begins with that a person filled in."""
SHEET = "Số liệu"
"""The sheet with the figures, where a source declares no other."""
GUIDE = "Hướng dẫn"
EXAMPLE = "VÍ DỤ"
"""What stands in the place of an org unit's code in a row that only shows how to fill in."""
SUFFIXES = (".xlsx", ".csv")
MOST_BYTES = 5 << 20
_INSTANTS = ("opened_at", "due_at", "closed_at", "changed_at")
_NUMBERS = ("quantity", "lat", "lon")
_NEEDED = ("org_unit", "period", "opened_at")


def is_by_hand(name: str) -> bool:
    """Whether a file's name says that a person filled it in."""
    return name.casefold().startswith(PREFIX)


def file_name(source: str, period: Period) -> str:
    """``nhap-tay_staff_2026-10.xlsx``."""
    return f"{PREFIX}{source}_{period.text}.xlsx"


def form_of(source: Source) -> dict[str, Any] | None:
    """What a template of a source needs, as plain JSON; None where there can be none.

    ``sheet`` its name, ``grain`` of its period, ``separator`` of a CSV; ``columns`` in order, each
    with its ``heading``, what it ``is`` (``org_unit``, ``place``, ``period``, ``instant``,
    ``number``, ``code``, ``text``), the ``field`` or element that it fills, whether a row needs it,
    and the ``values`` of a code. A period that stands in the names of files must be found in
    ``file_name`` too: else the source has no template.
    """
    if source.kind != "sheet":
        return None
    specs = {name: _spec(spec) for name, spec in source.fields.items()}
    period = specs.get("period", {})
    grain = period.get("grain", "month")
    if str(period.get("path", "")).startswith("_") and not _found(period, source.id, grain):
        return None
    columns: dict[str, dict[str, Any]] = {}
    for column in _columns(source, specs):
        columns.setdefault(column["heading"], column)
    return {
        "sheet": source.options.get("sheet") or SHEET,
        "grain": grain,
        "separator": source.options.get("csv", {}).get("separator", ","),
        "columns": list(columns.values()),
    }


def _spec(spec: Any) -> dict[str, Any]:
    return {"path": spec} if isinstance(spec, str) else dict(spec)


def _found(spec: Mapping[str, Any], source: str, grain: Any) -> bool:
    """Whether the period of a template's name is read out of it again."""
    if not spec.get("match"):
        return False
    example = Period.parse("2026-10") if grain == "month" else Period.parse("2026")
    found = re.search(spec["match"], file_name(source, example))
    return found is not None and int(found.groupdict().get("year") or 0) == 2026


def _columns(source: Source, specs: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Codes first, then what is left out of the reading, figures, and dates last."""
    figures = [
        {"heading": spec["path"], "is": "number", "field": element, "needed": False}
        for element, given in (source.readings or {}).items()
        for spec in [_spec(given)]
    ]
    keys = [
        {"heading": key, "is": "text", "field": "key", "needed": True}
        for key in source.keys
        if key not in {spec["path"] for spec in specs.values()}
    ]
    skipped = [
        {"heading": heading, "is": "text", "field": "", "needed": False}
        for heading in source.options.get("skip", {})
    ]
    fields = [_field(name, spec) for name, spec in specs.items()]
    first = [field for field in fields if field["is"] in ("org_unit", "place")]
    last = [field for field in fields if field["is"] in ("period", "instant")]
    middle = [field for field in fields if field not in (*first, *last)]
    every = [*keys, *first, *skipped, *middle, *figures, *last]
    return [column for column in every if not column["heading"].startswith("_")]


def _field(name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    kind = (
        name
        if name in ("org_unit", "place", "period")
        else "instant"
        if name in _INSTANTS
        else "number"
        if name in _NUMBERS
        else "code"
    )
    field = {
        "heading": spec["path"],
        "is": kind,
        "field": name,
        "needed": name in _NEEDED or bool(spec.get("required")),
    }
    return field | ({"values": list(map(str, spec["values"]))} if spec.get("values") else {})
