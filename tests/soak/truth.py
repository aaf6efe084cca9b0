"""What the sample province says of itself at an instant, and what the store holds of it.

Shares no mapping with the product: words, times and keys are read anew. Only which org unit a code
means on a day is asked of ``OrgUnits``.
"""

import csv
import hashlib
import hmac
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unicodedata import normalize

import sqlalchemy as sa
from openpyxl import load_workbook

from connectors.sandbox.journal import Journal
from ioc.errors import UnknownOrgUnit
from ioc.orgunits import OrgUnits
from ioc.period import LOCAL, day_number
from kpi.schema import FAR, micros
from kpi.store import KpiStore
from kpi.validation import SUSPECTED

WORDS = {
    **{"toàn trình": "full", "một phần": "partial", "trực tiếp": "direct"},
    **{"điện tử": "electronic", "giấy": "paper"},
    **{"đã tiếp nhận": "received", "đã trả kết quả": "resolved", "đã rút": "withdrawn"},
    **{"ứng dụng": "app", "cổng thông tin": "web", "tổng đài": "hotline"},
    **{"hài lòng": "satisfied", "chấp nhận": "accepted", "không hài lòng": "dissatisfied"},
    **{"tiếp nhận": "received", "đã điều phối": "dispatched"},
    **{"đã có kết quả": "resolved", "từ chối": "rejected"},
}
STAFF = ("staff_professional", "staff_with_computer", "staff_trained_this_year")
_COLUMNS = "key, code, org_unit, place, opened_at, due_at, closed_at, state, category, channel"
_COLUMNS += ", result, lat, lon, changed_at"
_CELLS = "element, org_unit, day, value, changed_at"
_DECLARED = f"run IS NOT NULL AND superseded_at = {FAR} AND element LIKE 'staff_%%'"
_AHEAD = timedelta(minutes=5)

Rows = dict[Any, tuple]
Refused = Counter[tuple]


@dataclass
class Difference:
    """How truth and store differ; nothing of it must be."""

    compared: int = 0
    lost: list[Any] = field(default_factory=list)
    invented: list[Any] = field(default_factory=list)
    different: list[Any] = field(default_factory=list)

    @property
    def number(self) -> int:
        """How many rows differ."""
        return len(self.lost) + len(self.invented) + len(self.different)


def compare(truth: Mapping[Any, Any], stored: Mapping[Any, Any]) -> Difference:
    """Row by row, both ways."""
    found = Difference(len(truth.keys() | stored.keys()))
    for key, row in truth.items():
        if key not in stored:
            found.lost.append((key, row))
        elif stored[key] != row:
            found.different.append((key, row, stored[key]))
    found.invented = [(key, stored[key]) for key in stored.keys() - truth.keys()]
    return found


def dossiers(
    journal: Journal, units: OrgUnits, secret: bytes, now: datetime
) -> tuple[Rows, Refused]:
    """The last sound row of every dossier until now; and the faulty ones by org unit and opening.

    Faulty is what has no key, no readable answer date, an answer before its opening, an opening in
    the future, or an org unit that does not answer on the day of opening.
    """
    rows: Rows = {}
    refused: Refused = Counter()
    for said in map(json.loads, journal.changes(0, 10**9).rows):
        key, code, opened = said["maHoSo"], said["maCoQuan"], _instant(said["ngayTiepNhan"])
        try:
            closed = _instant(said["ngayTra"])
            if not key or opened > now + _AHEAD or (closed is not None and closed < opened):
                raise ValueError(key)
            unit, place = (_unit(units, each, opened) for each in (code, said["maXa"]))
        except (ValueError, UnknownOrgUnit):
            refused[code, micros(opened)] += 1
            continue
        times = (opened, _instant(said["ngayHenTra"]), closed)
        states = (_word(said["trangThai"], "processing"), said["maThuTuc"])
        ways = (_word(said["kenh"]), _word(said["hinhThucTra"]), None, None)
        row = (code, unit, place, *map(micros, times), *states, *ways)
        name = keyed(secret, "public_services", key)
        rows[name] = (*row, micros(_instant(said["thoiDiemCapNhat"])))
    return rows, refused


def field_reports(told: Iterable[Mapping[str, Any]], units: OrgUnits, secret: bytes) -> Rows:
    """Every report as the system shows it now."""
    rows: Rows = {}
    for said in told:
        more = said["extended_attributes"]
        opened = _instant(said["requested_datetime"])
        unit, place = (_unit(units, more[name], opened) for name in ("ma_co_quan", "ma_xa"))
        times = (opened, _instant(said["expected_datetime"]), _instant(more["thoi_diem_ket_qua"]))
        states = (_word(more["trang_thai"], "in_progress"), said["service_code"])
        ways = (_word(more["kenh"]), _word(more["danh_gia"]))
        at = (float(said[axis]) if said[axis] else None for axis in ("lat", "long"))
        row = (more["ma_co_quan"], unit, place, *map(micros, times), *states, *ways, *at)
        name = keyed(secret, "field_reports", str(said["service_request_id"]))
        rows[name] = (*row, micros(_instant(said["updated_datetime"])))
    return rows


def staff(folder: Path, units: OrgUnits) -> tuple[Rows, Refused]:
    """Every cell by its latest sound issue; and the org units and months with an unsound one.

    A row is unsound where the computers are no number, or more than the people.
    """
    rows: Rows = {}
    refused: Refused = Counter()
    for path in sorted(folder.glob("BC_CBCCVC_*")):
        for code, total, equipped, trained, until, sent in _table(path):
            day = day_number(until.date())
            uid = units.resolve(code, until.date()).uid
            if not isinstance(equipped, int) or equipped > total:
                refused[uid, day] = 1
                continue
            for element, value in zip(STAFF, (total, equipped, trained), strict=True):
                at = micros(sent.replace(tzinfo=LOCAL)) or 0
                if at >= rows.get((element, uid, day), (0, 0))[1]:
                    rows[element, uid, day] = (float(value), at)
    return rows, refused


def stored(store: KpiStore, source: str) -> Rows:
    """The records, or the declared figures, of a source as the store believes them now."""
    asked, key = f"SELECT {_COLUMNS} FROM record WHERE source = '{source}'", 1
    if source == "staff":
        asked, key = f"SELECT {_CELLS} FROM observation WHERE {_DECLARED}", 3
    with store.read() as connection:
        rows = connection.exec_driver_sql(asked).all()
    return {row[0] if key == 1 else tuple(row[:key]): tuple(row[key:]) for row in rows}


def stored_refusals(store: KpiStore, source: str, units: OrgUnits) -> Refused:
    """What the store refused of a source, as the truth names it; suspicions are left out."""
    asked = sa.text("SELECT rule, fields FROM rejection WHERE source = :source")
    found: Refused = Counter()
    with store.read() as connection:
        rows = connection.execute(asked, {"source": source}).all()
    for rule, text in rows:
        said = json.loads(text)
        if rule in SUSPECTED:
            continue
        if source == "staff":  # the same row comes again with every issue of its month
            day = _date(said["period"]).date()
            found[units.resolve(said["org_unit"], day).uid, day_number(day)] = 1
        else:
            found[said.get("org_unit"), micros(_instant(said.get("opened_at")))] += 1
    return found


def keyed(secret: bytes, *parts: str) -> str:
    """What a deployment with this key calls a case."""
    return hmac.new(secret, "\x1f".join(parts).encode(), hashlib.sha256).hexdigest()[:32]


def _instant(text: str | None) -> Any:
    if not text:
        return None
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=LOCAL)


def _unit(units: OrgUnits, code: str | None, on: datetime) -> str | None:
    return units.resolve(code, on.astimezone(LOCAL).date()).uid if code else None


def _word(text: str | None, working: str = "") -> str | None:
    """``working``: both systems say “đang xử lý”, and each has its own code for it."""
    if text is None:
        return None
    return working if text == "đang xử lý" else WORDS[normalize("NFC", text)]


def _table(path: Path) -> list[tuple]:
    """Code, the three figures, the day that they hold for, and when they were sent."""
    if path.suffix == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file, delimiter=";"))[1:]
        return [
            (row[1], *(int(c) if c.isdigit() else c for c in row[3:6]), *map(_date, row[6:8]))
            for row in rows
            if row[1]
        ]
    sheet = load_workbook(path, read_only=True).active
    return [(row[1], *row[3:8]) for row in sheet.iter_rows(min_row=7, values_only=True) if row[1]]


def _date(text: str) -> datetime:
    """``31/08/2023``, with a clock or without, or ISO."""
    local = re.fullmatch(r"(\d\d)/(\d\d)/(\d{4})(.*)", text)
    return datetime.fromisoformat("{2}-{1}-{0}{3}".format(*local.groups()) if local else text)
