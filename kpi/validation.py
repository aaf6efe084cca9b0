"""What one row must hold before it is stored: it is taken, taken and looked at, or refused.

Rules are words of the data: every rejection carries the code of its rule, ``RULES`` says it in
Vietnamese. What only several rows together can show stands in ``kpi.plausibility``.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from ioc.errors import UnknownOrgUnit
from ioc.model import Counts, Reading, Record, Rejection
from ioc.orgunits import POPULATION_GROUP, OrgUnits
from ioc.period import LOCAL, date_of, day_number, day_of
from kpi.catalogue import Catalogue
from kpi.schema import micros

RULES = {
    "unreadable": "Không đọc được theo mẫu đã khai",
    "unknown_org_unit": "Không rõ đơn vị",
    "not_expected": "Không thuộc danh mục số liệu hoặc đơn vị phải báo",
    "time": "Thời điểm không hợp lý",
    "range": "Ngoài khoảng cho phép",
    "control_character": "Có ký tự điều khiển",
    "numerator_over_denominator": "Tử số lớn hơn mẫu số",
    "incomplete_pair": "Thiếu một nửa của tử số, mẫu số",
    "jump": "Nghi ngờ: tăng vọt",
    "position": "Nghi ngờ: vị trí",
    "duplicate": "Nghi ngờ: trùng khóa, khác nội dung",
}
"""Every rule by its code, in words."""
SUSPECTED = ("jump", "position", "duplicate")
"""Rules under which a row is taken all the same, and looked at."""
AHEAD = timedelta(minutes=5)
"""How far a source's clock may run ahead of ours before its instants are refused."""
EARLIEST_YEAR = 1990
EARLIEST = datetime(EARLIEST_YEAR, 1, 1, tzinfo=LOCAL)
"""The calendar of the store begins here; an older instant is a slip of the pen."""
Cell = tuple[str, str, int]
"""Where a figure stands: element, org unit, day."""
NEIGHBOURHOOD = 2.0
"""Degrees around the province's org units (some 200 km): no case of ours lies beyond."""


class Refused(ValueError):
    """A row that breaks a rule; the message is the reason, ``cell`` the figure it would be."""

    def __init__(self, rule: str, reason: str, cell: Cell | None = None):
        self.rule, self.cell = rule, cell
        super().__init__(reason)


@dataclass
class Taken:
    """Rows of one batch after validation, each with the instant that decides its boundary.

    A row of ``readings`` ends with the position where it stood; ``rejections`` holds the
    suspected rows too, though they are taken.
    """

    records: list[tuple[datetime | None, tuple]] = field(default_factory=list)
    readings: list[tuple[datetime | None, tuple]] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    keys: dict[str, str] = field(default_factory=dict)
    """Every key that was read, refused or not, with its position."""
    refused: set[Cell] = field(default_factory=set)
    """Figures that were out of range: what was said with them has lost its other half."""
    unreadable: bool = False
    old_codes: int = 0


class Rules:
    """The rules that one catalogue and its org units set."""

    def __init__(self, catalogue: Catalogue, orgunits: OrgUnits):
        self._elements = catalogue.elements
        self._orgunits = orgunits
        points = [(u.lat, u.lon) for u in orgunits.values() if u.lat and u.lon]
        self._sides = [(min(side), max(side)) for side in zip(*points, strict=True)]

    def validate(
        self, source: str, items: Iterable[Record | Reading | Rejection], run: int, now: datetime
    ) -> Taken:
        """Every item of a batch: rows for the store, and why others are none."""
        taken = Taken()
        latest = now + AHEAD
        for item in items:
            if isinstance(item, Rejection):
                taken.rejections.append(item)
                if item.key:
                    taken.keys[item.key] = item.position
                else:
                    taken.unreadable = True
                continue
            try:
                if isinstance(item, Record):
                    taken.keys[item.key] = item.position
                    if item.lat is not None or item.lon is not None:
                        item = self._placed(item, taken)
                    row, old_code = record_row(self._orgunits, source, item, run, latest)
                    taken.records.append((item.changed_at, row))
                else:
                    row, old_code = self._reading_row(item, run, latest)
                    taken.readings.append((item.changed_at, row))
                taken.old_codes += old_code
            except UnknownOrgUnit as error:
                taken.rejections.append(rejection(item, "unknown_org_unit", str(error)))
            except ValueError as error:
                rule, cell = "time", None
                if isinstance(error, Refused):
                    rule, cell = error.rule, error.cell
                taken.refused |= {cell} if cell else set()
                taken.rejections.append(rejection(item, rule, str(error)))
        return taken

    def _placed(self, record: Record, taken: Taken) -> Record:
        """The record; without its position where that cannot be, for its org unit still holds.

        Axes that were swapped are told and not put right: nothing is inferred.
        """
        at = (record.lat, record.lon)
        if self._is_near(at) or not all(math.isfinite(axis or 0) for axis in at):
            return record
        reason = "Nghi ngờ: vị trí ở xa địa bàn tỉnh"
        if self._is_near(at[::-1]):
            reason = "Nghi ngờ: vĩ độ và kinh độ đổi chỗ cho nhau"
        reason = f"{reason}; bỏ vị trí, vẫn nhận bản ghi"
        taken.rejections.append(rejection(record, "position", reason))
        return replace(record, lat=None, lon=None)

    def _is_near(self, at: Sequence[float | None]) -> bool:
        return all(
            axis is not None and least - NEIGHBOURHOOD <= axis <= most + NEIGHBOURHOOD
            for axis, (least, most) in zip(at, self._sides, strict=True)
        )

    def _reading_row(self, reading: Reading, run: int, latest: datetime) -> tuple[tuple, bool]:
        """Columns of ``t_obs`` and the position, and whether its code is an old one."""
        element = self._elements.get(reading.element)
        if element is None or not element.reading:
            said = f"không có số liệu khai báo nào mang mã {reading.element!r}"
            raise Refused("not_expected", said)
        period = reading.period
        if period.starts_at > latest or (reading.changed_at and reading.changed_at > latest):
            raise Refused("time", "thời điểm nằm trong tương lai")
        if period.starts_at < EARLIEST:
            raise Refused("time", f"thời điểm trước năm {EARLIEST_YEAR}")
        owner = self._orgunits.resolve(reading.org_unit, period.end)
        unit = self._orgunits[owner.uid]
        outside = unit.level == "department" and unit.group != POPULATION_GROUP
        if element.serves and (unit.level not in element.serves or outside):
            said = f"{unit.name} không thuộc nhóm cơ quan báo số liệu {element.id!r}"
            raise Refused("not_expected", said)
        cell = (element.id, owner.uid, day_number(period.end))
        value, (least, most) = reading.value, element.range
        if not math.isfinite(value):
            raise Refused("range", "giá trị không hữu hạn", cell)
        if not least <= value <= most:
            said = f"{figure(value)} không nằm trong khoảng {figure(least)} – {figure(most)}"
            raise Refused("range", "giá trị âm" if value < 0 == least else said, cell)
        row = (*cell, float(value), micros(reading.changed_at), run, reading.position)
        return row, owner.old_code


def record_row(
    orgunits: OrgUnits, source: str, record: Record, run: int, latest: datetime
) -> tuple[tuple, bool]:
    """Columns of ``t_in``, and whether its code is an old one; raises for what may not be said."""
    _refuse_unfit(record, latest)
    opened_day = day_of(record.opened_at)
    owner = orgunits.resolve(record.org_unit, date_of(opened_day))
    unit = owner.uid
    closed_day = day_of(record.closed_at) if record.closed_at else None
    done = orgunits.at(unit, date_of(closed_day))[0] if closed_day is not None else ""
    place = None
    if record.place:
        place = orgunits.resolve(record.place, date_of(opened_day)).uid
    said = (
        record.kind,
        record.org_unit,
        unit,
        done,
        place,
        micros(record.opened_at),
        micros(record.due_at),
        micros(record.closed_at),
        opened_day,
        closed_day,
        record.state,
        record.category,
        record.channel,
        record.result,
        record.quantity,
        record.lat,
        record.lon,
    )
    row = (source, record.key, *said, micros(record.changed_at), content_hash(said), run)
    return row, owner.old_code


def _refuse_unfit(record: Record, latest: datetime) -> None:
    for at in (record.opened_at, record.closed_at, record.changed_at):
        if at is not None and at > latest:
            raise Refused("time", "thời điểm nằm trong tương lai")
    if record.opened_at < EARLIEST:
        raise Refused("time", f"thời điểm trước năm {EARLIEST_YEAR}")
    if record.closed_at and record.closed_at < record.opened_at:
        raise Refused("time", "ngày kết thúc trước ngày tiếp nhận")
    for value in (record.quantity, record.lat, record.lon):
        if value is not None and not math.isfinite(value):
            raise Refused("range", "giá trị không hữu hạn")
    words = f"{record.key}{record.kind}{record.org_unit}{record.place}{record.state}"
    if not f"{words}{record.category}{record.channel}{record.result}".isprintable():
        raise Refused("control_character", "có ký tự điều khiển hoặc ký tự không in được")


def content_hash(said: Sequence[object]) -> str:
    """SHA-256 of what a record says, its own change time and run left out."""
    text = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def rejection(item: Record | Reading, rule: str, reason: str) -> Rejection:
    """Why an item is refused or suspected, with the coded fields that show which one it is.

    All that it said is kept beside them, so that it can be taken later; its hash is that of the
    fields that show it.
    """
    fields = {"org_unit": item.org_unit}
    if isinstance(item, Record):
        fields |= {"key": item.key, "opened_at": item.opened_at.isoformat()}
        if item.closed_at:
            fields["closed_at"] = item.closed_at.isoformat()
        if rule == "position":
            fields |= {"lat": str(item.lat), "lon": str(item.lon)}
    else:
        fields |= {"element": item.element, "period": item.period.text, "value": str(item.value)}
    found = rejection_of(item.position, rule, reason, fields)
    whole = {printable(name): printable(value) for name, value in _said(item).items()}
    return replace(found, fields=found.fields | whole)


_RECORDED = "kind due_at changed_at place state category channel result quantity lat lon".split()


def _said(item: Record | Reading) -> dict[str, str]:
    """What an item says beside what shows which one it is, as text; nothing for what is unknown."""
    names = _RECORDED if isinstance(item, Record) else ["changed_at"]
    given = {name: getattr(item, name) for name in names}
    return {
        name: value.isoformat() if isinstance(value, datetime) else str(value)
        for name, value in given.items()
        if value not in (None, "")
    }


def rejection_of(position: str, rule: str, reason: str, fields: dict[str, str]) -> Rejection:
    """A rejection whose hash is that of its fields; nothing in it that a database cannot hold."""
    fields = {printable(name): printable(value) for name, value in fields.items()}
    said = json.dumps(fields, ensure_ascii=False, sort_keys=True)
    digest = hashlib.sha256(said.encode()).hexdigest()
    return Rejection(printable(position), printable(reason), fields, digest, rule)


def printable(text: str) -> str:
    """A text with a mark in the place of every character that cannot be shown or stored."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "\ufffd" for char in text)


def figure(value: float) -> str:
    """A number as it is written in a reason."""
    if math.isinf(value):
        return "không giới hạn"
    return f"{value:,.15g}".translate(str.maketrans(",.", ".,"))


def notes(counts: Counts) -> list[str]:
    """What a run must say of its rows, in sentences."""
    refused = {rule: n for rule, n in counts.rules.items() if rule not in SUSPECTED}
    suspected = {rule: n for rule, n in counts.rules.items() if rule in SUSPECTED}
    said = []
    for lead, rules in (("không nhận", refused), ("vẫn nhận, cần xem lại", suspected)):
        if rules:
            parts = (f"{n} × {RULES[rule]}" for rule, n in sorted(rules.items()))
            said.append(f"{lead}: {'; '.join(parts)}")
    if counts.duplicates:
        said.append(f"trùng khóa trong một lô: {counts.duplicates} dòng, lấy dòng đổi sau cùng")
    if counts.withheld and not counts.held:
        said.append(
            f"có dòng không đọc được cả khóa nên chưa gỡ {counts.withheld} bản ghi mà nguồn không"
            " còn nêu: sửa dòng đó ở nguồn thì mới gỡ"
        )
    return said
